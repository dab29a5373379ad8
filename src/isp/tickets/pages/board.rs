//! The board: a column per status, cards that move.

use poem::{Request, Response, handler, web::Data};
use serde::Serialize;

use super::{
    PATH,
    asked::Asked,
    listing::{Row, Values},
    may, people, status_tone,
};
use crate::{
    access::PageUser,
    db::Db,
    isp::tickets::{
        CreateTickets, WorkTickets,
        choices::{Priority, Status},
        list,
        query::Sort,
        rules, store,
    },
    web::parts::Choice,
    words::say,
};

/// A column shows so many cards; the list has the others.
const CARDS: i64 = 30;

#[derive(Serialize)]
struct BoardPage {
    values: Values,
    query: String,
    priorities: Vec<Choice>,
    staff: Vec<Choice>,
    columns: Vec<Column>,
    list_href: String,
    can_create: bool,
    can_work: bool,
}

#[derive(Serialize)]
struct Column {
    key: &'static str,
    label: &'static str,
    tone: &'static str,
    cards: Vec<Row>,
    more_href: Option<String>,
}

#[handler]
pub async fn show_board(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let asked = Asked { status: String::new(), ..Asked::parse(request.uri().query().unwrap_or_default()) };
    let filter = asked.filter()?;
    let columns = Status::ALL.iter().copied().filter(|status| *status != Status::Cancelled);
    let (found, staff) = db
        .read_tenant(user.tenant(), async |tx| {
            rules::check_filter(tx, &filter).await?;
            let mut found = Vec::new();
            for status in columns {
                let narrowed = filter.of_status(status);
                // What is due first stands on top, and what was resolved last.
                let sort = if status.is_open() { Sort::Due } else { Sort::CreatedDown };
                found.push((status, list(tx, &narrowed, sort, None, CARDS + 1).await?));
            }
            Ok((found, store::find_staff(tx).await?))
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let most = usize::try_from(CARDS).unwrap_or_default();
    let columns = found
        .into_iter()
        .map(|(status, tickets)| Column {
            key: status.as_str(),
            label: status.label(),
            tone: status_tone(status),
            more_href: (tickets.len() > most)
                .then(|| asked.href(PATH, "status", &[("status", status.as_str())])),
            cards: tickets.iter().take(most).map(|ticket| Row::of(ticket, zone)).collect(),
        })
        .collect();
    let mut people_choices = vec![Choice::new("none", say("Nobody"))];
    people_choices.extend(people(&staff, None));
    let view = BoardPage {
        values: Values::of(&asked),
        query: asked.query(),
        priorities: Priority::options(),
        staff: people_choices,
        columns,
        list_href: asked.href(PATH, "", &[]),
        can_create: may::<CreateTickets>(&user),
        can_work: may::<WorkTickets>(&user),
    };
    Ok(user.render("tickets/board.html", say("Ticket board"), &view)?)
}
