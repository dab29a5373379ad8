//! Pages of visits: the week, one visit, and the form.

mod schedule;

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    PlanVisits, ViewVisits,
    model::{Kind, NewVisit, Span, Status, Visit, VisitFilter, note},
    rules::{self, Overlap, VisitChanges},
};
use crate::{
    access::{CheckedForm, Guarded, PageUser, Right, colleagues},
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        customers,
        installations::{self, Frame},
    },
    types::{CustomerId, InstallationId, Limit, StaffId, TicketId, VisitId},
    web::parts::{Choice, address, id_of},
    web::typed::optional_id,
    web::{Flash, Form, FormView, Moment, RouteTable},
    words::say,
};

const OF_INSTALLATION: Limit = Limit::of(100);
const FIELDS: [&str; 9] = [
    "kind",
    "customer_id",
    "installation_id",
    "ticket_id",
    "technician_id",
    "day",
    "time",
    "minutes",
    "note",
];
/// How long a visit takes when nobody says otherwise, by the choices of the form.
const LENGTHS: [(&str, &str); 8] = [
    ("30", "30 minutes"),
    ("60", "1 hour"),
    ("90", "1½ hours"),
    ("120", "2 hours"),
    ("180", "3 hours"),
    ("240", "4 hours"),
    ("360", "6 hours"),
    ("480", "8 hours"),
];

/// Every page of visits.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewVisits>(Method::GET, "/schedule", schedule::show_schedule);
    table.page::<PlanVisits>(Method::GET, "/visits/new", new_visit);
    table.page::<PlanVisits>(Method::POST, "/visits", plan_visit);
    table.page::<ViewVisits>(Method::GET, "/visits/:id", show_visit);
    table.page::<PlanVisits>(Method::GET, "/visits/:id/edit", edit_visit);
    table.page::<PlanVisits>(Method::POST, "/visits/:id", save_visit);
    table.page::<ViewVisits>(Method::POST, "/visits/:id/status", settle_visit);
    table.page::<ViewVisits>(Method::GET, "/installations/:id/visits", of_installation);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

#[derive(Serialize)]
struct Card {
    href: String,
    time: String,
    starts: Moment,
    customer: String,
    kind_label: &'static str,
    status: &'static str,
    status_label: &'static str,
    technician: String,
    address: String,
    phone: String,
    note: String,
}

fn clock(span: Span, zone: Tz) -> String {
    let local = |at: chrono::DateTime<Utc>| at.with_timezone(&zone).format("%H:%M").to_string();
    format!("{}–{}", local(span.starts_at), local(span.ends_at))
}

fn card(visit: Visit, zone: Tz) -> Card {
    Card {
        href: format!("/visits/{}", visit.id),
        time: clock(visit.span, zone),
        starts: Moment::appointment(visit.span.starts_at, zone),
        customer: visit.customer_name,
        kind_label: visit.kind.label(),
        status: visit.status.as_str(),
        status_label: visit.status.label(),
        technician: visit.technician_name.unwrap_or_default(),
        address: visit.address,
        phone: visit.phone.unwrap_or_default(),
        note: visit.note.unwrap_or_default(),
    }
}

#[derive(Serialize)]
struct DetailPage {
    visit: Card,
    note: String,
    minutes: i64,
    customer_href: String,
    installation_href: Option<String>,
    ticket_href: Option<String>,
    created: Moment,
    can_settle: bool,
    can_plan: bool,
    href: String,
}

#[handler]
async fn show_visit(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: VisitId = id_of(&id, "visit")?;
    let visit = db.read_tenant(user.tenant(), async |tx| rules::get(tx, &user.by, id).await).await?;
    let can_plan = may::<PlanVisits>(&user);
    let is_own = visit.technician.is_some() && visit.technician == user.by.staff();
    let title = visit.label();
    let view = DetailPage {
        note: visit.note.clone().unwrap_or_default(),
        minutes: visit.span.minutes(),
        customer_href: format!("/customers/{}", visit.customer),
        installation_href: visit.installation.map(|id| format!("/installations/{id}")),
        ticket_href: visit.ticket.map(|id| format!("/tickets/{id}")),
        created: Moment::at(visit.created_at, user.tenant().time_zone.0),
        can_settle: visit.status == Status::Planned && (can_plan || is_own),
        can_plan: can_plan && visit.status.is_open(),
        href: format!("/visits/{id}"),
        visit: card(visit, user.tenant().time_zone.0),
    };
    Ok(user.render("visits/detail.html", &title, &view)?)
}

#[handler]
async fn settle_visit(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: VisitId = id_of(&id, "visit")?;
    let settled = async {
        let to =
            Status::parse(form.get("status")).map_err(|wrong| Error::Invalid(vec![wrong.at("status")]))?;
        let noted = note(form.get("note"))?;
        db.in_tenant(user.tenant(), async |tx| rules::settle(tx, &user.by, id, to, noted.clone()).await).await
    }
    .await;
    let flash = match settled {
        Ok(visit) => Flash::success(format!("{} is {}.", visit.label(), visit.status.as_str())),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&format!("/visits/{id}"), &flash))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    customer: String,
    installation: String,
    /// What the visit is for.
    ticket: String,
    kind: String,
    day: String,
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
    day: String,
    hits: Vec<Hit>,
}

#[derive(Serialize)]
struct FormPage {
    customer: String,
    customer_href: String,
    is_new: bool,
    kinds: Vec<Choice>,
    lengths: Vec<Choice>,
    installations: Vec<Choice>,
    technicians: Vec<Choice>,
    zone: &'static str,
    /// What comes in the way, when something does.
    clash: String,
    back_href: String,
    form: FormView,
}

async fn ask_whom(user: &PageUser, db: &Db, wanted: &Wanted) -> Result<Response> {
    let q: String = wanted.q.trim().chars().take(100).collect();
    let found = if q.is_empty() {
        Vec::new()
    } else {
        db.read_tenant(user.tenant(), async |tx| customers::search(tx, &q, 20).await).await?
    };
    let hits = found
        .into_iter()
        .map(|hit| {
            let id = hit.href.rsplit('/').next().unwrap_or_default();
            let pairs = [("customer", id), ("day", &wanted.day), ("kind", &wanted.kind)];
            let href = address("/visits/new", pairs.into_iter().filter(|(_, value)| !value.is_empty()));
            Hit { label: hit.label, hint: hit.hint, href }
        })
        .collect();
    let view = WhoPage { q, day: wanted.day.clone(), hits };
    user.render("visits/whom.html", say("New visit"), &view)
}

/// What the form is about.
struct Subject {
    customer: CustomerId,
    is_new: bool,
    back_href: String,
    clash: String,
}

async fn choices_of(tx: &TenantTx, customer: CustomerId) -> Result<(String, Vec<Choice>, Vec<Choice>)> {
    let name = customers::get(tx, customer).await?.details.name();
    let (places, people) = futures_util::try_join!(installations::choices(tx, customer), colleagues(tx))?;
    let places = places.into_iter().map(|one| Choice::new(one.id, one.label)).collect();
    let people = people.into_iter().map(|one| Choice::new(one.id, one.name)).collect();
    Ok((name, places, people))
}

async fn form_page(
    user: &PageUser,
    db: &Db,
    status: StatusCode,
    about: Subject,
    form: FormView,
) -> Result<Response> {
    let (customer, installations, technicians) =
        db.read_tenant(user.tenant(), async |tx| choices_of(tx, about.customer).await).await?;
    let mut lengths: Vec<Choice> =
        LENGTHS.into_iter().map(|(value, label)| Choice::new(value, label)).collect();
    let length = form.values.get("minutes").cloned().unwrap_or_default();
    if !length.is_empty() && !lengths.iter().any(|one| one.value == length) {
        lengths.push(Choice::new(&length, format!("{length} minutes")));
    }
    let title = if about.is_new { say!("New visit to {}", customer) } else { say!("Visit to {}", customer) };
    let view = FormPage {
        customer_href: format!("/customers/{}", about.customer),
        customer,
        is_new: about.is_new,
        kinds: Kind::options(),
        lengths,
        installations,
        technicians,
        zone: user.tenant().time_zone.0.name(),
        clash: about.clash,
        back_href: about.back_href,
        form,
    };
    user.render_with(status, "visits/form.html", &title, &view)
}

#[handler]
async fn new_visit(user: PageUser, db: Data<&Db>, Query(wanted): Query<Wanted>) -> poem::Result<Response> {
    let Ok(customer) = wanted.customer.parse::<CustomerId>() else {
        return Ok(ask_whom(&user, &db, &wanted).await?);
    };
    let today = Utc::now().with_timezone(&user.tenant().time_zone.0).date_naive();
    let day = wanted.day.parse::<NaiveDate>().unwrap_or(today);
    let kind = Kind::parse(&wanted.kind).unwrap_or(Kind::Installation);
    let form = FormView::empty("/visits", &FIELDS)
        .with("customer_id", &wanted.customer)
        .with("installation_id", &wanted.installation)
        .with("ticket_id", &wanted.ticket)
        .with("kind", kind.as_str())
        .with("day", day.to_string())
        .with("time", "09:00")
        .with("minutes", "60");
    let about = Subject { customer, is_new: true, back_href: "/schedule".into(), clash: String::new() };
    Ok(form_page(&user, &db, StatusCode::OK, about, form).await?)
}

fn span_of(user: &PageUser, form: &Form) -> Result<Span> {
    let zone = user.tenant().time_zone.0;
    Span::local(form.get("day"), form.get("time"), form.get("minutes"), zone, Utc::now())
}

fn technician_of(form: &Form) -> Result<Option<StaffId>> {
    optional_id(form.get("technician_id"), say("member of staff"))
        .map_err(|wrong| Error::Invalid(vec![wrong.at("technician_id")]))
}

fn kind_of(form: &Form) -> Result<Kind> {
    Kind::parse(form.get("kind")).map_err(|wrong| Error::Invalid(vec![wrong.at("kind")]))
}

fn overlap_of(form: &Form) -> Overlap {
    if form.has("allow_overlap") { Overlap::Allow } else { Overlap::Ask }
}

/// The form again with what is wrong, or with the question whether the clash is meant.
async fn again(
    user: &PageUser,
    db: &Db,
    form: &Form,
    action: &str,
    mut about: Subject,
    error: Error,
) -> Result<Response> {
    let mut shown = FormView::empty(action, &FIELDS).typed(form);
    match error {
        Error::Conflict { code: "technician_busy", detail } => about.clash = detail,
        other => shown = shown.failed(other)?,
    }
    form_page(user, db, StatusCode::UNPROCESSABLE_ENTITY, about, shown).await
}

#[handler]
async fn plan_visit(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let customer: CustomerId = id_of(form.get("customer_id"), "customer")?;
    let planned = async {
        let installation: Option<InstallationId> =
            optional_id(form.get("installation_id"), "installation")
                .map_err(|wrong| Error::Invalid(vec![wrong.at("installation_id")]))?;
        let ticket: Option<TicketId> = optional_id(form.get("ticket_id"), "ticket")
            .map_err(|wrong| Error::Invalid(vec![wrong.at("ticket_id")]))?;
        let new = NewVisit {
            kind: kind_of(&form)?,
            customer,
            installation,
            ticket,
            technician: technician_of(&form)?,
            span: span_of(&user, &form)?,
            note: note(form.get("note"))?,
        };
        let how = overlap_of(&form);
        db.in_tenant(user.tenant(), async |tx| rules::plan(tx, &user.by, &new, how).await).await
    }
    .await;
    match planned {
        Ok(visit) => {
            let flash = Flash::success(say!("{} is planned.", visit.label()));
            Ok(user.then(&format!("/visits/{}", visit.id), &flash))
        }
        Err(error) => {
            let about =
                Subject { customer, is_new: true, back_href: "/schedule".into(), clash: String::new() };
            Ok(again(&user, &db, &form, "/visits", about, error).await?)
        }
    }
}

fn about_known(visit: &Visit) -> Subject {
    Subject {
        customer: visit.customer,
        is_new: false,
        back_href: format!("/visits/{}", visit.id),
        clash: String::new(),
    }
}

#[handler]
async fn edit_visit(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: VisitId = id_of(&id, "visit")?;
    let visit = db.read_tenant(user.tenant(), async |tx| rules::get(tx, &user.by, id).await).await?;
    let starts = visit.span.starts_at.with_timezone(&user.tenant().time_zone.0);
    let form = FormView::empty(format!("/visits/{id}"), &FIELDS)
        .with("kind", visit.kind.as_str())
        .with("technician_id", visit.technician.map(|id| id.to_string()).unwrap_or_default())
        .with("day", starts.format("%Y-%m-%d").to_string())
        .with("time", starts.format("%H:%M").to_string())
        .with("minutes", visit.span.minutes().to_string())
        .with("note", visit.note.clone().unwrap_or_default());
    Ok(form_page(&user, &db, StatusCode::OK, about_known(&visit), form).await?)
}

#[handler]
async fn save_visit(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: VisitId = id_of(&id, "visit")?;
    let href = format!("/visits/{id}");
    let saved = async {
        let wanted = VisitChanges {
            kind: Some(kind_of(&form)?),
            span: Some(span_of(&user, &form)?),
            technician: Some(technician_of(&form)?),
            note: Some(note(form.get("note"))?),
        };
        let how = overlap_of(&form);
        db.in_tenant(user.tenant(), async |tx| rules::change(tx, &user.by, id, &wanted, how).await).await
    }
    .await;
    match saved {
        Ok(visit) => Ok(user.then(&href, &Flash::success(say!("{} was saved.", visit.label())))),
        Err(error @ Error::NotFound { .. }) => Err(error.into()),
        Err(error) => {
            let visit = db.read_tenant(user.tenant(), async |tx| rules::get(tx, &user.by, id).await).await?;
            Ok(again(&user, &db, &form, &href, about_known(&visit), error).await?)
        }
    }
}

#[derive(Serialize)]
struct InstallationTab {
    #[serde(flatten)]
    frame: Frame,
    visits: Vec<Card>,
    plan_href: String,
    can_plan: bool,
}

/// The tab of an installation.
#[handler]
async fn of_installation(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: InstallationId = id_of(&id, "installation")?;
    let filter = VisitFilter { installation: Some(id), ..VisitFilter::default() };
    let filter = rules::seen_by(&user.by, filter)?;
    user.by.require::<installations::ViewInstallations>()?;
    let (frame, customer, (visits, _)) = db
        .read_tenant(user.tenant(), async |tx| {
            let frame = installations::frame(tx, &user, id, "visits").await?;
            let customer = installations::get(tx, id).await?.customer.id;
            Ok((frame, customer, rules::list(tx, &filter, None, OF_INSTALLATION).await?))
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let title = say!("Installation of {}", frame.name());
    let view = InstallationTab {
        frame,
        visits: visits.into_iter().rev().map(|visit| card(visit, zone)).collect(),
        plan_href: format!("/visits/new?customer={customer}&installation={id}"),
        can_plan: may::<PlanVisits>(&user),
    };
    Ok(user.render("visits/installation_tab.html", &title, &view)?)
}
