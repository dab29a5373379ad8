//! Files that go along with messages: uploaded once, named by any number of messages and campaigns.
//!
//! What was uploaded and is named by nothing a day later is forgotten; what was named stays until somebody deletes it. A message
//! remembers what its files were called, also when their bytes are gone.

mod api;
mod form;
mod kind;
mod link;

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, FieldError, Result},
    files,
    jobs::{self, Next, Runner},
    messaging::{Channel, Messaging, accounts},
    types::{FileId, Limit},
    words::say,
};

pub use api::AttachmentsApi;
pub use form::{FORM_MAX_BYTES, FilesBox, kept, named};
pub use link::{FileLinks, pages};

/// One file weighs at most so much.
pub const FILE_MAX_BYTES: usize = 10 * 1024 * 1024;
/// A message carries at most so many,
pub const FILES_MAX: usize = 10;
/// and so much together: a letter of more is refused by most mail servers.
pub const TOGETHER_MAX_BYTES: i64 = 18_000_000;
/// What may be sent, for people.
pub const HELP: &str = "A picture, PDF, text, CSV, Word, Excel, ZIP, MP3, OGG or MP4 file of at most 10 MiB; ten of them, and 18 MB, go with one message.";

const UNUSED: &str = "attachment";
const IN_USE: &str = "message_attachment";
/// The kind of job that forgets a file which nothing named.
const FORGET: &str = "forget_attachment";
const UNUSED_FOR: TimeDelta = TimeDelta::days(1);

/// A file as a message remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Object)]
#[oai(rename = "Attachment")]
pub struct Attached {
    pub id: uuid::Uuid,
    pub name: String,
    pub media_type: String,
    /// In bytes.
    pub size: i64,
}

impl Attached {
    pub fn file(&self) -> FileId {
        FileId(self.id)
    }
}

impl From<files::Described> for Attached {
    fn from(file: files::Described) -> Self {
        Self { id: file.id.0, name: file.name, media_type: file.media_type, size: file.size }
    }
}

/// Gives the runner the job that forgets what nothing named.
pub fn handlers(runner: &mut Runner, messaging: &Messaging) {
    let db = messaging.db.clone();
    runner.on(
        FORGET,
        Arc::new(move |tenant, job| {
            let db = db.clone();
            Box::pin(async move {
                db.in_tenant(&tenant, async |tx| forget_unused(tx, FileId(job.subject)).await).await?;
                Ok(Next::Done)
            })
        }),
    );
}

async fn forget_unused(tx: &TenantTx, id: FileId) -> Result<()> {
    if files::hold(tx, &[id], &[UNUSED]).await?.is_empty() {
        return Ok(());
    }
    files::forget(tx, id).await
}

fn event<'a>(action: &'static str, file: &'a Attached) -> Event<'a> {
    let after = json!({"media_type": file.media_type, "size": file.size});
    Event {
        action,
        object_type: "attachment",
        object_id: Some(file.id),
        object_label: &file.name,
        before: None,
        after: Some(after),
    }
}

/// Keeps a file for a message that is still to be written.
///
/// 422 `file` when it is of no kind that can be sent, or too large; 409 `quota_used_up`.
pub async fn upload(tx: &TenantTx, by: &By, name: &str, content: &[u8]) -> Result<Attached> {
    let file = kind::checked(name, content)?;
    let id = files::keep(tx, &by.tenant, UNUSED, &file.name, file.media_type, content).await?;
    jobs::enqueue(tx, FORGET, id.0, Utc::now() + UNUSED_FOR).await?;
    let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
    let kept = Attached { id: id.0, name: file.name, media_type: file.media_type.to_owned(), size };
    by.record(tx, event("attachment.uploaded", &kept)).await?;
    Ok(kept)
}

/// Forgets files of what is gone, but those that a message or a campaign still names.
pub async fn let_go(tx: &TenantTx, ids: &[FileId]) -> Result<()> {
    for id in unnamed(tx, ids).await? {
        files::forget(tx, id).await?;
    }
    Ok(())
}

/// Files that were taken out of something which may still change. Those that nothing names any more are forgotten within a day: until
/// then somebody may name them again.
pub async fn put_back(tx: &TenantTx, ids: &[FileId]) -> Result<()> {
    let unnamed = unnamed(tx, ids).await?;
    files::keep_for(tx, &unnamed, UNUSED).await?;
    for id in unnamed {
        jobs::enqueue(tx, FORGET, id.0, Utc::now() + UNUSED_FOR).await?;
    }
    Ok(())
}

/// Of these files those that were in use, and that neither a message nor a campaign names now. They are held.
async fn unnamed(tx: &TenantTx, ids: &[FileId]) -> Result<Vec<FileId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let held: Vec<FileId> = files::hold(tx, ids, &[IN_USE]).await?.into_iter().map(|file| file.id).collect();
    let rows = tx
        .query(
            "SELECT u.id FROM unnest($1::uuid[]) AS u (id), jsonb_build_array(jsonb_build_object('id', u.id)) AS n (named)
             WHERE NOT EXISTS (SELECT FROM message m WHERE m.attachments <> '[]' AND m.attachments @> n.named)
                AND NOT EXISTS (SELECT FROM campaign c WHERE c.attachments <> '[]' AND c.attachments @> n.named)",
            &[&held],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn find(tx: &TenantTx, id: FileId) -> Result<Attached> {
    only(files::described(tx, &[id], &[UNUSED, IN_USE]).await?)
}

/// One page, the newest first, and whether there are more.
async fn list(tx: &TenantTx, before: Option<FileId>, limit: Limit) -> Result<(Vec<Attached>, bool)> {
    let mut found = files::list(tx, &[UNUSED, IN_USE], before, limit.and_one()).await?;
    let more = limit.cut(&mut found);
    Ok((found.into_iter().map(Attached::from).collect(), more))
}

fn only(found: Vec<files::Described>) -> Result<Attached> {
    found.into_iter().next().map(Attached::from).ok_or(Error::not_found("attachment"))
}

/// Deletes a file. 409 `in_use` while something carries it that is still to be sent.
pub async fn delete(tx: &TenantTx, by: &By, id: FileId) -> Result<()> {
    let file = only(files::hold(tx, &[id], &[UNUSED, IN_USE]).await?)?;
    let carried = json!([{"id": file.id}]);
    let row = tx
        .query_one(
            "SELECT EXISTS (SELECT FROM message m WHERE m.attachments <> '[]' AND m.attachments @> $1
                AND (m.status IN ('waiting', 'expanding') OR EXISTS (SELECT FROM delivery d
                    JOIN delivery_queue q ON q.delivery_id = d.id WHERE d.message_id = m.id)))
             OR EXISTS (SELECT FROM campaign c WHERE c.attachments @> $1 AND c.status IN ('draft', 'scheduled', 'failed'))",
            &[&carried],
        )
        .await?;
    if row.get(0) {
        return Err(Error::conflict("in_use", "Something that is still to be sent carries this file."));
    }
    files::forget(tx, id).await?;
    by.record(tx, event("attachment.deleted", &file)).await
}

/// The files that a message names, kept for it from now on. Every wrong one is named.
pub async fn take(tx: &TenantTx, channels: &[Channel], ids: &[FileId]) -> Result<Vec<Attached>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let held = files::hold(tx, ids, &[UNUSED, IN_USE]).await?;
    let found = known(ids, held)?;
    carried(tx, channels).await?;
    files::keep_for(tx, ids, IN_USE).await?;
    Ok(found)
}

/// The same without changing anything.
pub async fn check(tx: &TenantTx, channels: &[Channel], ids: &[FileId]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    known(ids, files::described(tx, ids, &[UNUSED, IN_USE]).await?)?;
    carried(tx, channels).await
}

/// The files of these ids, in their order.
fn known(ids: &[FileId], mut held: Vec<files::Described>) -> Result<Vec<Attached>> {
    let invalid = |code, detail: String| Err(Error::invalid("attachments", code, detail));
    if ids.len() > FILES_MAX {
        return invalid("too_many", say!("A message carries at most {} files.", FILES_MAX));
    }
    let mut found = Vec::with_capacity(ids.len());
    for (n, id) in ids.iter().enumerate() {
        match held.iter().position(|file| file.id == *id) {
            Some(at) => found.push(Attached::from(held.swap_remove(at))),
            None => {
                let field = format!("attachments[{n}]");
                let detail = "There is no such file, or it is named twice.";
                return Err(Error::Invalid(vec![FieldError::new(field, "unknown", detail)]));
            }
        }
    }
    if found.iter().map(|file| file.size).sum::<i64>() > TOGETHER_MAX_BYTES {
        return invalid("too_large", "The files of a message weigh at most 18 MB together.".to_owned());
    }
    Ok(found)
}

/// Whether each of these channels can carry files: by one of its accounts, where there are any.
async fn carried(tx: &TenantTx, channels: &[Channel]) -> Result<()> {
    let mut wrong = Vec::new();
    for channel in channels {
        let can = match channel {
            Channel::Push | Channel::InApp => false,
            _ => {
                let usable = accounts::usable(tx, *channel).await?;
                usable.is_empty() || usable.iter().any(accounts::Account::carries_files)
            }
        };
        if !can {
            let detail = say!("No file can be sent by {}.", channel.label());
            wrong.push(FieldError::new("attachments", "not_on_channel", detail));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// The bytes of a file that a message carries; None when it was deleted.
pub async fn bytes(tx: &TenantTx, id: FileId) -> Result<Option<bytes::Bytes>> {
    Ok(files::get_for(tx, id, &[IN_USE]).await?.map(|file| file.content.into()))
}
