//! What other rooms keep of a customer, known in this one place: what a merge moves to the survivor, and what keeps a customer from
//! being deleted. A test holds this list against the keys of the database.

use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::CustomerId,
    words::say,
};

const END_STAYS: &str = "DELETE FROM subscriber_session WHERE login_id IN \
    (SELECT id FROM subscriber_login WHERE customer_id = $1 AND $1 <> $2)";
const END_SECOND_ACCOUNT: &str = "DELETE FROM subscriber_login WHERE customer_id = $1 \
    AND EXISTS (SELECT FROM subscriber_login s WHERE s.customer_id = $2)";
const MOVE_ACCOUNT: &str =
    "UPDATE subscriber_login SET customer_id = $2, updated_at = now() WHERE customer_id = $1";
const END_LINKS: &str = "DELETE FROM subscriber_link WHERE customer_id = $1 AND $1 <> $2";

/// A table and the statement that moves its rows from the customer `$1` to the customer `$2`.
const MOVED: &[(&str, &str)] = &[
    ("installation", "UPDATE installation SET customer_id = $2, updated_at = now() WHERE customer_id = $1"),
    ("visit", "UPDATE visit SET customer_id = $2, updated_at = now() WHERE customer_id = $1"),
    ("nap_port", "UPDATE nap_port SET reserved_for = $2 WHERE reserved_for = $1"),
    ("ticket", "UPDATE ticket SET customer_id = $2, updated_at = now() WHERE customer_id = $1"),
    ("ticket_comment", "UPDATE ticket_comment SET customer_id = $2 WHERE customer_id = $1"),
    ("outage_subscriber", "UPDATE outage_subscriber SET customer_id = $2 WHERE customer_id = $1"),
    ("ticket", "UPDATE ticket SET customer_id = $2, updated_at = now() WHERE customer_id = $1"),
    ("outage_subscriber", "UPDATE outage_subscriber SET customer_id = $2 WHERE customer_id = $1"),
    ("notice", "UPDATE notice SET customer_id = $2 WHERE customer_id = $1"),
    // Whoever is signed in signs in again: they are another customer now. Two accounts become the survivor's one.
    ("subscriber_session", END_STAYS),
    ("subscriber_login", END_SECOND_ACCOUNT),
    ("subscriber_login", MOVE_ACCOUNT),
    // A link was made for the one who is gone, and for nobody else.
    ("subscriber_link", END_LINKS),
];

/// Gives the survivor what the other one had.
pub async fn move_all(tx: &TenantTx, from: CustomerId, into: CustomerId) -> Result<()> {
    for (_, sql) in MOVED {
        tx.execute(sql, &[&from, &into]).await?;
    }
    Ok(())
}

/// 409 when a customer has books: what was sold and paid stays with whom it was written down for, so that one with books is the one
/// who stays. The customer is locked.
pub async fn check_mergeable(tx: &TenantTx, from: CustomerId, name: &str) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT EXISTS (SELECT FROM ledger_entry WHERE customer_id = $1) \
             OR EXISTS (SELECT FROM subscription WHERE customer_id = $1)",
            &[&from],
        )
        .await?;
    if row.get(0) {
        let detail =
            say!("{} has periods or payments. Merge the other customer into this one instead.", name);
        return Err(Error::conflict("has_books", detail));
    }
    Ok(())
}

/// 409 when one of these customers has something that must be ended before the customer may go. The customers are locked, so
/// that nothing new comes to them meanwhile.
pub async fn check_deletable(tx: &TenantTx, ids: &[CustomerId]) -> Result<()> {
    let held = tx
        .query_opt(
            "SELECT c.first_name || ' ' || c.last_name, i.status FROM installation i \
             JOIN customer c ON c.id = i.customer_id \
             WHERE i.customer_id = ANY($1) AND i.status <> 'terminated' ORDER BY i.customer_id, i.id LIMIT 1",
            &[&ids],
        )
        .await?;
    match held {
        None => Ok(()),
        Some(row) => {
            let (name, status): (String, String) = (row.get(0), row.get(1));
            Err(Error::conflict(
                "has_installation",
                say!("{} has an installation that is {}. Terminate it first.", name, status),
            ))
        }
    }
}
