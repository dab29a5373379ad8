//! The list of what was sold.

use poem::{
    Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{Badge, may, shown};
use crate::{
    access::PageUser,
    db::Db,
    isp::billing::{
        SellSubscriptions,
        mark::Mark,
        periods::{self, Filter, Listed, Status},
    },
    types::Limit,
    types::search::plain,
    web::Moment,
    web::parts::{Pager, Tab, address, grouped, shown as shown_range},
    words::say,
};

const PATH: &str = "/subscriptions";
const PAGE: Limit = Limit::of(25);
const Q_MAX: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    status: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    tabs: Vec<Tab>,
    q: String,
    status: &'static str,
    subscriptions: Vec<Row>,
    pager: Pager,
    filtered: bool,
    can_sell: bool,
}

#[derive(Serialize)]
struct Row {
    customer: String,
    href: String,
    plan: String,
    kind: &'static str,
    amount: String,
    due: Option<String>,
    starts: Moment,
    ends: Moment,
    badge: Badge,
}

fn row_of(listed: Listed, user: &PageUser) -> Row {
    let (one, zone) = (listed.subscription, user.tenant().time_zone.0);
    let due = one.due();
    Row {
        customer: listed.customer_name,
        href: format!("{PATH}/{}", one.id),
        kind: one.kind.label(),
        amount: shown(one.amount, user),
        due: (!due.is_zero()).then(|| shown(due, user)),
        starts: Moment::at(one.span.starts_at, zone),
        ends: Moment::at(one.span.ends_at, zone),
        badge: Badge::of(one.status),
        plan: one.plan_name,
    }
}

fn href(q: &str, status: &str) -> String {
    address(PATH, [("q", q), ("status", status)].into_iter().filter(|(_, value)| !value.is_empty()))
}

#[handler]
pub async fn list_subscriptions(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let q: String = plain(&asked.q).unwrap_or_default().chars().take(Q_MAX).collect();
    let status = Status::parse(&asked.status).ok();
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(Mark::decode(text)?),
    };
    let filter = Filter { status, q: Some(q.clone()).filter(|q| !q.is_empty()), ..Filter::default() };
    let mut found = db
        .read_tenant(user.tenant(), async |tx| periods::list(tx, &filter, mark.map(Mark::pair), PAGE).await)
        .await?;
    let more = PAGE.cut(&mut found);
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let key = status.map_or("", Status::as_str);
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Mark::new(last.subscription.created_at, last.subscription.id.0).encode()?;
            let from = (first + PAGE.get()).to_string();
            let pairs = [("q", q.as_str()), ("status", key), ("cursor", &cursor), ("from", &from)];
            Some(address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty())))
        }
        None => None,
    };
    let tab = |label, status: Option<Status>| Tab {
        label,
        count: None,
        href: href(&q, status.map_or("", Status::as_str)),
        active: filter.status == status,
    };
    let total = (mark.is_none() && !more).then(|| grouped(i64::try_from(found.len()).unwrap_or_default()));
    let view = ListPage {
        tabs: std::iter::once(tab(say("All"), None))
            .chain(Status::ALL.into_iter().map(|status| tab(status.label(), Some(status))))
            .collect(),
        pager: Pager {
            prev_href: mark.is_some().then(|| href(&q, key)),
            next_href,
            shown: shown_range(first, found.len()),
            total,
        },
        subscriptions: found.into_iter().map(|listed| row_of(listed, &user)).collect(),
        filtered: filter.status.is_some() || filter.q.is_some(),
        can_sell: may::<SellSubscriptions>(&user),
        status: key,
        q,
    };
    Ok(user.render("billing/subscriptions.html", say("Subscriptions"), &view)?)
}
