//! Two customers that are one.

use poem::{Request, Response, handler, http::StatusCode, web::Data};
use serde::Serialize;

use super::{PATH, asked::Asked, detail::place_text};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        areas,
        customers::{
            export::area_ids,
            model::{Customer, Details, MergeField},
            rules,
        },
    },
    types::{AreaId, CustomerId},
    web::{Flash, FormView, Moment, see_other},
    words::say,
};

const MERGE_PATH: &str = "/customers/merge";

#[derive(Serialize)]
struct MergePage {
    form: FormView,
    customers: Vec<Candidate>,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Candidate {
    id: String,
    name: String,
    href: String,
    created: Moment,
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    label: String,
    choices: Vec<Pick>,
}

#[derive(Serialize)]
struct Pick {
    from: String,
    text: String,
    checked: bool,
}

fn label(field: MergeField, area_word: &str) -> String {
    match field {
        MergeField::Reference => say("Account number"),
        MergeField::FirstName => say("First name"),
        MergeField::LastName => say("Last name"),
        MergeField::Email => say("E-mail"),
        MergeField::PhonePrimary => say("Phone"),
        MergeField::StreetAddress => say("Street"),
        MergeField::Area => area_word,
        MergeField::Status => say("Status"),
        MergeField::Notes => say("Notes"),
        MergeField::Location => say("Location"),
    }
    .to_owned()
}

fn text(field: MergeField, details: &Details, area: impl Fn(AreaId) -> String) -> String {
    let own = |value: &Option<String>| value.clone().unwrap_or_default();
    match field {
        MergeField::Reference => own(&details.reference),
        MergeField::FirstName => details.first_name.clone(),
        MergeField::LastName => details.last_name.clone(),
        MergeField::Email => details.email.clone().map(String::from).unwrap_or_default(),
        MergeField::PhonePrimary => details.phone_primary.clone().map(String::from).unwrap_or_default(),
        MergeField::StreetAddress => own(&details.street_address),
        MergeField::Area => details.area_id.map(area).unwrap_or_default(),
        MergeField::Status => details.status.label().to_owned(),
        MergeField::Notes => own(&details.notes),
        MergeField::Location => details.place.map(place_text).unwrap_or_default(),
    }
}

/// How many fields say something.
fn fullness(details: &Details) -> usize {
    MergeField::ALL.iter().filter(|field| !text(**field, details, |id| id.to_string()).is_empty()).count()
}

/// The two customers of an address or a form: exactly two, and different ones.
fn two<'a>(ids: impl Iterator<Item = &'a str>) -> Option<(CustomerId, CustomerId)> {
    let mut ids: Vec<CustomerId> = ids.filter_map(|id| id.parse().ok()).collect();
    ids.dedup();
    match ids.as_slice() {
        [a, b] if a != b => Some((*a, *b)),
        _ => None,
    }
}

fn not_two(user: &PageUser, back: &str) -> Response {
    user.then(back, &Flash::error("Choose two customers to merge."))
}

/// From the list's selection to the page.
#[handler]
pub async fn choose_two(user: PageUser, form: CheckedForm) -> poem::Result<Response> {
    Ok(match two(form.all("ids")) {
        Some((a, b)) => see_other(format!("{MERGE_PATH}?ids={a}&ids={b}")),
        None => not_two(&user, &Asked::parse(form.get("filter")).href(PATH, "", &[])),
    })
}

#[handler]
pub async fn show_merge(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let Some(pair) = two(query.iter().filter(|(name, _)| name == "ids").map(|(_, id)| id.as_str())) else {
        return Ok(not_two(&user, PATH));
    };
    let form = FormView::empty(MERGE_PATH, &["survivor"]);
    Ok(page_of(&user, &db, pair, StatusCode::OK, form).await?)
}

async fn page_of(
    user: &PageUser,
    db: &Db,
    pair: (CustomerId, CustomerId),
    status: StatusCode,
    mut form: FormView,
) -> Result<Response> {
    let (customers, names) = db
        .read_tenant(user.tenant(), async |tx| {
            let customers = [rules::get(tx, pair.0).await?, rules::get(tx, pair.1).await?];
            let names = areas::names(tx, &area_ids(&customers)).await?;
            Ok((customers, names))
        })
        .await?;
    let [a, b] = &customers;
    let fuller = if fullness(&b.details) > fullness(&a.details) { b } else { a };
    if form.values.get("survivor").is_none_or(String::is_empty) {
        form = form.with("survivor", fuller.id.to_string());
    }
    let area = |id: AreaId| names.get(&id).cloned().unwrap_or_default();
    let fields = MergeField::ALL
        .into_iter()
        .map(|field| {
            let said = |customer: &Customer| text(field, &customer.details, area);
            // What one of them does not say is taken from the other.
            let kept = if said(fuller).is_empty() { if fuller.id == a.id { b } else { a } } else { fuller };
            let pick = |customer: &Customer| Pick {
                from: customer.id.to_string(),
                text: said(customer),
                checked: customer.id == kept.id,
            };
            Field {
                name: field.as_str(),
                label: label(field, &user.shell.brand.area_word),
                choices: vec![pick(a), pick(b)],
            }
        })
        .collect();
    let zone = user.tenant().time_zone.0;
    let candidate = |customer: &Customer| Candidate {
        id: customer.id.to_string(),
        name: customer.details.name(),
        href: format!("{PATH}/{}", customer.id),
        created: Moment::day(customer.created_at, zone),
        note: (fullness(&a.details) != fullness(&b.details) && customer.id == fuller.id)
            .then_some(say("More complete")),
    };
    let view = MergePage { form, customers: vec![candidate(a), candidate(b)], fields };
    user.render_with(status, "customers/merge.html", say("Merge customers"), &view)
}

#[handler]
pub async fn merge_two(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let Some(pair) = two(form.all("ids")) else { return Ok(not_two(&user, PATH)) };
    let survivor: Option<CustomerId> = form.get("survivor").parse().ok();
    let (into, from) = match survivor {
        Some(id) if id == pair.0 => pair,
        Some(id) if id == pair.1 => (pair.1, pair.0),
        _ => {
            let wrong = Error::invalid("survivor", "required", "Say who stays.");
            let shown = FormView::empty(MERGE_PATH, &["survivor"]).failed(wrong)?;
            return Ok(page_of(&user, &db, pair, StatusCode::UNPROCESSABLE_ENTITY, shown).await?);
        }
    };
    let gone = from.to_string();
    let take: Vec<MergeField> = MergeField::ALL
        .into_iter()
        .filter(|field| form.get(&format!("keep_{}", field.as_str())) == gone)
        .collect();
    let merged =
        db.in_tenant(user.tenant(), async |tx| rules::merge(tx, &user.by, into, from, &take).await).await;
    match merged {
        Ok(customer) => {
            let flash = Flash::success(say!("{} is one customer now.", customer.details.name()));
            Ok(user.then(&format!("{PATH}/{into}"), &flash))
        }
        Err(error) => {
            let shown = FormView::empty(MERGE_PATH, &["survivor"]).typed(&form).failed(error)?;
            Ok(page_of(&user, &db, pair, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
    }
}
