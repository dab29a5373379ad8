//! The bell: what staff are told inside the product. Each sees the lines of the permissions that they hold.

mod api;
mod pages;

use crate::{
    access::By,
    db::TenantTx,
    error::Result,
    events::notices::{self, Notice},
    types::{Limit, NoticeId, StaffId},
};

pub use api::NoticesApi;
pub use pages::pages;

/// The permissions whose lines a caller sees: none means all.
fn permissions(by: &By) -> Option<Vec<String>> {
    (!by.rights.is_owner).then(|| by.rights.permissions.iter().cloned().collect())
}

/// One page of a person's lines, and whether there are more.
async fn list(
    tx: &TenantTx,
    by: &By,
    staff: StaffId,
    before: Option<NoticeId>,
    limit: Limit,
) -> Result<(Vec<Notice>, bool)> {
    let mut items = notices::list(tx, staff, permissions(by).as_deref(), before, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// How many of a person's lines are unread.
async fn unread(tx: &TenantTx, by: &By, staff: StaffId) -> Result<i64> {
    notices::unread(tx, staff, permissions(by).as_deref()).await
}
