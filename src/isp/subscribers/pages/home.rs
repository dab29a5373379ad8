//! The start: how it stands with one's service, and what to do next.

use chrono::Utc;
use chrono_tz::Tz;
use poem::{Response, handler};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::{
    db::TenantTx,
    error::Result,
    isp::{
        billing,
        subscribers::{
            guard::Subscriber,
            overview::{self, Down, News, Service, left},
        },
        tickets::{self, Status, Ticket},
    },
    types::Limit,
    web::Moment,
    web::parts::money,
    words::say,
};

const TICKETS_SHOWN: i64 = 20;

#[derive(Serialize)]
struct HomePage {
    first_name: String,
    services: Vec<ServiceCard>,
    outages: Vec<OutageNote>,
    balance: Balance,
    open_tickets: Vec<TicketLine>,
    news: Vec<NewsLine>,
}

#[derive(Serialize)]
struct ServiceCard {
    plan: Option<String>,
    speed: Option<String>,
    place: Option<String>,
    state: &'static str,
    tone: &'static str,
    left: Option<String>,
    /// Fewer than three days are left, or none.
    is_urgent: bool,
    paid_until: Option<Moment>,
    next: Option<&'static str>,
}

#[derive(Serialize)]
struct OutageNote {
    since: Moment,
    message: Option<String>,
}

/// `owes`, `credit` or `even`.
#[derive(Serialize)]
struct Balance {
    state: &'static str,
    amount: String,
}

#[derive(Serialize)]
struct TicketLine {
    href: String,
    title: String,
    number: String,
    status: &'static str,
    waits_for_them: bool,
}

#[derive(Serialize)]
struct NewsLine {
    text: String,
    href: Option<String>,
    at: Moment,
}

fn card(service: Service, zone: Tz) -> ServiceCard {
    let now = Utc::now();
    let left = service.paid_until.and_then(|until| left(until, now)).filter(|_| !service.is_paused);
    let is_short = service.paid_until.is_none_or(|until| (until - now).num_days() < 3);
    let (state, tone, next) = match (service.status.as_str(), service.is_paused) {
        ("scheduled", _) => {
            (say("Being set up"), "info", Some(say("We will call you about the day of your installation.")))
        }
        ("suspended", _) => {
            (say("Suspended"), "warning", Some(say("Talk to us, and we will see how it can go on.")))
        }
        (_, true) => (say("Paused"), "warning", Some(say("No days are used up while your plan is paused."))),
        ("active", _) if is_short => {
            (say("Active"), "success", Some(say("Renew soon, so that you stay connected.")))
        }
        ("active", _) => (say("Active"), "success", None),
        _ => (say("Not running"), "error", Some(say("Renew your plan to be connected again."))),
    };
    ServiceCard {
        plan: service.plan,
        speed: service.speeds.map(|(down, up)| say!("{} Mbps down, {} Mbps up", down, up)),
        place: service.street,
        state,
        tone,
        is_urgent: is_short && service.status != "scheduled" && !service.is_paused,
        left,
        paid_until: service.paid_until.map(|until| Moment::at(until, zone)),
        next,
    }
}

/// What is owed or left over, in words.
fn balance_of(balance: Decimal, currency: &str) -> Balance {
    let state = match balance {
        even if even.is_zero() => "even",
        owed if owed > Decimal::ZERO => "owes",
        _ => "credit",
    };
    Balance { state, amount: money(balance.abs(), currency) }
}

fn note(down: Down, zone: Tz) -> OutageNote {
    OutageNote { since: Moment::at(down.since, zone), message: down.message }
}

fn line(ticket: Ticket) -> TicketLine {
    TicketLine {
        href: format!("/my/tickets/{}", ticket.id),
        title: ticket.title,
        number: ticket.number,
        status: super::tickets::status_text(ticket.status),
        waits_for_them: ticket.status == Status::Waiting,
    }
}

fn news_line(news: News, zone: Tz) -> NewsLine {
    NewsLine {
        text: news.text,
        // A line that leads here leads nowhere.
        href: news.href.filter(|href| href.starts_with("/my/")),
        at: Moment::at(news.at, zone),
    }
}

async fn read(tx: &TenantTx, user: &Subscriber) -> Result<HomePage> {
    let (customer, zone) = (user.customer, user.tenant().time_zone.0);
    let (services, outages, news, tickets, account) = futures_util::try_join!(
        Box::pin(overview::services(tx, customer)),
        Box::pin(overview::outages(tx, customer)),
        Box::pin(overview::news(tx, customer)),
        Box::pin(tickets::list_own(tx, customer, TICKETS_SHOWN)),
        Box::pin(billing::own_account(tx, customer, Limit::of(1)))
    )?;
    Ok(HomePage {
        first_name: user.by.actor.label.split_whitespace().next().unwrap_or_default().to_owned(),
        services: services.into_iter().map(|service| card(service, zone)).collect(),
        outages: outages.into_iter().map(|down| note(down, zone)).collect(),
        balance: balance_of(account.balance, &user.tenant().currency),
        open_tickets: tickets.into_iter().filter(|ticket| ticket.status.is_open()).map(line).collect(),
        news: news.into_iter().map(|news| news_line(news, zone)).collect(),
    })
}

#[handler]
pub async fn show_home(user: Subscriber) -> poem::Result<Response> {
    let view = user.office.db.read_tenant(user.tenant(), async |tx| read(tx, &user).await).await?;
    Ok(user.render("my/home.html", say("Home"), &view)?)
}
