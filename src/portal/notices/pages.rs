//! The bell's page, and the count beside the bell.

use poem::{
    Response, handler,
    http::{Method, header},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use crate::{
    access::{CheckedForm, Guarded, PageUser, SignedIn},
    db::Db,
    error::Error,
    events::notices::{self, UNREAD_MAX},
    types::{Cursor, Limit, NoticeId},
    web::{Moment, RouteTable, see_other},
    words::say,
};

const PAGE: Limit = Limit::of(30);

/// Mounts the bell.
pub fn pages(table: &mut RouteTable) {
    table.page::<SignedIn>(Method::GET, "/notices", show_notices);
    table.page::<SignedIn>(Method::GET, "/notices/unread", count_unread);
    table.page::<SignedIn>(Method::POST, "/notices/read", mark_read);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    cursor: String,
}

#[derive(Serialize)]
struct Line {
    text: String,
    href: Option<String>,
    is_read: bool,
    at: Moment,
}

#[derive(Serialize)]
struct NoticesPage {
    notices: Vec<Line>,
    /// The newest of them, when any is unread: what the button marks as read.
    newest: Option<String>,
    earlier_href: Option<String>,
    is_first: bool,
}

#[handler]
async fn show_notices(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(Cursor::<NoticeId>::decode(text)?.0),
    };
    let (found, more) = db
        .read_tenant(user.tenant(), async |tx| super::list(tx, &user.by, user.staff, before, PAGE).await)
        .await?;
    let newest = found.first().map(|first| first.id.to_string());
    let has_unread = found.iter().any(|notice| !notice.is_read);
    let earlier_href = match found.last().filter(|_| more) {
        Some(last) => Some(format!("/notices?cursor={}", Cursor(last.id).encode()?)),
        None => None,
    };
    let zone = user.tenant().time_zone.0;
    let view = NoticesPage {
        newest: newest.filter(|_| has_unread && before.is_none()),
        earlier_href,
        is_first: before.is_none(),
        notices: found
            .into_iter()
            .map(|notice| Line {
                text: notice.text,
                href: notice.href,
                is_read: notice.is_read,
                at: Moment::at(notice.created_at, zone),
            })
            .collect(),
    };
    Ok(user.render("notices/list.html", say("Notices"), &view)?)
}

/// The count beside the bell, asked for after a page is there; nothing when there is nothing unread.
#[handler]
async fn count_unread(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let unread = db
        .read_tenant(user.tenant(), async |tx| super::unread(&tx.last(), &user.by, user.staff).await)
        .await?;
    let shown = match unread {
        0 => String::new(),
        n if n >= UNREAD_MAX => "99+".to_owned(),
        n => n.to_string(),
    };
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(shown))
}

#[handler]
async fn mark_read(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    // A text that is no id marks nothing.
    if let Ok(newest) = form.get("newest").parse::<NoticeId>() {
        let marked =
            db.in_tenant(user.tenant(), async |tx| notices::mark_seen(tx, user.staff, newest).await).await?;
        if !marked {
            return Err(Error::not_found("notice").into());
        }
    }
    Ok(see_other("/notices"))
}
