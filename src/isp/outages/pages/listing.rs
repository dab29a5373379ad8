//! The list of outages.

use chrono::Utc;
use poem::{
    Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, may, tone};
use crate::{
    access::PageUser,
    db::Db,
    isp::outages::{
        ManageOutages, SetOutagePolicy,
        model::{Status, minutes_text},
        rules::{self, Filter},
        store::{Counted, Mark},
    },
    types::Limit,
    web::Moment,
    web::parts::{Pager, Tab, address, grouped, shown},
    words::say,
};

const PAGE: Limit = Limit::of(25);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    status: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    tabs: Vec<Tab>,
    outages: Vec<Row>,
    pager: Pager,
    filtered: bool,
    can_manage: bool,
    can_set: bool,
}

#[derive(Serialize)]
struct Row {
    number: String,
    href: String,
    node: String,
    kind: &'static str,
    cause: &'static str,
    status: &'static str,
    tone: &'static str,
    started: Moment,
    lasted: String,
    affected: String,
    tickets: String,
    to_decide: i64,
}

fn row_of(counted: &Counted, zone: chrono_tz::Tz) -> Row {
    let outage = &counted.outage;
    Row {
        number: outage.number.clone(),
        href: format!("{PATH}/{}", outage.id),
        node: outage.node_label.clone(),
        kind: outage.node_kind.label(),
        cause: outage.cause.label(),
        status: outage.status.label(),
        tone: tone(outage.status),
        started: Moment::at(outage.started_at, zone),
        lasted: minutes_text(outage.lasted(Utc::now()).num_minutes().max(0)),
        affected: grouped(counted.affected),
        tickets: grouped(counted.tickets),
        to_decide: counted.to_decide,
    }
}

#[handler]
pub async fn list_outages(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let status = Status::parse(&asked.status).ok();
    let filter = Filter { statuses: status.into_iter().collect(), customer: None };
    let mark = if asked.cursor.is_empty() { None } else { Some(Mark::decode(&asked.cursor)?) };
    let mut found = db
        .read_tenant(user.tenant(), async |tx| rules::list(tx, &filter, mark.as_ref(), PAGE.and_one()).await)
        .await?;
    let more = PAGE.cut(&mut found);
    let key = status.map_or("", Status::as_str);
    let href = |status: &str, cursor: &str, from: &str| {
        let pairs = [("status", status), ("cursor", cursor), ("from", from)];
        address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty()))
    };
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let from = (first + PAGE.get()).to_string();
            Some(href(key, &Mark::of(&last.outage).encode()?, &from))
        }
        None => None,
    };
    let tab =
        |label, status: &str| Tab { label, count: None, href: href(status, "", ""), active: key == status };
    let zone = user.tenant().time_zone.0;
    let view = ListPage {
        tabs: std::iter::once(tab(say("All"), ""))
            .chain(Status::ALL.iter().map(|status| tab(status.label(), status.as_str())))
            .collect(),
        pager: Pager {
            prev_href: mark.is_some().then(|| href(key, "", "")),
            next_href,
            shown: shown(first, found.len()),
            total: None,
        },
        outages: found.iter().map(|counted| row_of(counted, zone)).collect(),
        filtered: status.is_some(),
        can_manage: may::<ManageOutages>(&user),
        can_set: may::<SetOutagePolicy>(&user),
    };
    Ok(user.render("outages/list.html", say("Outages"), &view)?)
}
