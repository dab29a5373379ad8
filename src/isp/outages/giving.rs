//! Giving minutes back: billing extends what runs, and moves what is chained to it.

use crate::{access::By, db::TenantTx, error::Result, isp::billing, types::InstallationId};

/// Gives minutes to an installation; how many it was given. None when nothing runs there.
pub async fn give(
    tx: &TenantTx,
    by: &By,
    installation: InstallationId,
    minutes: i64,
    why: &str,
) -> Result<Option<i64>> {
    let extended = billing::extend(tx, by, installation, minutes, why).await?;
    Ok(extended.map(|extended| extended.minutes))
}
