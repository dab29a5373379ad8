//! The settings of outages.

use poem::{Response, handler, http::StatusCode, web::Data};
use serde::Serialize;

use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::outages::{
        model::{Giving, Policy},
        rules,
    },
    types::Check,
    web::parts::Choice,
    web::{Flash, Form, FormView},
    words::say,
};

const PATH: &str = "/settings/outages";
const FIELDS: [&str; 4] = ["extension", "minimum_minutes", "propose_tickets", "propose_hours"];

#[derive(Serialize)]
struct PolicyPage {
    settings_tab: &'static str,
    givings: Vec<Choice>,
    form: FormView,
}

fn show(user: &PageUser, status: StatusCode, form: FormView) -> Result<Response> {
    let view = PolicyPage { settings_tab: "outages", givings: Giving::options(), form };
    user.render_with(status, "outages/settings.html", say("Outages"), &view)
}

fn form_of(policy: &Policy) -> FormView {
    FormView::empty(PATH, &FIELDS)
        .with("extension", policy.giving.as_str())
        .with("minimum_minutes", policy.minimum_minutes.to_string())
        .with("propose_tickets", policy.propose_tickets.to_string())
        .with("propose_hours", policy.propose_hours.to_string())
}

#[handler]
pub async fn show_policy(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let policy = db.read_tenant(user.tenant(), async |tx| rules::get_policy(&tx.last()).await).await?;
    Ok(show(&user, StatusCode::OK, form_of(&policy))?)
}

fn typed(form: &Form) -> Result<Policy> {
    let mut check = Check::new();
    let giving = check.field("extension", Giving::parse(form.get("extension")));
    let mut number = |field| {
        let parsed = form.get(field).trim().parse::<i16>().ok();
        if parsed.is_none() {
            check.wrong(field, "not_a_number", say("This is a whole number."));
        }
        parsed
    };
    let (minutes, tickets, hours) =
        (number("minimum_minutes"), number("propose_tickets"), number("propose_hours"));
    let whole = (|| {
        Some(Policy {
            giving: giving?,
            minimum_minutes: i32::from(minutes?),
            propose_tickets: tickets?,
            propose_hours: hours?,
        })
    })();
    check.finish(whole)
}

#[handler]
pub async fn save_policy(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let saved = match typed(&form) {
        Ok(policy) => {
            db.in_tenant(user.tenant(), async |tx| rules::change_policy(tx, &user.by, |_| Ok(policy)).await)
                .await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(user.then(PATH, &Flash::success("Saved."))),
        Err(error @ Error::Invalid(_)) => {
            let shown = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            Ok(show(&user, StatusCode::UNPROCESSABLE_ENTITY, shown)?)
        }
        Err(error) => Err(error.into()),
    }
}
