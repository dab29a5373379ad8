//! The page of how long what is kept.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Data,
};
use serde::Serialize;

use super::{
    kinds::KINDS,
    rules::{COUNTED_MAX, Policy, change, count_due, get},
};
use crate::{
    access::{CheckedForm, Guarded, Owner, PageUser},
    db::{Db, TenantTx},
    error::Result,
    web::{Flash, FormView, RouteTable, parts::grouped, typed::Typed},
    words::say,
};

const PATH: &str = "/settings/retention";

/// The page of how long what is kept.
pub fn pages(table: &mut RouteTable) {
    table.page::<Owner>(Method::GET, PATH, show).page::<Owner>(Method::POST, PATH, save);
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    label: &'static str,
    /// What goes, and what may be said.
    help: String,
    placeholder: &'static str,
    may_stay: bool,
}

#[derive(Serialize)]
struct Going {
    label: &'static str,
    amount: String,
}

#[derive(Serialize)]
struct RetentionPage {
    settings_tab: &'static str,
    is_proved: bool,
    rows: Vec<Row>,
    /// What the next night lets go.
    going: Vec<Going>,
    /// The rules are not saved yet: this is what they would do.
    is_asking: bool,
    form: FormView,
}

fn rows() -> Vec<Row> {
    KINDS
        .iter()
        .map(|kind| {
            let (least, most) = (grouped(kind.least.into()), grouped(kind.most.into()));
            let help = say!("{} {} to {} days.", say(kind.help), least, most);
            let placeholder = if kind.may_stay() { say("for ever") } else { "" };
            Row { name: kind.name, label: say(kind.label), help, placeholder, may_stay: kind.may_stay() }
        })
        .collect()
}

async fn going_of(tx: &TenantTx, policy: &Policy) -> Result<Vec<Going>> {
    let due = count_due(tx, policy).await?;
    let going = KINDS.iter().filter_map(|kind| {
        let amount = due.get(kind.name).copied().filter(|amount| *amount > 0)?;
        let more = if amount >= COUNTED_MAX { say(" or more") } else { "" };
        Some(Going { label: say(kind.label), amount: format!("{}{more}", grouped(amount)) })
    });
    Ok(going.collect())
}

fn page(
    user: &PageUser,
    status: StatusCode,
    form: FormView,
    going: Vec<Going>,
    is_asking: bool,
) -> Result<Response> {
    let is_proved = user.by.must_have_proved().is_ok();
    let view = RetentionPage { settings_tab: "takeouts", is_proved, rows: rows(), going, is_asking, form };
    user.render_with(status, "portal/settings_retention.html", say("Retention"), &view)
}

#[handler]
async fn show(user: PageUser, db: Data<&Db>) -> Result<Response> {
    let (policy, going) = db
        .read_tenant(user.tenant(), async |tx| {
            let policy = get(tx).await?;
            let going = going_of(tx, &policy).await?;
            Ok((policy, going))
        })
        .await?;
    page(&user, StatusCode::OK, policy.typed().into_form(PATH), going, false)
}

/// What came of the form.
enum Saved {
    Yes,
    /// Something would go sooner than before: whoever saves it sees what first.
    Asks(Vec<Going>),
}

#[handler]
async fn save(user: PageUser, db: Data<&Db>, form: CheckedForm) -> Result<Response> {
    user.by.must_have_proved()?;
    let names: Vec<&'static str> = KINDS.iter().map(|kind| kind.name).collect();
    let typed = Typed::of_form(&form, &names);
    let is_confirmed = form.get("confirmed") == "yes";
    let attempt = async {
        let wanted = Policy::parse(&typed)?;
        db.in_tenant(user.tenant(), async |tx| {
            if !is_confirmed && wanted.is_shorter_than(&get(tx).await?) {
                let going = going_of(tx, &wanted).await?;
                if !going.is_empty() {
                    return Ok(Saved::Asks(going));
                }
            }
            change(tx, &user.by, &wanted).await.map(|()| Saved::Yes)
        })
        .await
    };
    let shown = typed.clone().into_form(PATH);
    match attempt.await {
        Ok(Saved::Yes) => Ok(user.then(PATH, &Flash::success("Saved. It holds from tonight on."))),
        Ok(Saved::Asks(going)) => page(&user, StatusCode::OK, shown, going, true),
        Err(error) => page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown.failed(error)?, Vec::new(), false),
    }
}
