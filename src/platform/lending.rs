//! The console's page of the platform's senders: who has which, lending and taking back. The rules are those of messaging, which the
//! command line calls, too; credentials are entered there and shown nowhere.

use poem::{Response, handler, http::Method, web::Path};
use serde::Serialize;
use uuid::Uuid;

use super::console::{Console, ConsoleUser, Guarding, Look, Rule};
use crate::{
    access::CheckedForm,
    error::{Error, Result},
    messaging::accounts::senders::{self, Sender},
    tenancy::{Status, Tenant},
    types::SenderId,
    web::{Flash, RouteTable, parts::id_of},
    words::say,
};

const PATH: &str = "/console/senders";

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Rule>(Method::POST, "/console/senders/:id/assign", assign)
        .console::<Rule>(Method::POST, "/console/senders/:id/unassign", unassign)
        .console::<Rule>(Method::POST, "/console/senders/:id/suspend", suspend)
        .console::<Rule>(Method::POST, "/console/senders/:id/resume", resume);
}

#[derive(Serialize)]
struct Row {
    base: String,
    name: String,
    channel: String,
    kind: String,
    price: String,
    is_suspended: bool,
    tenants: Vec<String>,
}

#[derive(Serialize)]
struct ListPage {
    senders: Vec<Row>,
}

#[handler]
async fn list(user: ConsoleUser) -> Result<Response> {
    let row = |sender: Sender| Row {
        base: format!("{PATH}/{}", sender.id),
        is_suspended: sender.status == "suspended",
        price: sender.price.normalize().to_string(),
        name: sender.name,
        channel: sender.channel,
        kind: sender.kind,
        tenants: sender.tenants,
    };
    let view = ListPage { senders: senders::list(&user.console.db).await?.into_iter().map(row).collect() };
    user.render("console/senders.html", say("Senders"), &view)
}

async fn sender_of(console: &Console, id: &str) -> Result<Sender> {
    let id: SenderId = id_of::<Uuid>(id, "sender")?.into();
    let found = senders::list(&console.db).await?.into_iter().find(|sender| sender.id == id);
    found.ok_or(Error::not_found("sender"))
}

async fn tenant_of(console: &Console, slug: &str) -> Result<Tenant> {
    let found = console.registry.find_by_slug(slug.trim()).await?;
    found
        .filter(|tenant| tenant.status != Status::Closed)
        .ok_or_else(|| Error::conflict("no_such_provider", say!("There is no provider {}.", slug.trim())))
}

#[handler]
async fn assign(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let (console, who) = (&user.console, user.operator());
    let sender = sender_of(console, &id).await?;
    let attempt = async {
        let tenant = tenant_of(console, form.get("slug")).await?;
        senders::assign(&console.db, &who, &sender, &tenant).await?;
        Ok(Flash::success(format!("{} has {}.", tenant.name, sender.name)))
    };
    let done = attempt.await;
    user.or_said(PATH, done)
}

#[handler]
async fn unassign(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let (console, who) = (&user.console, user.operator());
    let sender = sender_of(console, &id).await?;
    let attempt = async {
        let tenant = tenant_of(console, form.get("slug")).await?;
        senders::unassign(&console.db, &who, &sender, &tenant).await?;
        Ok(Flash::success(say!("{} has {} no more.", tenant.name, sender.name)))
    };
    let done = attempt.await;
    user.or_said(PATH, done)
}

async fn set_suspended(user: &ConsoleUser, id: &str, is_suspended: bool) -> Result<Response> {
    let sender = sender_of(&user.console, id).await?;
    senders::suspend(&user.console.db, &user.operator(), &sender, is_suspended).await?;
    let word = if is_suspended { "suspended" } else { say("lent again") };
    Ok(user.then(PATH, &Flash::success(format!("{} is {word}.", sender.name))))
}

#[handler]
async fn suspend(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    set_suspended(&user, &id, true).await
}

#[handler]
async fn resume(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    set_suspended(&user, &id, false).await
}
