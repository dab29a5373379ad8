//! The page of suppressions.

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    EditSuppressions, ViewSuppressions, export, import,
    model::{Filter, Reason, Source, Suppression},
    rules::{self, Draft},
    store, unsubscribe,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    error::{Error, Result},
    messaging::{Channel, Messaging},
    sheets::Bom,
    types::{Cursor, Limit, SuppressionId, search::plain},
    web::parts::{Chip, Choice, Pager, address, counted, grouped, id_of, shown},
    web::{
        Flash, FormView, Moment, RouteTable,
        file_body::{FileBody, UPLOAD_MAX_BYTES},
        sheet::Format,
    },
    words::{now_in_english, say},
};

const PATH: &str = "/suppressions";
const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;
const FIELDS: [&str; 4] = ["channel", "address", "reason", "note"];
const ERRORS_TOLD: usize = 3;

/// Every page of suppressions, and the one that links lead to.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewSuppressions>(Method::GET, PATH, list);
    table.page::<ViewSuppressions>(Method::GET, "/suppressions/export", download);
    table.page::<EditSuppressions>(Method::POST, PATH, add);
    table.upload::<EditSuppressions>("/suppressions/import", UPLOAD_MAX_BYTES, upload);
    table.page::<EditSuppressions>(Method::POST, "/suppressions/:id/lift", lift);
    unsubscribe::pages(table);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    channel: String,
    reason: String,
    cursor: String,
    from: i64,
    format: String,
}

impl Asked {
    /// What cannot be read says nothing: the page shows what counts.
    fn filter(&self) -> Filter {
        let q = plain(&self.q).map(|q| q.chars().take(Q_MAX).collect());
        Filter { q, channel: self.channel.parse().ok(), reason: Reason::parse(&self.reason).ok() }
    }
}

/// The pairs of an address that asks for this.
fn pairs(filter: &Filter) -> Vec<(&'static str, &str)> {
    let all = [
        ("q", filter.q.as_deref().unwrap_or_default()),
        ("channel", filter.channel.map_or("", Channel::as_str)),
        ("reason", filter.reason.map_or("", Reason::as_str)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[derive(Serialize)]
struct ListPage {
    q: String,
    channel: &'static str,
    reason: &'static str,
    channels: Vec<Choice>,
    reasons: Vec<Choice>,
    filters: Vec<Chip>,
    rows: Vec<Row>,
    pager: Pager,
    can_edit: bool,
    csv_href: String,
    xlsx_href: String,
    form: FormView,
}

#[derive(Serialize)]
struct Row {
    address: String,
    channel: &'static str,
    reason: &'static str,
    source: &'static str,
    note: String,
    created: Moment,
    lift_action: String,
}

/// All channels, for a select box.
pub fn channels() -> Vec<Choice> {
    Channel::ALL.map(|channel| Choice::new(channel.as_str(), channel.label())).to_vec()
}

fn chips(filter: &Filter) -> Vec<Chip> {
    let without = |name: &str| {
        address(PATH, pairs(filter).into_iter().filter(|(known, _)| *known != name).collect::<Vec<_>>())
    };
    let chip = |label: &str, value: &str, name: &str| Chip {
        label: label.to_owned(),
        value: value.to_owned(),
        remove_href: without(name),
    };
    let mut chips = Vec::new();
    chips.extend(filter.channel.map(|channel| chip(say("Channel"), channel.label(), "channel")));
    chips.extend(filter.reason.map(|reason| chip(say("Reason"), reason.label(), "reason")));
    chips.extend(filter.q.as_deref().map(|q| chip(say("Address"), q, "q")));
    chips
}

async fn page(
    user: &PageUser,
    messaging: &Messaging,
    asked: &Asked,
    mend: Option<FormView>,
) -> Result<Response> {
    let filter = asked.filter();
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<SuppressionId>::decode(text)?.0),
    };
    let ((found, more), total) = messaging
        .db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(rules::list(tx, &filter, before, PAGE), store::count(tx, &filter))
        })
        .await?;
    let first = if before.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let (cursor, from) = (Cursor(last.id).encode()?, (first + PAGE.get()).to_string());
            let mut all = pairs(&filter);
            all.extend([("cursor", cursor.as_str()), ("from", from.as_str())]);
            Some(address(PATH, all))
        }
        None => None,
    };
    let file = |format: &str| {
        let mut all = pairs(&filter);
        all.push(("format", format));
        address("/suppressions/export", all)
    };
    let zone = user.tenant().time_zone.0;
    let status = if mend.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = ListPage {
        channel: filter.channel.map_or("", Channel::as_str),
        reason: filter.reason.map_or("", Reason::as_str),
        channels: channels(),
        reasons: Reason::options(),
        filters: chips(&filter),
        pager: Pager {
            prev_href: before.is_some().then(|| address(PATH, pairs(&filter))),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(total)),
        },
        rows: found.into_iter().map(|one| row_of(one, zone)).collect(),
        can_edit: user.by.require::<EditSuppressions>().is_ok(),
        csv_href: file("csv"),
        xlsx_href: file("xlsx"),
        form: mend.unwrap_or_else(|| FormView::empty(PATH, &FIELDS).with("reason", "manual")),
        q: filter.q.clone().unwrap_or_default(),
    };
    user.render_with(status, "suppressions/list.html", say("Suppressions"), &view)
}

fn row_of(one: Suppression, zone: chrono_tz::Tz) -> Row {
    Row {
        channel: one.channel.label(),
        reason: one.reason.label(),
        source: one.source.label(),
        note: one.note,
        created: Moment::at(one.created_at, zone),
        lift_action: format!("{PATH}/{}/lift", one.id),
        address: one.address,
    }
}

#[handler]
async fn list(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    Ok(page(&user, &messaging, &asked, None).await?)
}

#[handler]
async fn download(
    user: PageUser,
    messaging: Data<&Messaging>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    now_in_english();
    let format = Format::of_page(&asked.format);
    let sheet = export::export(&messaging.db, &user.by, &asked.filter(), format, Bom::With).await?;
    Ok(sheet.into_response())
}

#[handler]
async fn add(user: PageUser, messaging: Data<&Messaging>, form: CheckedForm) -> poem::Result<Response> {
    let draft = Draft::parse(
        user.tenant(),
        form.get("channel"),
        form.get("address"),
        form.get("reason"),
        form.get("note"),
    );
    let added = match draft {
        Ok(draft) => {
            let db = &messaging.db;
            db.in_tenant(user.tenant(), async |tx| rules::suppress(tx, &user.by, &draft, Source::Staff).await)
                .await
        }
        Err(error) => Err(error),
    };
    match added {
        Ok(one) => {
            let said = say!("{} is no longer written to.", one.address);
            Ok(user.then(PATH, &Flash::success(said)))
        }
        Err(error) => {
            let mend = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            Ok(page(&user, &messaging, &Asked::default(), Some(mend)).await?)
        }
    }
}

#[handler]
async fn lift(user: PageUser, messaging: Data<&Messaging>, Path(id): Path<String>) -> poem::Result<Response> {
    let id = id_of(&id, "suppression")?;
    let db = &messaging.db;
    let gone = db.in_tenant(user.tenant(), async |tx| rules::unsuppress(tx, &user.by, id).await).await?;
    Ok(user.then(PATH, &Flash::success(say!("{} may be written to again.", gone.address))))
}

#[handler]
async fn upload(user: PageUser, messaging: Data<&Messaging>, form: CheckedForm) -> poem::Result<Response> {
    let done = match FileBody::of(&form) {
        Ok(file) => import::import(&messaging.db, &user.by, file).await,
        Err(error) => Err(error),
    };
    let flash = match done {
        Ok(done) => {
            let added = counted(done.added, "address was added", "addresses were added");
            let known = match done.known {
                0 => String::new(),
                n => say!(" {} on the list before.", counted(n, "was", "were")),
            };
            let wrong: Vec<String> = done
                .errors
                .iter()
                .take(ERRORS_TOLD)
                .map(|wrong| say!("Row {}: {}", wrong.row, wrong.detail))
                .collect();
            match done.failed {
                0 => Flash::success(format!("{added}.{known}")),
                n => Flash::error(format!(
                    "{added}.{known} {}: {}",
                    counted(n, "row is wrong", "rows are wrong"),
                    wrong.join(" ")
                )),
            }
        }
        Err(error @ Error::Invalid(_)) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(PATH, &flash))
}
