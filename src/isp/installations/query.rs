//! Which installations, in which order, from where on; and what other rooms ask of them.

use super::{
    model::{Installation, Status},
    store::{installation_of, select_installations},
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::search::{Words, containing},
    types::{AreaId, CustomerId, InstallationId, NapId, StaffId},
    words::say,
};

const CHOICES_MAX: i64 = 100;

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub words: Option<Words>,
    /// The same as one text, for codes and serial numbers.
    pub text: Option<String>,
    pub status: Option<Status>,
    pub customer: Option<CustomerId>,
    pub area: Option<AreaId>,
    pub technician: Option<StaffId>,
    pub nap: Option<NapId>,
}

impl Filter {
    /// Words of a customer, a router's serial number or address, or a NAP's code.
    pub fn searching(q: &str) -> Self {
        let words = Words::parse(q);
        let text: String = q.chars().filter(|c| !c.is_control()).collect();
        let text = words.as_ref().map(|_| containing(text.trim()));
        Self { words, text, ..Self::default() }
    }
}

pub use crate::web::parts::TimeMark as After;

macro_rules! narrowed {
    () => {
        "($1::uuid IS NULL OR i.customer_id = $1) AND ($2::uuid IS NULL OR i.technician_id = $2) \
         AND ($3::uuid IS NULL OR i.nap_id = $3) AND ($4::uuid IS NULL OR i.area_id = $4 \
         OR (i.area_id IS NULL AND i.customer_id IN (SELECT id FROM customer WHERE area_id = $4)))"
    };
}

/// Each of the three is one walk through an index of its own.
macro_rules! found {
    () => {
        "(i.customer_id IN (SELECT id FROM customer WHERE deleted_at IS NULL \
         AND (($5::text IS NULL OR search_text LIKE lower($5)) AND ($6::text IS NULL OR search_text LIKE lower($6)) \
         AND ($7::text IS NULL OR search_text LIKE lower($7)) AND ($8::text IS NULL OR search_text LIKE lower($8)) \
         AND ($9::text IS NULL OR search_text LIKE lower($9)) AND ($10::text IS NULL OR search_text LIKE lower($10)) \
         OR search_text LIKE $11::text)) \
         OR i.router_id IN (SELECT id FROM router WHERE search_text LIKE lower($12::text)) \
         OR i.nap_id IN (SELECT id FROM nap WHERE lower(code) LIKE lower($12)))"
    };
}

/// At most `rows` installations, newest first, after the mark.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    after: Option<After>,
    rows: i64,
) -> Result<Vec<Installation>> {
    let status = filter.status.map(Status::as_str);
    let (at, id) = (after.map(|after| after.0), after.map(|after| after.1));
    let Filter { customer, technician, nap, area, .. } = filter;
    let found = match &filter.words {
        None => {
            let sql = select_installations!(
                "installation i",
                "WHERE ($1::uuid IS NULL OR i.customer_id = $1) AND ($2::uuid IS NULL OR i.technician_id = $2) \
                 AND ($3::uuid IS NULL OR i.nap_id = $3) AND ($4::uuid IS NULL OR i.area_id = $4 \
                 OR (i.area_id IS NULL AND i.customer_id IN (SELECT id FROM customer WHERE area_id = $4))) \
                 AND ($5::text IS NULL OR i.status = $5) \
                 AND ($6::timestamptz IS NULL OR (i.created_at, i.id) < ($6, $7::uuid)) \
                 ORDER BY i.created_at DESC, i.id DESC LIMIT $8"
            );
            tx.query(sql, &[customer, technician, nap, area, &status, &at, &id, &rows]).await?
        }
        Some(words) => {
            let sql = concat!(
                select_installations!("installation i", "WHERE "),
                narrowed!(),
                " AND ",
                found!(),
                " AND ($13::text IS NULL OR i.status = $13) \
                 AND ($14::timestamptz IS NULL OR (i.created_at, i.id) < ($14, $15::uuid)) \
                 ORDER BY i.created_at DESC, i.id DESC LIMIT $16"
            );
            let [a, b, c, d, e, f] = &words.patterns;
            let text = &filter.text;
            tx.query(
                sql,
                &[
                    customer,
                    technician,
                    nap,
                    area,
                    a,
                    b,
                    c,
                    d,
                    e,
                    f,
                    &words.phone,
                    text,
                    &status,
                    &at,
                    &id,
                    &rows,
                ],
            )
            .await?
        }
    };
    Ok(found.iter().map(installation_of).collect())
}

/// How many match, by status; the filter's own status is not asked.
pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<Vec<(Status, i64)>> {
    let Filter { customer, technician, nap, area, .. } = filter;
    let rows = match &filter.words {
        None => {
            let sql = concat!(
                "SELECT i.status, count(*) FROM installation i WHERE ",
                narrowed!(),
                " GROUP BY i.status"
            );
            tx.query(sql, &[customer, technician, nap, area]).await?
        }
        Some(words) => {
            let sql = concat!(
                "SELECT i.status, count(*) FROM installation i WHERE ",
                narrowed!(),
                " AND ",
                found!(),
                " GROUP BY i.status"
            );
            let [a, b, c, d, e, f] = &words.patterns;
            tx.query(sql, &[customer, technician, nap, area, a, b, c, d, e, f, &words.phone, &filter.text])
                .await?
        }
    };
    Ok(rows.iter().map(|row| (Status::from_column(row.get(0)), row.get(1))).collect())
}

/// An installation as select boxes need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationChoice {
    pub id: InstallationId,
    /// "NAP-003 port 4 (active)"; the street where there is no port.
    pub label: String,
    pub status: Status,
}

/// A customer's installations, newest first; those that were terminated come last.
pub async fn choices(tx: &TenantTx, customer: CustomerId) -> Result<Vec<InstallationChoice>> {
    let filter = Filter { customer: Some(customer), ..Filter::default() };
    let mut found = list(tx, &filter, None, CHOICES_MAX).await?;
    found.sort_by_key(|one| one.status == Status::Terminated);
    Ok(found
        .into_iter()
        .map(|one| {
            let held = one.ending.as_ref().and_then(|ending| ending.held_port.clone());
            let place = one.port.as_ref().map(super::model::Port::label).or(held).or(one.street);
            let place = place.unwrap_or_else(|| say("No port").into());
            let label = format!("{place} ({})", one.status.as_str());
            InstallationChoice { id: one.id, label, status: one.status }
        })
        .collect())
}

/// A filter that names something which is not here is 404, whosever it is.
pub async fn check(tx: &TenantTx, filter: &Filter) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT $1::uuid IS NULL OR EXISTS (SELECT FROM customer WHERE id = $1), \
             $2::uuid IS NULL OR EXISTS (SELECT FROM area WHERE id = $2), \
             $3::uuid IS NULL OR EXISTS (SELECT FROM staff WHERE id = $3), \
             $4::uuid IS NULL OR EXISTS (SELECT FROM nap WHERE id = $4)",
            &[&filter.customer, &filter.area, &filter.technician, &filter.nap],
        )
        .await?;
    for (at, what) in ["customer", "area", "member of staff", "NAP"].into_iter().enumerate() {
        if !row.get::<_, bool>(at) {
            return Err(Error::not_found(what));
        }
    }
    Ok(())
}
