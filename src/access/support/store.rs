//! All SQL of support access: calls of the gate.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rules::{Grant, GrantId, Kind, NewGrant, Standing, Visit};
use crate::{
    access::credentials::TokenHash,
    db::TenantTx,
    error::{Error, Result},
};

fn kind_of(text: &str) -> Result<Kind> {
    Kind::parse(text).ok_or_else(|| Error::internal("a grant of no kind"))
}

pub async fn standing(tx: &TenantTx) -> Result<Standing> {
    let row = tx
        .query_one(
            "SELECT is_allowed, grant_id, access, reason, opened_by, opened_at, expires_at FROM gate.support_standing()",
            &[],
        )
        .await?;
    let open = match row.get::<_, Option<Uuid>>("grant_id") {
        None => None,
        Some(id) => Some(Grant {
            id: GrantId(id),
            kind: kind_of(row.get("access"))?,
            reason: row.get("reason"),
            opened_by: row.get("opened_by"),
            opened_at: row.get("opened_at"),
            expires_at: row.get("expires_at"),
        }),
    };
    Ok(Standing { is_allowed: row.get("is_allowed"), open })
}

pub async fn list_grants(tx: &TenantTx) -> Result<Vec<Visit>> {
    let rows = tx
        .query(
            "SELECT id, access, reason, opened_by, opened_at, expires_at, ended_at, ended_by, visitors
             FROM gate.list_support_grants()",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Visit {
                grant: Grant {
                    id: GrantId(row.get("id")),
                    kind: kind_of(row.get("access"))?,
                    reason: row.get("reason"),
                    opened_by: row.get("opened_by"),
                    opened_at: row.get("opened_at"),
                    expires_at: row.get("expires_at"),
                },
                ended_at: row.get("ended_at"),
                ended_by: row.get("ended_by"),
                visitors: row.get("visitors"),
            })
        })
        .collect()
}

pub async fn allow(tx: &TenantTx, is_allowed: bool, by: &str) -> Result<()> {
    tx.execute("SELECT gate.allow_support($1, $2)", &[&is_allowed, &by]).await.map(drop)
}

/// `opened`, `off` or `open`.
pub async fn open(tx: &TenantTx, id: GrantId, new: &NewGrant, by: &str) -> Result<String> {
    let row = tx
        .query_one(
            "SELECT gate.open_support($1, $2, $3, $4, $5) AS said",
            &[&id.0, &new.kind.as_str(), &new.reason, &by, &new.hours],
        )
        .await?;
    Ok(row.get("said"))
}

pub async fn end(tx: &TenantTx, id: GrantId, by: &str) -> Result<i64> {
    let row = tx.query_one("SELECT gate.end_support($1, $2) AS ended", &[&id.0, &by]).await?;
    Ok(row.get("ended"))
}

/// Redeems a code of the console's: the grant, and the name of who comes in.
pub async fn enter(
    tx: &TenantTx,
    code: &TokenHash,
    session: Uuid,
    token: &TokenHash,
) -> Result<Option<(GrantId, String)>> {
    let row = tx
        .query_opt(
            "SELECT grant_id, name FROM gate.enter_support($1, $2, $3)",
            &[&code.as_slice(), &session, &token.as_slice()],
        )
        .await?;
    Ok(row.map(|row| (GrantId(row.get("grant_id")), row.get("name"))))
}

/// A stay under a grant that counts.
pub struct Stay {
    pub session: Uuid,
    pub grant: GrantId,
    pub name: String,
    pub email: String,
    pub kind: Kind,
    pub expires_at: DateTime<Utc>,
}

pub async fn find_stay(tx: &TenantTx, token: &TokenHash) -> Result<Option<Stay>> {
    let row = tx
        .query_opt(
            "SELECT session_id, grant_id, name, email, access, expires_at FROM gate.support_session($1)",
            &[&token.as_slice()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Stay {
        session: row.get("session_id"),
        grant: GrantId(row.get("grant_id")),
        name: row.get("name"),
        email: row.get("email"),
        kind: kind_of(row.get("access"))?,
        expires_at: row.get("expires_at"),
    }))
}

pub async fn leave(tx: &TenantTx, session: Uuid) -> Result<()> {
    tx.execute("SELECT gate.leave_support($1)", &[&session]).await.map(drop)
}
