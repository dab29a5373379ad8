//! One period, and what may be done with it.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{Badge, may, required, shown};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        billing::{
            CancelSubscriptions, ChangeSubscriptions, RecordPayments, SellSubscriptions, ViewPayments,
            periods::{self, Changed, Credit, Pause, Status, Subscription, duration_text},
        },
        customers, plans,
    },
    types::{Check, PlanId, SubscriptionId, line, optional_line},
    web::parts::{Choice, id_of},
    web::{Flash, FormView, Moment},
    words::say,
};

const PATH: &str = "/subscriptions";
const CANCEL_FIELDS: [&str; 2] = ["reason", "credit"];

#[derive(Serialize)]
struct DetailPage {
    one: Shown,
    pauses: Vec<PauseRow>,
    credits: Vec<Choice>,
    can_cancel: bool,
    can_pause: bool,
    can_resume: bool,
    can_change: bool,
    can_sell: bool,
    can_pay: bool,
    form: FormView,
}

#[derive(Serialize)]
struct Shown {
    id: SubscriptionId,
    plan: String,
    customer: String,
    customer_href: String,
    ledger_href: Option<String>,
    sell_href: String,
    badge: Badge,
    kind: &'static str,
    price: String,
    amount: String,
    credited: Option<String>,
    paid: String,
    due: Option<String>,
    days: String,
    starts: Moment,
    ends: Moment,
    left: String,
    extended: Option<String>,
    returned: Option<String>,
    paused: Option<String>,
    cancelled: Option<Moment>,
    cancel_reason: String,
    notes: String,
    sold_by: String,
    sold: Moment,
}

#[derive(Serialize)]
struct PauseRow {
    from: Moment,
    to: Option<Moment>,
    reason: String,
    by: String,
}

#[derive(Serialize)]
struct ChangePage {
    plan: String,
    back_href: String,
    plans: Vec<Choice>,
    chosen: String,
    figures: Option<ChangeFigures>,
    error: String,
    action: String,
}

#[derive(Serialize)]
struct ChangeFigures {
    plan: String,
    unused: String,
    value: String,
    price: String,
    gives: String,
    days: String,
    starts: Moment,
    ends: Moment,
}

fn left_of(one: &Subscription) -> String {
    let now = chrono::Utc::now();
    match one.status {
        Status::Active if one.span.starts_at > now => say("Not begun").into(),
        Status::Active if one.span.ends_at > now => duration_text((one.span.ends_at - now).num_minutes()),
        Status::Paused => one
            .paused_at
            .map(|since| say!("{}, on hold", duration_text((one.span.ends_at - since).num_minutes())))
            .unwrap_or_default(),
        _ => say("Over").into(),
    }
}

fn shown_of(one: &Subscription, customer: String, user: &PageUser) -> Shown {
    let zone = user.tenant().time_zone.0;
    let minutes = |n: i64| (n > 0).then(|| duration_text(n));
    let due = one.due();
    Shown {
        id: one.id,
        plan: one.plan_name.clone(),
        customer,
        customer_href: format!("/customers/{}", one.customer),
        ledger_href: may::<ViewPayments>(user).then(|| format!("/customers/{}/ledger", one.customer)),
        sell_href: format!("{PATH}/new?installation={}&plan={}", one.installation, one.plan),
        badge: Badge::of(one.status),
        kind: one.kind.label(),
        price: format!("{} for {} days", shown(one.terms.price, user), one.terms.period_days),
        amount: shown(one.amount, user),
        credited: (!one.credited.is_zero()).then(|| shown(one.credited, user)),
        paid: shown(one.paid, user),
        due: (!due.is_zero()).then(|| shown(due, user)),
        days: one.days.normalize().to_string(),
        starts: Moment::at(one.span.starts_at, zone),
        ends: Moment::at(one.span.ends_at, zone),
        left: left_of(one),
        extended: minutes(one.span.extended),
        returned: minutes(one.span.returned),
        paused: minutes(one.span.paused),
        cancelled: one.cancelled_at.map(|at| Moment::at(at, zone)),
        cancel_reason: one.cancel_reason.clone().unwrap_or_default(),
        notes: one.notes.clone().unwrap_or_default(),
        sold_by: one.sold_by_label.clone(),
        sold: Moment::at(one.created_at, zone),
    }
}

fn pause_of(pause: Pause, zone: chrono_tz::Tz) -> PauseRow {
    PauseRow {
        from: Moment::at(pause.paused_at, zone),
        to: pause.resumed_at.map(|at| Moment::at(at, zone)),
        reason: pause.reason.unwrap_or_default(),
        by: pause.by,
    }
}

async fn page(
    user: &PageUser,
    db: &Db,
    id: SubscriptionId,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let (one, customer, pauses) = db
        .read_tenant(user.tenant(), async |tx| {
            let one = periods::get(tx, id).await?;
            let customer = customers::get_any(tx, one.customer).await?;
            Ok((one, customer.name(), periods::pauses(tx, id).await?))
        })
        .await?;
    let (now, zone) = (chrono::Utc::now(), user.tenant().time_zone.0);
    let is_open = one.status == Status::Paused || (one.status == Status::Active && one.span.ends_at > now);
    let (runs, may_change) = (one.runs(now), may::<ChangeSubscriptions>(user));
    let title = format!("{} of {customer}", one.plan_name);
    let view = DetailPage {
        can_cancel: is_open && may::<CancelSubscriptions>(user),
        can_pause: runs && may_change,
        can_resume: one.status == Status::Paused && may_change,
        can_change: runs && may_change,
        can_sell: may::<SellSubscriptions>(user),
        can_pay: may::<RecordPayments>(user),
        credits: Credit::ALL.into_iter().map(|(_, name, label)| Choice::new(name, say(label))).collect(),
        pauses: pauses.into_iter().map(|pause| pause_of(pause, zone)).collect(),
        one: shown_of(&one, customer, user),
        form,
    };
    user.render_with(status, "billing/subscription.html", &title, &view)
}

fn cancel_form(id: SubscriptionId) -> FormView {
    FormView::empty(format!("{PATH}/{id}/cancel"), &CANCEL_FIELDS).with("credit", "unused")
}

#[handler]
pub async fn show_subscription(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: SubscriptionId = id_of(&id, "subscription")?;
    Ok(page(&user, &db, id, StatusCode::OK, cancel_form(id)).await?)
}

#[handler]
pub async fn cancel_subscription(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: SubscriptionId = id_of(&id, "subscription")?;
    let mut check = Check::new();
    let reason = check.field("reason", line(form.get("reason"), 500));
    let credit = check.field("credit", Credit::parse(form.get("credit")));
    let done = match check.finish(reason.zip(credit)) {
        Ok((reason, credit)) => {
            db.in_tenant(user.tenant(), async |tx| periods::cancel(tx, &user.by, id, &reason, credit).await)
                .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(one) => {
            let said = match one.credited.is_zero() {
                true => say!("{} was cancelled.", one.plan_name),
                false => {
                    say!("{} was cancelled; {} was credited.", one.plan_name, shown(one.credited, &user))
                }
            };
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::success(said)))
        }
        Err(error) => {
            let shown = cancel_form(id).typed(&form).failed(error)?;
            Ok(page(&user, &db, id, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
    }
}

/// Back to the period, with what became of it or why not.
fn back(
    user: &PageUser,
    id: SubscriptionId,
    done: Result<Subscription>,
    said: &str,
) -> poem::Result<Response> {
    let flash = match done {
        Ok(one) => return Ok(user.then(&format!("{PATH}/{}", one.id), &Flash::success(said.to_owned()))),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[handler]
pub async fn pause_subscription(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: SubscriptionId = id_of(&id, "subscription")?;
    let done = match optional_line(form.get("reason"), 500) {
        Ok(reason) => {
            db.in_tenant(user.tenant(), async |tx| periods::pause(tx, &user.by, id, reason.as_deref()).await)
                .await
        }
        Err(wrong) => Err(Error::Invalid(vec![wrong.at("reason")])),
    };
    back(&user, id, done, say("It is on hold, and uses up no days."))
}

#[handler]
pub async fn resume_subscription(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: SubscriptionId = id_of(&id, "subscription")?;
    let done = db.in_tenant(user.tenant(), async |tx| periods::resume(tx, &user.by, id).await).await;
    back(&user, id, done, say("It goes on."))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChangeAsked {
    plan: String,
}

fn change_figures(changed: &Changed, user: &PageUser) -> ChangeFigures {
    let (change, zone) = (&changed.change, user.tenant().time_zone.0);
    ChangeFigures {
        plan: changed.plan.name().to_owned(),
        unused: duration_text(change.unused_minutes),
        value: shown(change.unused_value, user),
        price: format!("{} for {} days", shown(changed.plan.price(), user), changed.plan.period_days()),
        gives: duration_text(change.bought.minutes),
        days: change.bought.days.normalize().to_string(),
        starts: Moment::at(change.span.starts_at, zone),
        ends: Moment::at(change.span.ends_at, zone),
    }
}

/// The change of plan as it is computed, before it is made.
#[handler]
pub async fn show_change(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    Query(asked): Query<ChangeAsked>,
) -> poem::Result<Response> {
    let id: SubscriptionId = id_of(&id, "subscription")?;
    let plan = asked.plan.parse::<uuid::Uuid>().ok().map(PlanId);
    let (one, choices, changed) = db
        .read_tenant(user.tenant(), async |tx| {
            let one = periods::get(tx, id).await?;
            let choices = plans::choices(tx).await?;
            let changed = match plan {
                Some(plan) => Some(periods::preview_change(tx, id, plan).await),
                None => None,
            };
            Ok((one, choices, changed))
        })
        .await?;
    let (figures, error) = match changed {
        Some(Ok(changed)) => (Some(change_figures(&changed, &user)), String::new()),
        Some(Err(error)) if error.status() < 500 => (None, error.detail()),
        Some(Err(error)) => return Err(error.into()),
        None => (None, String::new()),
    };
    let currency = &user.tenant().currency;
    let view = ChangePage {
        back_href: format!("{PATH}/{id}"),
        plans: choices
            .iter()
            .filter(|plan| plan.id != one.plan)
            .map(|plan| {
                let price = crate::web::parts::money(plan.price(), currency);
                Choice::new(plan.id, format!("{} – {price} for {} days", plan.label(), plan.period_days()))
            })
            .collect(),
        chosen: asked.plan,
        figures,
        error,
        action: format!("{PATH}/{id}/change"),
        plan: one.plan_name,
    };
    Ok(user.render("billing/change.html", say("Change plan"), &view)?)
}

#[handler]
pub async fn change_plan(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: SubscriptionId = id_of(&id, "subscription")?;
    let done = match form.get("plan").parse::<uuid::Uuid>() {
        Ok(plan) => {
            db.in_tenant(user.tenant(), async |tx| periods::change_plan(tx, &user.by, id, PlanId(plan)).await)
                .await
        }
        Err(_) => Err(Error::Invalid(vec![required().at("plan")])),
    };
    back(&user, id, done, say("The plan was changed."))
}
