//! Adding and changing one customer.

use std::sync::Arc;

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use super::{MapView, PATH, accuracies, area_choices, statuses};
use crate::{
    access::{CheckedForm, PageUser},
    config::Settings,
    db::Db,
    error::{Error, Result},
    isp::{
        areas,
        customers::{
            list,
            model::{Customer, Likeness, Lookalike, Typed},
            rules::{self, Duplicates},
        },
    },
    types::{AreaId, CustomerId},
    web::parts::{Choice, id_of},
    web::{Flash, Form, FormView},
    words::say,
};

const FIELDS: [&str; 12] = [
    "first_name",
    "last_name",
    "email",
    "phone_primary",
    "street_address",
    "area_id",
    "status",
    "notes",
    "latitude",
    "longitude",
    "location_accuracy",
    "location_notes",
];

#[derive(Serialize)]
struct FormPage {
    area_word: String,
    areas: Vec<Choice>,
    statuses: Vec<Choice>,
    accuracies: Vec<Choice>,
    map: MapView,
    duplicates: Vec<Alike>,
    customer: Option<Known>,
    form: FormView,
}

#[derive(Serialize)]
struct Known {
    id: CustomerId,
    name: String,
    href: String,
}

/// Somebody who may be the same, in a form or beside a customer.
#[derive(Debug, Serialize)]
pub struct Alike {
    name: String,
    href: String,
    reason: String,
    phone: String,
    email: String,
    address: String,
    merge_href: String,
}

impl Alike {
    /// `beside` is the customer whom they are like, if there is one yet.
    pub fn of(alike: &Lookalike, beside: Option<CustomerId>) -> Self {
        let details = &alike.customer.details;
        let other = alike.customer.id;
        let dash = || "–".to_owned();
        let reasons: Vec<&str> = alike.reasons.iter().map(|reason| Likeness::label(*reason)).collect();
        let merge_href = beside.map(|id| format!("/customers/merge?ids={id}&ids={other}"));
        Self {
            name: details.name(),
            href: format!("{PATH}/{other}"),
            reason: reasons.join(", "),
            phone: details.phone_primary.clone().map_or_else(dash, String::from),
            email: details.email.clone().map(String::from).unwrap_or_default(),
            address: details.street_address.clone().unwrap_or_else(dash),
            merge_href: merge_href.unwrap_or_default(),
        }
    }
}

/// What stands in the form; an area that is no id is one that is not here.
fn typed_of(form: &Form) -> Result<Typed> {
    let text = |name| form.get(name).to_owned();
    let area_id: Option<AreaId> = match form.get("area_id") {
        "" => None,
        id => Some(
            id.parse().map_err(|_no_id| Error::invalid("area_id", "unknown", "There is no such area."))?,
        ),
    };
    Ok(Typed {
        reference: text("reference"),
        first_name: text("first_name"),
        last_name: text("last_name"),
        email: text("email"),
        phone_primary: text("phone_primary"),
        street_address: text("street_address"),
        area_id,
        status: text("status"),
        notes: text("notes"),
        latitude: text("latitude"),
        longitude: text("longitude"),
        location_accuracy: text("location_accuracy"),
        location_notes: text("location_notes"),
    })
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS)
        .with("reference", "")
        .with("status", "active")
        .with("location_accuracy", "manual")
}

fn form_of(customer: &Customer) -> FormView {
    let typed = Typed::from(&customer.details);
    FormView::empty(format!("{PATH}/{}", customer.id), &FIELDS)
        .with("reference", typed.reference)
        .with("first_name", typed.first_name)
        .with("last_name", typed.last_name)
        .with("email", typed.email)
        .with("phone_primary", typed.phone_primary)
        .with("street_address", typed.street_address)
        .with("area_id", typed.area_id.map(|id| id.to_string()).unwrap_or_default())
        .with("status", typed.status)
        .with("notes", typed.notes)
        .with("latitude", typed.latitude)
        .with("longitude", typed.longitude)
        .with("location_accuracy", typed.location_accuracy)
        .with("location_notes", typed.location_notes)
        .with("version", rules::version(customer).to_string())
}

/// The program's parts that every form needs.
struct Desk<'a> {
    user: &'a PageUser,
    db: &'a Db,
    settings: &'a Settings,
}

impl Desk<'_> {
    async fn show(
        &self,
        status: StatusCode,
        form: FormView,
        customer: Option<&Customer>,
        alike: &[Lookalike],
    ) -> Result<Response> {
        let (areas, middle) = self
            .db
            .read_tenant(self.user.tenant(), async |tx| {
                futures_util::try_join!(areas::find_choices(tx), list::middle(tx))
            })
            .await?;
        let chosen = form.values.get("area_id").cloned().unwrap_or_default();
        let title = match customer {
            Some(customer) => say!("Edit {}", customer.details.name()),
            None => say("New customer").to_owned(),
        };
        let view = FormPage {
            area_word: self.user.shell.brand.area_word.clone(),
            areas: area_choices(&areas, &chosen),
            statuses: statuses(),
            accuracies: accuracies(),
            map: MapView::around(self.settings, middle),
            duplicates: alike.iter().map(|one| Alike::of(one, customer.map(|c| c.id))).collect(),
            customer: customer.map(|customer| Known {
                id: customer.id,
                name: customer.details.name(),
                href: format!("{PATH}/{}", customer.id),
            }),
            form,
        };
        self.user.render_with(status, "customers/form.html", &title, &view)
    }
}

#[handler]
pub async fn new_customer(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
) -> poem::Result<Response> {
    let desk = Desk { user: &user, db: &db, settings: &settings };
    Ok(desk.show(StatusCode::OK, empty_form(), None, &[]).await?)
}

/// How adding ended that did not fail.
enum Added {
    Yes(Box<Customer>),
    /// Somebody here looks alike; the person decides.
    Alike(Vec<Lookalike>),
}

async fn add(user: &PageUser, db: &Db, form: &Form) -> Result<Added> {
    let details = typed_of(form)?.parse(&user.tenant().country)?;
    let anyway = form.has("allow_duplicate");
    db.in_tenant(user.tenant(), async |tx| {
        if !anyway {
            let alike = rules::find_lookalikes(tx, None, &details).await?;
            if !alike.is_empty() {
                return Ok(Added::Alike(alike));
            }
        }
        let customer = rules::create(tx, &user.by, &details, Duplicates::Allow).await?;
        Ok(Added::Yes(Box::new(customer)))
    })
    .await
}

#[handler]
pub async fn add_customer(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let desk = Desk { user: &user, db: &db, settings: &settings };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    match add(&user, &db, &form).await {
        Ok(Added::Yes(customer)) => {
            let flash = Flash::success(say!("{} was added.", customer.details.name()));
            Ok(user.then(&format!("{PATH}/{}", customer.id), &flash))
        }
        Ok(Added::Alike(alike)) => Ok(desk.show(status, empty_form().typed(&form), None, &alike).await?),
        Err(error) => Ok(desk.show(status, empty_form().typed(&form).failed(error)?, None, &[]).await?),
    }
}

async fn live(user: &PageUser, db: &Db, id: &str) -> Result<Customer> {
    let id: CustomerId = id_of(id, "customer")?;
    db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await
}

#[handler]
pub async fn edit_customer(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let desk = Desk { user: &user, db: &db, settings: &settings };
    let customer = live(&user, &db, &id).await?;
    Ok(desk.show(StatusCode::OK, form_of(&customer), Some(&customer), &[]).await?)
}

async fn save(user: &PageUser, db: &Db, id: CustomerId, form: &Form) -> Result<Customer> {
    let typed = typed_of(form)?;
    let seen = form.get("version").parse().ok();
    db.in_tenant(user.tenant(), async |tx| {
        rules::change(tx, &user.by, id, seen, |was| {
            // A field that the form does not have is left as it is.
            let reference = if form.has("reference") { typed.reference.clone() } else { was.reference };
            Ok(Typed { reference, ..typed.clone() })
        })
        .await
    })
    .await
}

#[handler]
pub async fn save_customer(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let desk = Desk { user: &user, db: &db, settings: &settings };
    let id = id_of(&id, "customer")?;
    match save(&user, &db, id, &form).await {
        Ok(customer) => {
            let flash = Flash::success(say!("{} was saved.", customer.details.name()));
            Ok(user.then(&format!("{PATH}/{id}"), &flash))
        }
        Err(error) => {
            let customer = live(&user, &db, &id.to_string()).await?;
            // The version that was looked at stays: what somebody else saved meanwhile is not written over by a second try.
            let shown = form_of(&customer).typed(&form).failed(error)?;
            Ok(desk.show(StatusCode::UNPROCESSABLE_ENTITY, shown, Some(&customer), &[]).await?)
        }
    }
}
