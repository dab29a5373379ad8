//! Opening and changing one ticket.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, may, people};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        customers,
        tickets::{
            AssignTickets,
            choices::{Category, Priority, Source},
            model::{Ticket, Typed},
            rules,
            store::{self, Place},
        },
    },
    types::{CustomerId, StaffId, TicketId},
    web::parts::{Choice, id_of},
    web::{Flash, Form, FormView},
    words::say,
};

const FIELDS: [&str; 7] =
    ["title", "description", "category", "priority", "source", "installation_id", "assigned_to"];
const HITS: i64 = 10;
const Q_MAX: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    customer: String,
    q: String,
}

#[derive(Serialize)]
struct FormPage {
    /// None: choose one first.
    customer: Option<Chosen>,
    q: String,
    searched: bool,
    found: Vec<Found>,
    ticket: Option<Known>,
    installations: Vec<Choice>,
    categories: Vec<Choice>,
    priorities: Vec<Choice>,
    sources: Vec<Choice>,
    staff: Vec<Choice>,
    can_assign: bool,
    form: FormView,
}

#[derive(Serialize)]
struct Chosen {
    id: String,
    name: String,
    href: String,
}

#[derive(Serialize)]
struct Found {
    name: String,
    hint: String,
    href: String,
}

#[derive(Serialize)]
struct Known {
    number: String,
    href: String,
}

/// "NAP-003, port 5 (active)".
pub fn place_label(place: &Place) -> String {
    let at = match (&place.nap, place.port, &place.address) {
        (Some((_, nap)), Some(port), _) => format!("{nap}, port {port}"),
        (_, _, Some(address)) => address.clone(),
        _ => say("No port yet").to_owned(),
    };
    format!("{at} ({})", place.status)
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS)
        .with("category", Category::Other.as_str())
        .with("priority", Priority::Medium.as_str())
        .with("source", Source::Phone.as_str())
}

fn typed(form: &Form) -> Typed {
    let text = |name| form.get(name).to_owned();
    Typed {
        title: text("title"),
        description: text("description"),
        category: text("category"),
        priority: text("priority"),
        source: text("source"),
        installation_id: text("installation_id"),
        ..Typed::default()
    }
}

/// Whom the form is for: a customer who was chosen, or what was searched for.
struct Whom<'a> {
    customer: Option<CustomerId>,
    q: &'a str,
    ticket: Option<&'a Ticket>,
}

async fn show(
    user: &PageUser,
    db: &Db,
    status: StatusCode,
    form: FormView,
    whom: Whom<'_>,
) -> Result<Response> {
    let (customer, q) = (whom.customer, whom.q);
    let (name, places, staff, hits) = db
        .read_tenant(user.tenant(), async |tx| match customer {
            Some(id) => {
                let name = store::find_customer(tx, id).await?.ok_or(Error::not_found("customer"))?;
                Ok((Some(name), store::find_places(tx, id).await?, store::find_staff(tx).await?, Vec::new()))
            }
            None => Ok((None, Vec::new(), Vec::new(), customers::search(tx, q, HITS).await?)),
        })
        .await?;
    let found = hits.into_iter().map(|hit| {
        let id = hit.href.rsplit('/').next().unwrap_or_default();
        Found { name: hit.label, hint: hit.hint, href: format!("{PATH}/new?customer={id}") }
    });
    let title =
        whom.ticket.map_or_else(|| say("New ticket").to_owned(), |ticket| say!("Edit {}", ticket.number));
    let view = FormPage {
        customer: customer.zip(name).map(|(id, name)| Chosen {
            id: id.to_string(),
            name,
            href: format!("/customers/{id}"),
        }),
        q: q.to_owned(),
        searched: !q.is_empty(),
        found: found.collect(),
        ticket: whom
            .ticket
            .map(|ticket| Known { number: ticket.number.clone(), href: format!("{PATH}/{}", ticket.id) }),
        installations: places.iter().map(|place| Choice::new(place.id, place_label(place))).collect(),
        categories: Category::options(),
        priorities: Priority::options(),
        sources: Source::options(),
        staff: people(&staff, None),
        can_assign: whom.ticket.is_none() && may::<AssignTickets>(user),
        form,
    };
    user.render_with(status, "tickets/form.html", &title, &view)
}

#[handler]
pub async fn new_ticket(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let customer = if asked.customer.is_empty() { None } else { Some(id_of(&asked.customer, "customer")?) };
    let q: String = asked.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect();
    let whom = Whom { customer, q: q.trim(), ticket: None };
    Ok(show(&user, &db, StatusCode::OK, empty_form(), whom).await?)
}

async fn add(user: &PageUser, db: &Db, customer: CustomerId, form: &Form) -> Result<Ticket> {
    let draft = typed(form).parse()?;
    let unknown =
        |_| Error::invalid("assigned_to", "unknown", "There is no such active member of the staff.");
    let assignee: Option<StaffId> = match form.get("assigned_to") {
        "" => None,
        id => Some(id.parse().map_err(unknown)?),
    };
    db.in_tenant(user.tenant(), async |tx| rules::open(tx, &user.by, customer, &draft, assignee).await).await
}

#[handler]
pub async fn add_ticket(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let Ok(customer) = form.get("customer").parse::<CustomerId>() else {
        let shown = empty_form().typed(&form).said("Choose the customer first.");
        let whom = Whom { customer: None, q: "", ticket: None };
        return Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, whom).await?);
    };
    match add(&user, &db, customer, &form).await {
        Ok(ticket) => {
            let flash = Flash::success(say!("{} was opened.", ticket.number));
            Ok(user.then(&format!("{PATH}/{}", ticket.id), &flash))
        }
        Err(error) => {
            let shown = empty_form().typed(&form).failed(error)?;
            let whom = Whom { customer: Some(customer), q: "", ticket: None };
            Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, whom).await?)
        }
    }
}

fn form_of(ticket: &Ticket) -> FormView {
    let typed = Typed::from(&ticket.draft());
    FormView::empty(format!("{PATH}/{}", ticket.id), &FIELDS)
        .with("title", typed.title)
        .with("description", typed.description)
        .with("category", typed.category)
        .with("priority", typed.priority)
        .with("source", typed.source)
        .with("installation_id", typed.installation_id)
}

#[handler]
pub async fn edit_ticket(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let ticket = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    let whom = Whom { customer: Some(ticket.customer.id), q: "", ticket: Some(&ticket) };
    Ok(show(&user, &db, StatusCode::OK, form_of(&ticket), whom).await?)
}

#[handler]
pub async fn save_ticket(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let changed = db
        .in_tenant(user.tenant(), async |tx| {
            rules::change(tx, &user.by, id, |was| {
                let new = typed(&form);
                // Another installation is at another NAP; the form says nothing of nodes otherwise.
                let same = new.installation_id == was.installation_id;
                let (kind, node) = if same { (was.node_kind, was.node_id) } else { Default::default() };
                Ok(Typed { node_kind: kind, node_id: node, ..new })
            })
            .await
        })
        .await;
    match changed {
        Ok(ticket) => {
            let flash = Flash::success(say!("{} was saved.", ticket.number));
            Ok(user.then(&format!("{PATH}/{id}"), &flash))
        }
        Err(error) => {
            let ticket = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
            let shown = form_of(&ticket).typed(&form).failed(error)?;
            let whom = Whom { customer: Some(ticket.customer.id), q: "", ticket: Some(&ticket) };
            Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, whom).await?)
        }
    }
}
