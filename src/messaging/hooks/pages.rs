//! Pages of what comes in.

use poem::{
    Response, handler,
    http::Method,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    ReplayHooks, ViewHooks,
    model::{CallStatus, HookCall, InboundMessage, Keyword, Unmatched, shown_header, shown_url},
    rules,
    store::{self, InboundFilter},
};
use crate::{
    access::{Guarded, PageUser},
    db::Db,
    error::Result,
    messaging::Channel,
    types::{Cursor, HookCallId, InboundId, Limit},
    web::{
        Flash, Moment, RouteTable,
        parts::{Choice, Pager, Tab, TimeMark, address, grouped, id_of, shown, time_mark},
    },
    words::say,
};

const PAGE: Limit = Limit::of(50);
const INBOUND: &str = "/messages/inbound";
const CALLS: &str = "/messages/hooks";
const UNMATCHED: &str = "/messages/hooks/unmatched";
const ADDRESS_MAX: usize = 200;

/// Every page of this room.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewHooks>(Method::GET, INBOUND, list_inbound);
    table.page::<ViewHooks>(Method::GET, CALLS, list_calls);
    table.page::<ViewHooks>(Method::GET, UNMATCHED, list_unmatched);
    table.page::<ViewHooks>(Method::GET, "/messages/hooks/:id", show_call);
    table.page::<ReplayHooks>(Method::POST, "/messages/hooks/:id/replay", replay_call);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    channel: String,
    keyword: String,
    address: String,
    status: String,
    cursor: String,
    from: i64,
}

impl Asked {
    fn first(&self) -> i64 {
        if self.cursor.is_empty() { 1 } else { self.from.max(1) }
    }

    fn before<T: Serialize + DeserializeOwned>(&self) -> Result<Option<T>> {
        match self.cursor.as_str() {
            "" => Ok(None),
            text => Ok(Some(Cursor::<T>::decode(text)?.0)),
        }
    }
}

/// Where a list goes on: its own address with a cursor more.
fn pager(path: &str, pairs: &[(&str, &str)], first: i64, rows: usize, cursor: Option<String>) -> Pager {
    let from = (first + PAGE.get()).to_string();
    let with = |more: &[(&str, &str)]| {
        address(path, pairs.iter().chain(more).copied().filter(|(_, value)| !value.is_empty()))
    };
    Pager {
        prev_href: (first > 1).then(|| with(&[])),
        next_href: cursor.map(|cursor| with(&[("cursor", &cursor), ("from", &from)])),
        shown: shown(first, rows),
        total: None,
    }
}

/// The three lists of this room.
fn rooms(active: &str) -> Vec<Tab> {
    [
        (say("Messages"), INBOUND),
        (say("Providers’ calls"), CALLS),
        (say("Receipts without a message"), UNMATCHED),
    ]
    .into_iter()
    .map(|(label, href)| Tab { label, count: None, href: href.to_owned(), active: href == active })
    .collect()
}

#[derive(Serialize)]
struct InboundPage {
    rooms: Vec<Tab>,
    channels: Vec<Choice>,
    keywords: Vec<Choice>,
    channel: String,
    keyword: String,
    address: String,
    items: Vec<InboundRow>,
    pager: Pager,
    filtered: bool,
}

#[derive(Serialize)]
struct InboundRow {
    who: String,
    address: String,
    contact_href: Option<String>,
    text: String,
    channel: &'static str,
    account: String,
    keyword: Option<&'static str>,
    keyword_tone: &'static str,
    files: String,
    at: Moment,
}

fn inbound_row(one: InboundMessage, zone: chrono_tz::Tz) -> InboundRow {
    InboundRow {
        who: if one.name.is_empty() { one.address.clone() } else { one.name },
        address: one.address,
        contact_href: one.contact.map(|id| format!("/contacts/{id}")),
        text: one.text,
        channel: one.channel.label(),
        account: one.label.unwrap_or_default(),
        keyword: one.keyword.map(Keyword::label),
        keyword_tone: if one.keyword == Some(Keyword::Stop) { "warning" } else { "success" },
        files: match one.media.len() {
            0 => String::new(),
            1 => "1 file".into(),
            n => format!("{n} files"),
        },
        at: Moment::at(one.received_at, zone),
    }
}

#[handler]
async fn list_inbound(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let channel = asked.channel.parse::<Channel>().ok();
    let keyword = Keyword::parse(&asked.keyword).ok();
    let plain: String = asked.address.chars().filter(|c| !c.is_control()).take(ADDRESS_MAX).collect();
    let plain = plain.trim().to_owned();
    let address = Some(plain.clone()).filter(|text| !text.is_empty());
    let filter = InboundFilter { channel, keyword, address };
    let before = asked.before::<InboundId>()?;
    let mut items = db
        .read_tenant(user.tenant(), async |tx| {
            store::list_inbound(&tx.last(), &filter, before, PAGE.and_one()).await
        })
        .await?;
    let more = PAGE.cut(&mut items);
    let cursor = match items.last().filter(|_| more) {
        Some(last) => Some(Cursor(last.id).encode()?),
        None => None,
    };
    let (channel, keyword) =
        (channel.map_or("", Channel::as_str).to_owned(), keyword.map_or("", Keyword::as_str).to_owned());
    let pairs = [("channel", channel.as_str()), ("keyword", keyword.as_str()), ("address", plain.as_str())];
    let zone = user.tenant().time_zone.0;
    let view = InboundPage {
        rooms: rooms(INBOUND),
        channels: Channel::ALL.iter().map(|one| Choice::new(one.as_str(), one.label())).collect(),
        keywords: Keyword::options(),
        pager: pager(INBOUND, &pairs, asked.first(), items.len(), cursor),
        filtered: pairs.iter().any(|(_, value)| !value.is_empty()),
        items: items.into_iter().map(|one| inbound_row(one, zone)).collect(),
        channel,
        keyword,
        address: plain,
    };
    Ok(user.render("hooks/inbound.html", say("Inbound messages"), &view)?)
}

#[derive(Serialize)]
struct CallsPage {
    rooms: Vec<Tab>,
    statuses: Vec<Choice>,
    status: &'static str,
    items: Vec<CallRow>,
    pager: Pager,
    filtered: bool,
}

#[derive(Serialize)]
struct CallRow {
    href: String,
    account: String,
    told: String,
    size: String,
    status: &'static str,
    tone: &'static str,
    detail: String,
    at: Moment,
}

fn tone(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Stored => "info",
        CallStatus::Done => "success",
        CallStatus::Refused => "error",
        CallStatus::Failed => "warning",
    }
}

/// What a code of a refusal means, for people.
fn said(detail: Option<&str>) -> String {
    match detail.unwrap_or_default() {
        "signature_missing" => say("It carries no signature."),
        "signature_wrong" => say("Its signature is not this account’s."),
        "signature_stale" => say("It was signed too long before it came."),
        "hook_not_configured" => say("The account lacks the secret that proves it."),
        "malformed_hook" => say("It cannot be read."),
        "not_found" => say("This provider does not call in this way."),
        "account_gone" => say("The account is gone."),
        other => other,
    }
    .to_owned()
}

fn told(call: &HookCall) -> String {
    let counted = |n: i32, one: &'static str, many: &'static str| {
        (n > 0).then(|| crate::web::parts::counted(i64::from(n), one, many))
    };
    let told: Vec<String> =
        [counted(call.receipts, "receipt", "receipts"), counted(call.inbound, "message", "messages")]
            .into_iter()
            .flatten()
            .collect();
    match (told.is_empty(), call.is_get) {
        (false, _) => told.join(", "),
        (true, true) => say("Challenge").into(),
        (true, false) => "–".into(),
    }
}

fn call_row(call: HookCall, zone: chrono_tz::Tz) -> CallRow {
    CallRow {
        href: format!("{CALLS}/{}", call.id),
        told: told(&call),
        account: call.label.unwrap_or_else(|| say("An account that is gone").into()),
        size: format!("{} bytes", grouped(i64::from(call.size))),
        status: call.status.label(),
        tone: tone(call.status),
        detail: said(call.detail.as_deref()),
        at: Moment::at(call.received_at, zone),
    }
}

#[handler]
async fn list_calls(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let status = CallStatus::parse(&asked.status).ok();
    let before = asked.before::<HookCallId>()?;
    let (items, more) = db
        .read_tenant(user.tenant(), async |tx| rules::list(&tx.last(), status, None, before, PAGE).await)
        .await?;
    let cursor = match items.last().filter(|_| more) {
        Some(last) => Some(Cursor(last.id).encode()?),
        None => None,
    };
    let chosen = status.map_or("", CallStatus::as_str);
    let zone = user.tenant().time_zone.0;
    let view = CallsPage {
        rooms: rooms(CALLS),
        statuses: CallStatus::options(),
        status: chosen,
        pager: pager(CALLS, &[("status", chosen)], asked.first(), items.len(), cursor),
        filtered: status.is_some(),
        items: items.into_iter().map(|call| call_row(call, zone)).collect(),
    };
    Ok(user.render("hooks/calls.html", say("Providers’ calls"), &view)?)
}

#[derive(Serialize)]
struct UnmatchedPage {
    rooms: Vec<Tab>,
    items: Vec<UnmatchedRow>,
    pager: Pager,
}

#[derive(Serialize)]
struct UnmatchedRow {
    message_id: String,
    account: String,
    state: String,
    word: String,
    detail: String,
    is_hint: bool,
    call_href: Option<String>,
    at: Moment,
}

fn unmatched_row(one: Unmatched, zone: chrono_tz::Tz) -> UnmatchedRow {
    UnmatchedRow {
        message_id: one.message_id,
        account: one.label.unwrap_or_else(|| say("An account that is gone").into()),
        state: one.state.unwrap_or_else(|| say("unknown").into()),
        word: one.word,
        detail: one.detail.unwrap_or_default(),
        is_hint: one.is_hint,
        call_href: one.call.map(|id| format!("{CALLS}/{id}")),
        at: Moment::at(one.received_at, zone),
    }
}

#[handler]
async fn list_unmatched(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(time_mark(text)?),
    };
    let mut items = db
        .read_tenant(user.tenant(), async |tx| {
            store::list_unmatched(&tx.last(), before, PAGE.and_one()).await
        })
        .await?;
    let more = PAGE.cut(&mut items);
    let cursor = match items.last().filter(|_| more) {
        Some(last) => Some(Cursor::<TimeMark>((last.received_at, last.id)).encode()?),
        None => None,
    };
    let zone = user.tenant().time_zone.0;
    let view = UnmatchedPage {
        rooms: rooms(UNMATCHED),
        pager: pager(UNMATCHED, &[], asked.first(), items.len(), cursor),
        items: items.into_iter().map(|one| unmatched_row(one, zone)).collect(),
    };
    Ok(user.render("hooks/unmatched.html", say("Receipts without a message"), &view)?)
}

#[derive(Serialize)]
struct CallPage {
    call: CallRow,
    method: &'static str,
    url: String,
    provider: String,
    replays: i32,
    done: Option<Moment>,
    headers: Vec<Header>,
    body: String,
    is_cut: bool,
    replay_action: String,
    can_replay: bool,
}

#[derive(Serialize)]
struct Header {
    name: String,
    value: String,
}

/// More of a body than this is not shown on a page; the API has all of it.
const SHOWN_BYTES: usize = 65_536;

#[handler]
async fn show_call(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: HookCallId = id_of(&id, say("hook call"))?;
    let (call, letter) = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    let zone = user.tenant().time_zone.0;
    let shown = letter.body.get(..SHOWN_BYTES).unwrap_or(&letter.body);
    let header = |(name, value): (String, String)| {
        let value = shown_header(&name, &value).to_owned();
        Header { name, value }
    };
    let view = CallPage {
        method: if call.is_get { "GET" } else { "POST" },
        url: shown_url(&call.url).to_owned(),
        provider: call.kind.clone().unwrap_or_default(),
        replays: call.replays,
        done: call.done_at.map(|at| Moment::at(at, zone)),
        headers: letter.headers.into_iter().map(header).collect(),
        body: String::from_utf8_lossy(shown).into_owned(),
        is_cut: shown.len() < letter.body.len(),
        replay_action: format!("{CALLS}/{id}/replay"),
        can_replay: user.by.require::<ReplayHooks>().is_ok(),
        call: call_row(call, zone),
    };
    Ok(user.render("hooks/call.html", "A provider’s call", &view)?)
}

#[handler]
async fn replay_call(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: HookCallId = id_of(&id, say("hook call"))?;
    db.in_tenant(user.tenant(), async |tx| rules::replay(tx, &user.by, id).await).await?;
    Ok(user.then(&format!("{CALLS}/{id}"), &Flash::success("The call is read again.")))
}
