//! The customers that the rows of a file may mean.

use super::{
    model::{Customer, Details},
    store::{columns, customer_of},
};
use crate::{db::TenantTx, error::Result};

/// More candidates than this for one batch would mean thousands of customers with one phone and name.
const CANDIDATES_MAX: i64 = 20_000;

/// The customers that these rows may mean, locked. Written so that each of the three keys is looked up by its index.
pub async fn lock_candidates(tx: &TenantTx, rows: &[&Details]) -> Result<Vec<Customer>> {
    let details = || rows.iter().copied();
    let references: Vec<&str> = details().filter_map(|one| one.reference.as_deref()).collect();
    let emails: Vec<&str> = details().filter_map(|one| Some(one.email.as_ref()?.as_str())).collect();
    let persons = || details().filter_map(|one| Some((one, one.phone_primary.as_ref()?.as_str())));
    let phones: Vec<&str> = persons().map(|(_, phone)| phone).collect();
    let firsts: Vec<&str> = persons().map(|(one, _)| one.first_name.as_str()).collect();
    let lasts: Vec<&str> = persons().map(|(one, _)| one.last_name.as_str()).collect();
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL AND id IN (
                    SELECT r.id FROM customer r WHERE r.deleted_at IS NULL
                        AND lower(r.reference) IN (SELECT lower(w) FROM unnest($1::text[]) AS w)
                    UNION
                    SELECT e.id FROM customer e WHERE e.deleted_at IS NULL
                        AND lower(e.email) IN (SELECT lower(w) FROM unnest($2::text[]) AS w)
                    UNION
                    SELECT p.id FROM unnest($3::text[], $4::text[], $5::text[]) AS w (phone, first_name, last_name)
                    JOIN customer p ON p.phone_primary = w.phone AND lower(p.first_name) = lower(w.first_name)
                        AND lower(p.last_name) = lower(w.last_name) AND p.deleted_at IS NULL)
                ORDER BY id LIMIT $6 FOR UPDATE"
            ),
            &[&references, &emails, &phones, &firsts, &lasts, &CANDIDATES_MAX],
        )
        .await?;
    Ok(rows.iter().map(customer_of).collect())
}
