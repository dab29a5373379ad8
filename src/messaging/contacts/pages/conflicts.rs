//! Addresses that two contacts claim, for a person to decide.

use poem::{
    Response, handler,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, may};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Error,
    messaging::contacts::{
        EditContacts,
        conflicts::{self, Conflict, Decision},
    },
    types::{ConflictId, Cursor, Limit},
    web::parts::{Pager, Tab, address, id_of, shown},
    web::{Flash, Moment},
    words::say,
};

const LIST: &str = "/contacts/conflicts";
const PAGE: Limit = Limit::of(50);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    settled: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ConflictsPage {
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    pager: Pager,
    is_settled: bool,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    action: String,
    channel: &'static str,
    address: String,
    owner: String,
    owner_href: String,
    claimant: String,
    claimant_href: Option<String>,
    source: String,
    created: Moment,
    outcome: Option<&'static str>,
}

fn row_of(one: Conflict, zone: chrono_tz::Tz) -> Row {
    Row {
        action: format!("{LIST}/{}", one.id),
        channel: one.channel.label(),
        address: one.address,
        owner: one.owner_name,
        owner_href: format!("{PATH}/{}", one.owner),
        claimant: one.claimed_name,
        claimant_href: one.claimant.map(|id| format!("{PATH}/{id}")),
        source: one.source,
        created: Moment::at(one.created_at, zone),
        outcome: one.settled.map(conflicts::Settled::label),
    }
}

#[handler]
pub async fn list(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let is_settled = asked.settled == "yes";
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<ConflictId>::decode(text)?.0),
    };
    let (found, more) = db
        .read_tenant(user.tenant(), async |tx| conflicts::list(tx, !is_settled, before, PAGE).await)
        .await?;
    let state: &[(&str, &str)] = if is_settled { &[("settled", "yes")] } else { &[] };
    let first = if before.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let (cursor, from) = (Cursor(last.id).encode()?, (first + PAGE.get()).to_string());
            let mut pairs = state.to_vec();
            pairs.extend([("cursor", cursor.as_str()), ("from", from.as_str())]);
            Some(address(LIST, pairs))
        }
        None => None,
    };
    let tab = |label, href: String, active| Tab { label, count: None, href, active };
    let zone = user.tenant().time_zone.0;
    let view = ConflictsPage {
        tabs: vec![
            tab(say("Waiting"), LIST.to_owned(), !is_settled),
            tab(say("Settled"), format!("{LIST}?settled=yes"), is_settled),
        ],
        pager: Pager {
            prev_href: before.is_some().then(|| address(LIST, state.to_vec())),
            next_href,
            shown: shown(first, found.len()),
            total: None,
        },
        rows: found.into_iter().map(|one| row_of(one, zone)).collect(),
        is_settled,
        can_edit: may::<EditContacts>(&user),
    };
    Ok(user.render("contacts/conflicts.html", say("Conflicts"), &view)?)
}

#[handler]
pub async fn settle(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: ConflictId = id_of(&id, "conflict")?;
    let settled = match Decision::parse(form.get("decision")) {
        Ok(decision) => {
            db.in_tenant(user.tenant(), async |tx| conflicts::settle(tx, &user.by, id, decision).await).await
        }
        Err(wrong) => {
            // Whose conflict it is counts before what was decided.
            db.read_tenant(user.tenant(), async |tx| conflicts::get(tx, id).await).await?;
            Err(Error::Invalid(vec![wrong.at("decision")]))
        }
    };
    let flash = match settled {
        Ok(one) => Flash::success(match one.settled {
            Some(conflicts::Settled::Moved) => {
                say!("{} belongs to {} now.", one.address, one.claimed_name)
            }
            Some(conflicts::Settled::Merged) => say!("They are one contact now: {}.", one.owner_name),
            _ => say!("{} stays with {}.", one.address, one.owner_name),
        }),
        Err(error @ (Error::Conflict { .. } | Error::Invalid(_))) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(LIST, &flash))
}
