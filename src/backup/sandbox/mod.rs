//! A sandbox: a copy of a provider with made-up people, beside it, to try things out in.
//!
//! It is made like any copy, out into an archive and in again; the masks are laid over the rows in the transaction that writes them,
//! so that nobody ever sees the true ones there. It has no plan, no domains, no credentials and no staff but the owners.

mod api;
mod masks;
mod pages;
mod rules;

pub use api::SandboxApi;
pub use pages::pages;
pub use rules::{Sandboxes, handlers};

use crate::{
    db::OwnerTx,
    error::{Error, Result},
    tenancy::Filling,
    types::TenantId,
};

/// Lays the masks over a schema that was just filled.
pub(super) async fn mask(filling: &Filling<'_>) -> Result<()> {
    let tables = filling.tables().await?;
    // What refers to others goes first.
    for table in tables.iter().rev().filter(|table| masks::EMPTIED.contains(&table.name.as_str())) {
        filling.tx().run(&format!("DELETE FROM {}", table.name)).await?;
    }
    let salt: [u8; 32] = rand::random();
    for table in masks::MASKED {
        filling.tx().query_named(&masks::statement(table), &[&salt.as_slice()]).await?;
    }
    Ok(())
}

/// What makes a tenant a sandbox. 409 `sandbox_exists` when the original has one.
pub(super) async fn settle(tx: &OwnerTx, id: TenantId, original: TenantId) -> Result<()> {
    let is_free = tx
        .query_opt("SELECT FROM public.tenant WHERE sandbox_of = $1 AND status <> 'closed'", &[&original])
        .await?
        .is_none();
    if !is_free {
        return Err(exists());
    }
    tx.execute("UPDATE public.tenant SET sandbox_of = $2 WHERE id = $1", &[&id, &original]).await.map(drop)
}

fn exists() -> Error {
    Error::conflict("sandbox_exists", "There is a sandbox already. Remove it first.")
}
