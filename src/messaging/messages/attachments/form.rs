//! Files in the forms of messages and campaigns.

use serde::Serialize;

use super::{FILE_MAX_BYTES, FILES_MAX, HELP, IN_USE, UNUSED, upload};
use crate::{
    access::PageUser,
    db::TenantTx,
    error::{Error, FieldError, Result},
    files,
    messaging::Messaging,
    types::FileId,
    web::{Form, parts::size_text},
    words::say,
};

/// What a form with files may weigh. A CSV file of a campaign's audience fits beside them.
pub const FORM_MAX_BYTES: u64 = 4 * FILE_MAX_BYTES as u64 + 64 * 1024;

/// The part of a form where files are chosen.
#[derive(Serialize)]
pub struct FilesBox {
    help: &'static str,
    /// Those that go along already; unticked they do not.
    kept: Vec<Kept>,
}

#[derive(Serialize)]
struct Kept {
    id: FileId,
    label: String,
}

impl FilesBox {
    /// Those of these files that are there.
    pub async fn load(tx: &TenantTx, ids: &[FileId]) -> Result<Self> {
        let mut kept = Vec::with_capacity(ids.len());
        if !ids.is_empty() {
            let found = files::described(tx, ids, &[UNUSED, IN_USE]).await?;
            kept.extend(
                found.into_iter().map(|file| Kept {
                    id: file.id,
                    label: format!("{}, {}", file.name, size_text(file.size)),
                }),
            );
        }
        Ok(Self { help: say(HELP), kept })
    }
}

/// The files that a form names.
pub fn named(form: &Form) -> Vec<FileId> {
    form.all("attachment").filter_map(|id| id.parse().ok()).take(FILES_MAX + 1).collect()
}

/// Keeps the files that came with a form; with those that it names, they go along. What is wrong stands at `attach`.
pub async fn kept(messaging: &Messaging, user: &PageUser, form: &Form) -> Result<Vec<FileId>> {
    let mut ids = named(form);
    let new: Vec<_> = form.uploads("attach").filter(|file| !file.content.is_empty()).collect();
    if new.is_empty() {
        return Ok(ids);
    }
    if ids.len() + new.len() > FILES_MAX {
        let detail = say!("A message carries at most {} files.", FILES_MAX);
        return Err(Error::invalid("attach", "too_many", detail));
    }
    let uploaded = messaging
        .db
        .in_tenant(user.tenant(), async |tx| {
            let mut ids = Vec::with_capacity(new.len());
            for file in &new {
                let kept = upload(tx, &user.by, &file.file_name, &file.content).await;
                ids.push(kept.map_err(|error| at_our_field(error, &file.file_name))?.file());
            }
            Ok(ids)
        })
        .await?;
    ids.extend(uploaded);
    Ok(ids)
}

/// In a form with several files it is told which one is wrong.
fn at_our_field(error: Error, name: &str) -> Error {
    match error {
        Error::Invalid(wrong) => Error::Invalid(
            wrong
                .into_iter()
                .map(|one| FieldError::new("attach", one.code, format!("{name}: {}", one.detail)))
                .collect(),
        ),
        other => other,
    }
}
