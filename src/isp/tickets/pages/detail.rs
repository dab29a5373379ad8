//! One ticket: what it is, what was said, whom it concerns.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use poem::{
    Response, handler,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, form::place_label, listing::Row, may, people};
use crate::{
    access::{By, PageUser},
    db::{Db, TenantTx},
    error::Result,
    isp::tickets::{
        AssignTickets, EditTickets, WorkTickets,
        choices::Status,
        list,
        model::{Assignee, Ticket},
        query::{Filter, Sort},
        rules,
        store::{self, Period, Place, Visit},
        talk,
        thread::{Attachment, CannedReply, Comment},
    },
    types::{CommentId, TicketId},
    web::parts::{Choice, id_of, size_text},
    web::{Moment, see_other},
    words::say,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The step that somebody wants to take, such as `resolved`.
    to: String,
}

#[derive(Serialize)]
struct DetailPage {
    ticket: Shown,
    step: Option<StepForm>,
    staff: Vec<Choice>,
    comments: Vec<Said>,
    files: Vec<File>,
    canned: Vec<Choice>,
    customer: CustomerCard,
    visits: Vec<VisitLine>,
    visit_href: Option<String>,
    others: Vec<Row>,
    file_help: &'static str,
    can_work: bool,
    can_assign: bool,
    can_edit: bool,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    description: String,
    source: &'static str,
    reported_by: String,
    assigned_to: String,
    resolution_notes: String,
    resolved: Option<Moment>,
    waiting: Option<Moment>,
    merged_href: Option<String>,
    due_text: String,
    is_open: bool,
    place: Option<String>,
    place_href: Option<String>,
    edit_href: String,
    status_action: String,
    assign_action: String,
    comment_action: String,
    merge_action: String,
}

/// The form of the next step.
#[derive(Serialize)]
struct StepForm {
    options: Vec<Choice>,
    chosen: String,
}

#[derive(Serialize)]
struct Said {
    author: String,
    text: String,
    at: Moment,
    is_internal: bool,
    is_automatic: bool,
    is_customer: bool,
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    name: String,
    href: String,
    remove_action: String,
    is_picture: bool,
    is_internal: bool,
    size: String,
}

#[derive(Serialize)]
struct CustomerCard {
    name: String,
    href: String,
    phone: String,
    plan: Option<String>,
    period: Option<String>,
    period_tone: &'static str,
}

#[derive(Serialize)]
struct VisitLine {
    text: String,
    at: Moment,
    href: String,
}

/// Everything that the page tells.
struct Known {
    ticket: Ticket,
    comments: Vec<Comment>,
    files: Vec<Attachment>,
    canned: Vec<CannedReply>,
    staff: Vec<Assignee>,
    places: Vec<Place>,
    period: Option<Period>,
    visits: Vec<Visit>,
    others: Vec<Ticket>,
}

async fn read(tx: &TenantTx, id: TicketId) -> Result<Known> {
    let ticket = rules::get(tx, id).await?;
    let customer = ticket.customer.id;
    let filter = Filter { customer: Some(customer), ..Filter::default() };
    let (comments, files, canned, staff, places, period, visits, others) = futures_util::try_join!(
        talk::find_comments(tx, id),
        talk::find_attachments(tx, id),
        talk::find_canned(tx),
        store::find_staff(tx),
        store::find_places(tx, customer),
        store::find_period(tx, customer, ticket.installation_id),
        store::find_visits(tx, id),
        list(tx, &filter, Sort::CreatedDown, None, 6),
    )?;
    Ok(Known { ticket, comments, files, canned, staff, places, period, visits, others })
}

/// `3 h 20 min left`, `2 d late`; while it waits, that the clock stands still.
fn due_text(ticket: &Ticket, now: DateTime<Utc>) -> String {
    let clock = ticket.clock();
    let left = clock.due_at() - clock.standing_since.unwrap_or(now);
    let text = span_text(left.abs());
    match (ticket.status, left < Duration::zero()) {
        (Status::Resolved, false) => say!("kept, {} before it ran out", text),
        (Status::Resolved, true) => say!("missed by {}", text),
        (Status::Waiting, false) => say!("{} left; the clock stands still", text),
        (Status::Waiting, true) => say!("{} late; the clock stands still", text),
        (_, false) => format!("{text} left"),
        (_, true) => format!("{text} late"),
    }
}

fn span_text(span: Duration) -> String {
    let minutes = span.num_minutes();
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn shown(ticket: &Ticket, places: &[Place], zone: Tz) -> Shown {
    let id = ticket.id;
    let action = |name: &str| format!("{PATH}/{id}/{name}");
    let place = places.iter().find(|place| Some(place.id) == ticket.installation_id);
    Shown {
        row: Row::of(ticket, zone),
        description: ticket.description.clone(),
        source: ticket.source.label(),
        reported_by: ticket.reported_by_label.clone(),
        assigned_to: ticket.assigned_to().map(|id| id.to_string()).unwrap_or_default(),
        resolution_notes: ticket.resolution_notes.clone().unwrap_or_default(),
        resolved: ticket.resolved_at.map(|at| Moment::at(at, zone)),
        waiting: ticket.waiting_since.map(|at| Moment::at(at, zone)),
        merged_href: ticket.merged_into.map(|into| format!("{PATH}/{into}")),
        due_text: due_text(ticket, Utc::now()),
        is_open: ticket.status.is_open(),
        place: place.map(place_label),
        place_href: place.map(|place| format!("/installations/{}", place.id)),
        edit_href: action("edit"),
        status_action: action("status"),
        assign_action: action("assign"),
        comment_action: action("comments"),
        merge_action: action("merge"),
    }
}

fn file_of(ticket: TicketId, file: &Attachment) -> File {
    let href = format!("{PATH}/{ticket}/files/{}", file.id);
    File {
        name: file.name.clone(),
        remove_action: format!("{href}/remove"),
        href,
        is_picture: file.media_type.starts_with("image/"),
        is_internal: file.is_internal,
        size: size_text(file.size_bytes),
    }
}

/// What was said, each with the files that came with it; and the files that came alone.
fn thread(known: &Known, zone: Tz) -> (Vec<Said>, Vec<File>) {
    let id = known.ticket.id;
    let mut by_comment: HashMap<CommentId, Vec<File>> = HashMap::new();
    let mut alone = Vec::new();
    for file in &known.files {
        match file.comment_id {
            Some(comment) => by_comment.entry(comment).or_default().push(file_of(id, file)),
            None => alone.push(file_of(id, file)),
        }
    }
    let said = known.comments.iter().map(|comment| Said {
        author: comment.author.clone(),
        text: comment.text.clone(),
        at: Moment::at(comment.created_at, zone),
        is_internal: comment.is_internal,
        is_automatic: comment.is_automatic,
        is_customer: comment.customer_id.is_some(),
        files: by_comment.remove(&comment.id).unwrap_or_default(),
    });
    (said.collect(), alone)
}

fn customer_card(known: &Known, zone: Tz) -> CustomerCard {
    let customer = &known.ticket.customer;
    let now = Utc::now();
    let (period, period_tone) = match &known.period {
        None => (None, ""),
        Some(period) if period.ends_at > now => {
            (Some(say!("until {}", Moment::at(period.ends_at, zone).text)), "success")
        }
        Some(period) => (Some(say!("ended {}", Moment::at(period.ends_at, zone).text)), "error"),
    };
    CustomerCard {
        name: customer.name.clone(),
        href: format!("/customers/{}", customer.id),
        phone: customer.phone.clone().unwrap_or_default(),
        plan: known.period.as_ref().map(|period| period.plan.clone()),
        period,
        period_tone,
    }
}

/// Whether this person may move this ticket on and speak on it.
fn may_work(by: &By, ticket: &Ticket) -> bool {
    ticket.merged_into.is_none()
        && by.require::<WorkTickets>().is_ok()
        && rules::check_reach(by, ticket).is_ok()
}

/// Where a visit to this customer is planned, for this ticket.
fn visit_href(ticket: &Ticket) -> String {
    let installation = ticket.installation_id.map(|id| format!("&installation={id}")).unwrap_or_default();
    format!("/visits/new?customer={}{installation}&ticket={}&kind=repair", ticket.customer.id, ticket.id)
}

fn page_of(user: &PageUser, known: &Known, asked: &Asked) -> DetailPage {
    let zone = user.tenant().time_zone.0;
    let ticket = &known.ticket;
    let can_work = may_work(&user.by, ticket);
    let options: Vec<Choice> = ticket.status.next().map(|to| Choice::new(to.as_str(), to.label())).collect();
    let first = options.first().map(|option| option.value.clone()).unwrap_or_default();
    let wanted = options.iter().any(|option| option.value == asked.to);
    let chosen = if wanted { asked.to.clone() } else { first };
    let (comments, files) = thread(known, zone);
    let visits = known.visits.iter().map(|visit| VisitLine {
        text: format!("{}: {}", visit.kind, visit.status),
        at: Moment::appointment(visit.starts_at, zone),
        href: format!("/visits/{}", visit.id),
    });
    let can_plan = ticket.status.is_open() && user.by.rights.holds("visits.plan");
    DetailPage {
        ticket: shown(ticket, &known.places, zone),
        step: (can_work && !options.is_empty()).then_some(StepForm { options, chosen }),
        staff: people(&known.staff, ticket.assignee.as_ref()),
        comments,
        files,
        canned: known.canned.iter().map(|reply| Choice::new(&reply.text, reply.title.clone())).collect(),
        customer: customer_card(known, zone),
        visits: visits.collect(),
        visit_href: can_plan.then(|| visit_href(ticket)),
        others: known
            .others
            .iter()
            .filter(|other| other.id != ticket.id)
            .map(|other| Row::of(other, zone))
            .collect(),
        file_help: say(talk::FILE_HELP),
        can_work,
        can_assign: ticket.status.is_open() && may::<AssignTickets>(user),
        can_edit: ticket.merged_into.is_none() && may::<EditTickets>(user),
    }
}

#[handler]
pub async fn show_ticket(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let id: TicketId = id_of(&id, "ticket")?;
    let known = db.read_tenant(user.tenant(), async |tx| Box::pin(read(tx, id)).await).await?;
    // One that was merged is told of in the other.
    if let Some(into) = known.ticket.merged_into {
        return Ok(see_other(format!("{PATH}/{into}")));
    }
    let view = page_of(&user, &known, &asked);
    let title = format!("{} {}", known.ticket.number, known.ticket.title);
    Ok(user.render("tickets/detail.html", &title, &view)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        assert_eq!(span_text(Duration::minutes(59)), "59 min");
        assert_eq!(span_text(Duration::minutes(61)), "1 h 1 min");
        assert_eq!(span_text(Duration::hours(50)), "2 d 2 h");
    }
}
