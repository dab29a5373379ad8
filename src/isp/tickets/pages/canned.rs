//! The replies that are said often.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Result,
    isp::tickets::talk::{self, CannedDraft},
    types::CannedReplyId,
    web::parts::id_of,
    web::{Flash, FormView},
    words::say,
};

const PATH: &str = "/tickets/replies";

#[derive(Serialize)]
struct RepliesPage {
    replies: Vec<Reply>,
    form: FormView,
    /// Which reply the form changes; empty for a new one.
    editing: String,
}

#[derive(Serialize)]
struct Reply {
    id: String,
    title: String,
    text: String,
    action: String,
    delete_action: String,
}

async fn show(
    user: &PageUser,
    db: &Db,
    status: StatusCode,
    form: FormView,
    editing: Option<CannedReplyId>,
) -> Result<Response> {
    let found = db.read_tenant(user.tenant(), async |tx| talk::find_canned(tx).await).await?;
    let replies = found
        .into_iter()
        .map(|reply| Reply {
            id: reply.id.to_string(),
            title: reply.title,
            text: reply.text,
            action: format!("{PATH}/{}", reply.id),
            delete_action: format!("{PATH}/{}/delete", reply.id),
        })
        .collect();
    let editing = editing.map(|id| id.to_string()).unwrap_or_default();
    user.render_with(
        status,
        "tickets/replies.html",
        say("Canned replies"),
        &RepliesPage { replies, form, editing },
    )
}

fn empty() -> FormView {
    FormView::empty(PATH, &["title", "text"])
}

#[handler]
pub async fn list_replies(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    Ok(show(&user, &db, StatusCode::OK, empty(), None).await?)
}

#[handler]
pub async fn add_reply(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let added = match CannedDraft::parse(form.get("title"), form.get("text")) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| talk::add_canned(tx, &user.by, &draft).await).await
        }
        Err(error) => Err(error),
    };
    match added {
        Ok(reply) => Ok(user.then(PATH, &Flash::success(say!("{} was added.", reply.title)))),
        Err(error) => {
            let shown = empty().typed(&form).failed(error)?;
            Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, None).await?)
        }
    }
}

#[handler]
pub async fn save_reply(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: CannedReplyId = id_of(&id, "reply")?;
    let saved = match CannedDraft::parse(form.get("title"), form.get("text")) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| {
                talk::change_canned(tx, &user.by, id, |_| Ok(draft.clone())).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(reply) => Ok(user.then(PATH, &Flash::success(say!("{} was saved.", reply.title)))),
        Err(error) => {
            let shown = FormView { action: format!("{PATH}/{id}"), ..empty() }.typed(&form).failed(error)?;
            Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, Some(id)).await?)
        }
    }
}

#[handler]
pub async fn delete_reply(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: CannedReplyId = id_of(&id, "reply")?;
    let gone = db.in_tenant(user.tenant(), async |tx| talk::remove_canned(tx, &user.by, id).await).await?;
    Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", gone.title))))
}
