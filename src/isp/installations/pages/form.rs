//! Adding and changing one installation.

use std::sync::Arc;

use chrono::Utc;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    PATH, area_choices,
    ports::{self, PickerView},
    technicians,
};
use crate::{
    access::{CheckedForm, PageUser, colleagues},
    config::Settings,
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        areas,
        customers::{self, Accuracy, MapView},
        installations::{
            model::{FIELDS, Installation, InstallationDraft},
            rules::{self, NewInstallation},
        },
        routers,
    },
    types::{CustomerId, InstallationId},
    web::parts::{Choice, id_of},
    web::typed::Typed,
    web::{Flash, FormView},
    words::say,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    customer: String,
    nap: String,
    port: String,
    q: String,
}

#[derive(Serialize)]
struct Hit {
    label: String,
    hint: String,
    href: String,
}

#[derive(Serialize)]
struct WhoPage {
    q: String,
    hits: Vec<Hit>,
}

#[derive(Serialize)]
struct Whose {
    id: String,
    name: String,
    href: String,
    address: String,
}

#[derive(Serialize)]
struct Stock {
    serial_number: String,
    label: String,
}

#[derive(Serialize)]
struct FormPage {
    area_word: String,
    customer: Whose,
    /// Where the installation is shown; none when it is new.
    href: Option<String>,
    is_scheduled: bool,
    areas: Vec<Choice>,
    technicians: Vec<Choice>,
    accuracies: Vec<Choice>,
    in_stock: Vec<Stock>,
    map: MapView,
    picker: Option<PickerView>,
    today: String,
    form: FormView,
}

/// Whom the installation is for: searched first, when the address does not say.
async fn ask_whom(user: &PageUser, db: &Db, asked: &Asked) -> Result<Response> {
    let q: String = asked.q.trim().chars().take(100).collect();
    let found = if q.is_empty() {
        Vec::new()
    } else {
        db.read_tenant(user.tenant(), async |tx| customers::search(tx, &q, 20).await).await?
    };
    let hits = found
        .into_iter()
        .map(|hit| {
            let id = hit.href.rsplit('/').next().unwrap_or_default().to_owned();
            let mut pairs = vec![("customer", id.as_str())];
            pairs.extend([("nap", asked.nap.as_str()), ("port", asked.port.as_str())]);
            pairs.retain(|(_, value)| !value.is_empty());
            let href = crate::web::parts::address("/installations/new", pairs);
            Hit { label: hit.label, hint: hit.hint, href }
        })
        .collect();
    user.render("installations/whom.html", say("New installation"), &WhoPage { q, hits })
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS)
        .with("router", "")
        .with("nap_id", "")
        .with("nap_port", "")
        .with("location_accuracy", "manual")
}

/// The program's parts that every form needs.
struct Desk<'a> {
    user: &'a PageUser,
    db: &'a Db,
    settings: &'a Settings,
}

/// What a form is about.
enum About {
    New(CustomerId, ports::Asked),
    Known(Box<Installation>),
}

async fn whose(tx: &TenantTx, id: CustomerId) -> Result<Whose> {
    let customer = customers::get(tx, id).await?;
    let details = customer.details;
    let area = match details.area_id {
        Some(area) => areas::find_name(tx, area).await?.map(|(name, _)| name),
        None => None,
    };
    let address = [details.street_address.clone(), area].into_iter().flatten().collect::<Vec<_>>();
    Ok(Whose {
        id: id.to_string(),
        name: details.name(),
        href: format!("/customers/{id}"),
        address: address.join(", "),
    })
}

impl Desk<'_> {
    async fn show(&self, status: StatusCode, about: About, form: FormView) -> Result<Response> {
        let user = self.user;
        let chosen = |name: &str| form.values.get(name).cloned().unwrap_or_default();
        let (area, technician) = (chosen("area_id"), chosen("technician_id"));
        let (customer, known) = match &about {
            About::New(customer, _) => (*customer, None),
            About::Known(one) => (one.customer.id, Some(one)),
        };
        let ((customer, choices), (people, stock, middle), picker) = self
            .db
            .read_tenant(user.tenant(), async |tx| {
                let first = futures_util::try_join!(whose(tx, customer), areas::find_choices(tx))?;
                let more =
                    futures_util::try_join!(colleagues(tx), routers::in_stock(tx), customers::middle(tx))?;
                let picker = match &about {
                    About::New(_, asked) => Some(ports::view(tx, asked, None).await?),
                    About::Known(_) => None,
                };
                Ok((first, more, picker))
            })
            .await?;
        let was = known.and_then(|one| one.technician.clone()).map(|name| (technician, name));
        let error = ["nap_id", "nap_port"].into_iter().find_map(|name| form.errors.get(name).cloned());
        let title = match known {
            Some(one) => say!("Edit the installation of {}", one.customer.name),
            None => say!("New installation for {}", customer.name),
        };
        let view = FormPage {
            area_word: user.shell.brand.area_word.clone(),
            href: known.map(|one| format!("{PATH}/{}", one.id)),
            is_scheduled: known
                .is_some_and(|one| one.status == crate::isp::installations::model::Status::Scheduled),
            areas: area_choices(&choices, &area),
            technicians: technicians(people, was),
            accuracies: Accuracy::options(),
            in_stock: stock
                .into_iter()
                .map(|one| Stock { serial_number: one.serial_number, label: one.label })
                .collect(),
            map: MapView::around(self.settings, middle),
            picker: picker.map(|mut picker| {
                picker.error = error.unwrap_or_default();
                picker
            }),
            today: rules::today(&user.by, Utc::now()).to_string(),
            customer,
            form,
        };
        user.render_with(status, "installations/form.html", &title, &view)
    }
}

#[handler]
pub async fn new_installation(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let Ok(customer) = asked.customer.parse::<CustomerId>() else {
        return Ok(ask_whom(&user, &db, &asked).await?);
    };
    let port = ports::Asked {
        customer_id: asked.customer,
        nap_id: asked.nap,
        nap_port: asked.port,
        ..ports::Asked::default()
    };
    let desk = Desk { user: &user, db: &db, settings: &settings };
    Ok(desk.show(StatusCode::OK, About::New(customer, port), empty_form()).await?)
}

async fn add(user: &PageUser, db: &Db, form: &CheckedForm, asked: &ports::Asked) -> Result<Installation> {
    let now = Utc::now();
    let customer: CustomerId = asked
        .customer_id
        .parse()
        .map_err(|_no_id| Error::invalid("customer_id", "unknown", "There is no such customer."))?;
    let draft = InstallationDraft::parse(&Typed::of_form(form, &FIELDS), rules::today(&user.by, now))?;
    let port = asked.port()?;
    let typed = form.get("router").trim();
    db.in_tenant(user.tenant(), async |tx| {
        let router = match typed {
            "" => None,
            typed => Some(routers::find_in_stock(tx, typed).await?.ok_or_else(|| {
                Error::invalid("router", "unknown", "No router has this serial number or MAC address.")
            })?),
        };
        let new = NewInstallation { customer, draft: draft.clone(), port, router };
        rules::create(tx, &user.by, &new, now).await
    })
    .await
}

/// The same refusal beside the field that the form has for it.
fn beside_field(error: Error) -> Error {
    match error {
        Error::Conflict { code: "port_taken", detail } => Error::invalid("nap_port", "port_taken", detail),
        Error::Invalid(mut wrongs) => {
            for wrong in &mut wrongs {
                if wrong.field == "router_id" {
                    wrong.field = "router".into();
                }
            }
            Error::Invalid(wrongs)
        }
        other => other,
    }
}

#[handler]
pub async fn add_installation(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let asked = ports::Asked::of_form(&form);
    let desk = Desk { user: &user, db: &db, settings: &settings };
    let customer: CustomerId = id_of(&asked.customer_id, "customer")?;
    if !asked.step.is_empty() {
        let shown = empty_form().typed(&form);
        return Ok(desk.show(StatusCode::OK, About::New(customer, asked), shown).await?);
    }
    match add(&user, &db, &form, &asked).await {
        Ok(one) => {
            let flash = Flash::success(say!("The installation of {} was saved.", one.customer.name));
            Ok(user.then(&format!("{PATH}/{}", one.id), &flash))
        }
        Err(error) => {
            let shown = empty_form().typed(&form).failed(beside_field(error))?;
            let about = About::New(customer, asked);
            Ok(desk.show(StatusCode::UNPROCESSABLE_ENTITY, about, shown).await?)
        }
    }
}

#[handler]
pub async fn edit_installation(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: InstallationId = id_of(&id, "installation")?;
    let one = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    one.require_live()?;
    let form = one.draft.typed().into_form(format!("{PATH}/{id}"));
    let desk = Desk { user: &user, db: &db, settings: &settings };
    Ok(desk.show(StatusCode::OK, About::Known(Box::new(one)), form).await?)
}

#[handler]
pub async fn save_installation(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: InstallationId = id_of(&id, "installation")?;
    let (href, now) = (format!("{PATH}/{id}"), Utc::now());
    let typed = Typed::of_form(&form, &FIELDS);
    let changed = db
        .in_tenant(user.tenant(), async |tx| rules::change(tx, &user.by, id, now, |_| typed.clone()).await)
        .await;
    match changed {
        Ok(one) => {
            let flash = Flash::success(say!("The installation of {} was saved.", one.customer.name));
            Ok(user.then(&href, &flash))
        }
        Err(error) => {
            let shown = FormView::empty(&href, &FIELDS).typed(&form).failed(error)?;
            let one = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
            let desk = Desk { user: &user, db: &db, settings: &settings };
            let about = About::Known(Box::new(one));
            Ok(desk.show(StatusCode::UNPROCESSABLE_ENTITY, about, shown).await?)
        }
    }
}
