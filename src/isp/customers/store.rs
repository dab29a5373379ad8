//! All SQL of customers, but for the lists.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Accuracy, Customer, Details, Likeness, Lookalike, Status};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{AreaId, Coordinates, CustomerId, EmailAddress, Phone},
};

/// The columns of a customer, in the order in which [`customer_of`] reads them.
macro_rules! columns {
    () => {
        "id, reference, first_name, last_name, email, phone_primary, street_address, area_id, status, notes, latitude, \
         longitude, location_accuracy, location_notes, merged_into, deleted_at, created_at, updated_at"
    };
}
pub(super) use columns;

pub(super) fn customer_of(row: &Row) -> Customer {
    let place = match (row.get::<_, Option<Decimal>>(10), row.get::<_, Option<Decimal>>(11)) {
        (Some(latitude), Some(longitude)) => Some(Coordinates { latitude, longitude }),
        _ => None,
    };
    Customer {
        id: row.get(0),
        details: Details {
            reference: row.get(1),
            first_name: row.get(2),
            last_name: row.get(3),
            email: row.get(4),
            phone_primary: row.get(5),
            street_address: row.get(6),
            area_id: row.get(7),
            status: Status::from_column(row.get(8)),
            notes: row.get(9),
            place,
            location_accuracy: Accuracy::from_column(row.get(12)),
            location_notes: row.get(13),
        },
        merged_into: row.get(14),
        deleted_at: row.get(15),
        created_at: row.get(16),
        updated_at: row.get(17),
    }
}

/// The indexes and keys that hold the table together, as refusals.
fn refused<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("customer_email_key", || {
            Error::conflict("email_taken", "Another customer has this e-mail address.")
        })
        .on_constraint("customer_reference_key", || {
            Error::conflict("reference_taken", "Another customer has this account number.")
        })
        .on_constraint("customer_area_id_fkey", || {
            Error::invalid("area_id", "unknown", "There is no such area.")
        })
}

/// Any customer, also a deleted one.
pub async fn find_any(tx: &TenantTx, id: CustomerId) -> Result<Option<Customer>> {
    let sql = concat!("SELECT ", columns!(), " FROM customer WHERE id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(customer_of))
}

/// A customer who is not deleted.
pub async fn find(tx: &TenantTx, id: CustomerId) -> Result<Option<Customer>> {
    let sql = concat!("SELECT ", columns!(), " FROM customer WHERE id = $1 AND deleted_at IS NULL");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(customer_of))
}

/// Locks a customer against other changes, also a deleted one.
pub async fn lock(tx: &TenantTx, id: CustomerId) -> Result<Option<Customer>> {
    let sql = concat!("SELECT ", columns!(), " FROM customer WHERE id = $1 FOR UPDATE");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(customer_of))
}

/// Locks those of these customers who are not deleted, in the order of their ids.
pub async fn lock_many(tx: &TenantTx, ids: &[CustomerId]) -> Result<Vec<Customer>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM customer WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR UPDATE"
    );
    Ok(tx.query(sql, &[&ids]).await?.iter().map(customer_of).collect())
}

/// Locks these customers, also deleted ones, in the order of their ids.
pub async fn lock_many_any(tx: &TenantTx, ids: &[CustomerId]) -> Result<Vec<Customer>> {
    let sql = concat!("SELECT ", columns!(), " FROM customer WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    Ok(tx.query(sql, &[&ids]).await?.iter().map(customer_of).collect())
}

/// What the table says of a row that was just written.
pub struct Written {
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// None without an area.
    pub area_is_active: Option<bool>,
}

pub async fn insert(tx: &TenantTx, id: CustomerId, details: &Details) -> Result<Written> {
    let row = tx
        .query_one(
            "INSERT INTO customer (id, reference, first_name, last_name, email, phone_primary, street_address, area_id, \
             status, notes, latitude, longitude, location_accuracy, location_notes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             RETURNING created_at, updated_at, (SELECT is_active FROM area WHERE area.id = customer.area_id)",
            &[
                &id,
                &details.reference,
                &details.first_name,
                &details.last_name,
                &details.email,
                &details.phone_primary,
                &details.street_address,
                &details.area_id,
                &details.status.as_str(),
                &details.notes,
                &details.place.map(|place| place.latitude),
                &details.place.map(|place| place.longitude),
                &details.location_accuracy.as_str(),
                &details.location_notes,
            ],
        )
        .await;
    let row = refused(row)?;
    Ok(Written { created_at: row.get(0), updated_at: row.get(1), area_is_active: row.get(2) })
}

pub async fn update(tx: &TenantTx, id: CustomerId, details: &Details) -> Result<Written> {
    let row = tx
        .query_one(
            "UPDATE customer SET reference = $2, first_name = $3, last_name = $4, email = $5, phone_primary = $6, \
             street_address = $7, area_id = $8, status = $9, notes = $10, latitude = $11, longitude = $12, \
             location_accuracy = $13, location_notes = $14, updated_at = now() WHERE id = $1 \
             RETURNING created_at, updated_at, (SELECT is_active FROM area WHERE area.id = customer.area_id)",
            &[
                &id,
                &details.reference,
                &details.first_name,
                &details.last_name,
                &details.email,
                &details.phone_primary,
                &details.street_address,
                &details.area_id,
                &details.status.as_str(),
                &details.notes,
                &details.place.map(|place| place.latitude),
                &details.place.map(|place| place.longitude),
                &details.location_accuracy.as_str(),
                &details.location_notes,
            ],
        )
        .await;
    let row = refused(row)?;
    Ok(Written { created_at: row.get(0), updated_at: row.get(1), area_is_active: row.get(2) })
}

/// Many customers as columns, for statements that write them all at once.
struct Columns<'a> {
    ids: Vec<CustomerId>,
    references: Vec<Option<&'a str>>,
    first_names: Vec<&'a str>,
    last_names: Vec<&'a str>,
    emails: Vec<Option<&'a str>>,
    phones: Vec<Option<&'a str>>,
    streets: Vec<Option<&'a str>>,
    areas: Vec<Option<AreaId>>,
    statuses: Vec<&'static str>,
    notes: Vec<Option<&'a str>>,
    latitudes: Vec<Option<Decimal>>,
    longitudes: Vec<Option<Decimal>>,
    accuracies: Vec<&'static str>,
    hints: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &'a [(CustomerId, &'a Details)]) -> Self {
        fn column<'a, T>(rows: &'a [(CustomerId, &'a Details)], of: impl Fn(&'a Details) -> T) -> Vec<T> {
            rows.iter().map(|(_, details)| of(details)).collect()
        }
        Self {
            ids: rows.iter().map(|(id, _)| *id).collect(),
            references: column(rows, |details| details.reference.as_deref()),
            first_names: column(rows, |details| details.first_name.as_str()),
            last_names: column(rows, |details| details.last_name.as_str()),
            emails: column(rows, |details| details.email.as_ref().map(EmailAddress::as_str)),
            phones: column(rows, |details| details.phone_primary.as_ref().map(Phone::as_str)),
            streets: column(rows, |details| details.street_address.as_deref()),
            areas: column(rows, |details| details.area_id),
            statuses: column(rows, |details| details.status.as_str()),
            notes: column(rows, |details| details.notes.as_deref()),
            latitudes: column(rows, |details| details.place.map(|place| place.latitude)),
            longitudes: column(rows, |details| details.place.map(|place| place.longitude)),
            accuracies: column(rows, |details| details.location_accuracy.as_str()),
            hints: column(rows, |details| details.location_notes.as_deref()),
        }
    }

    async fn run(&self, tx: &TenantTx, sql: &'static str) -> Result<u64> {
        let touched = tx
            .execute(
                sql,
                &[
                    &self.ids,
                    &self.references,
                    &self.first_names,
                    &self.last_names,
                    &self.emails,
                    &self.phones,
                    &self.streets,
                    &self.areas,
                    &self.statuses,
                    &self.notes,
                    &self.latitudes,
                    &self.longitudes,
                    &self.accuracies,
                    &self.hints,
                ],
            )
            .await;
        refused(touched)
    }
}

macro_rules! as_rows {
    () => {
        "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], \
         $9::text[], $10::text[], $11::numeric[], $12::numeric[], $13::text[], $14::text[]) AS new (id, reference, \
         first_name, last_name, email, phone_primary, street_address, area_id, status, notes, latitude, longitude, \
         location_accuracy, location_notes)"
    };
}

/// Inserts many customers with one statement.
pub async fn insert_many(tx: &TenantTx, rows: &[(CustomerId, &Details)]) -> Result<()> {
    let sql = concat!(
        "INSERT INTO customer (id, reference, first_name, last_name, email, phone_primary, street_address, area_id, status, \
         notes, latitude, longitude, location_accuracy, location_notes) SELECT id, reference, first_name, last_name, email, \
         phone_primary, street_address, area_id, status, notes, latitude, longitude, location_accuracy, location_notes FROM ",
        as_rows!()
    );
    Columns::of(rows).run(tx, sql).await?;
    Ok(())
}

/// Updates many customers with one statement.
pub async fn update_many(tx: &TenantTx, rows: &[(CustomerId, &Details)]) -> Result<()> {
    let sql = concat!(
        "UPDATE customer SET reference = new.reference, first_name = new.first_name, last_name = new.last_name, \
         email = new.email, phone_primary = new.phone_primary, street_address = new.street_address, area_id = new.area_id, \
         status = new.status, notes = new.notes, latitude = new.latitude, longitude = new.longitude, \
         location_accuracy = new.location_accuracy, location_notes = new.location_notes, updated_at = now() FROM ",
        as_rows!(),
        " WHERE customer.id = new.id"
    );
    Columns::of(rows).run(tx, sql).await?;
    Ok(())
}

/// Marks a customer as deleted.
pub async fn delete(tx: &TenantTx, id: CustomerId, merged_into: Option<CustomerId>) -> Result<()> {
    tx.execute(
        "UPDATE customer SET deleted_at = now(), updated_at = now(), merged_into = $2 WHERE id = $1",
        &[&id, &merged_into],
    )
    .await?;
    Ok(())
}

/// Marks many customers as deleted; the instant that they all carry now.
pub async fn delete_many(tx: &TenantTx, ids: &[CustomerId]) -> Result<DateTime<Utc>> {
    let row = tx
        .query_one(
            "WITH gone AS (UPDATE customer SET deleted_at = now(), updated_at = now() WHERE id = ANY($1)) SELECT now()",
            &[&ids],
        )
        .await?;
    Ok(row.get(0))
}

/// Those who were merged into `from` now lead to `to`.
pub async fn redirect_merged(tx: &TenantTx, from: CustomerId, to: CustomerId) -> Result<()> {
    tx.execute("UPDATE customer SET merged_into = $2 WHERE merged_into = $1", &[&from, &to]).await?;
    Ok(())
}

/// How many are not deleted.
pub async fn count_live(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM customer WHERE deleted_at IS NULL", &[]).await?.get("n"))
}

/// Brings deleted customers back.
pub async fn restore(tx: &TenantTx, ids: &[CustomerId]) -> Result<()> {
    let done = tx
        .execute("UPDATE customer SET deleted_at = NULL, updated_at = now() WHERE id = ANY($1)", &[&ids])
        .await;
    refused(done)?;
    Ok(())
}

/// How two customers are told to be alike.
pub struct Probe<'a> {
    /// Not alike with itself.
    pub except: Option<CustomerId>,
    pub name: &'a str,
    pub phone: Option<&'a str>,
    pub email: Option<&'a str>,
    pub area: Option<AreaId>,
}

/// At most ten who look like the probe, per reason.
pub async fn find_lookalikes(tx: &TenantTx, probe: &Probe<'_>) -> Result<Vec<Lookalike>> {
    let sql = concat!(
        "(SELECT ",
        columns!(),
        ", 'phone' AS reason FROM customer WHERE deleted_at IS NULL AND phone_primary = $2 \
         AND id IS DISTINCT FROM $1 ORDER BY id LIMIT 10) UNION ALL (SELECT ",
        columns!(),
        ", 'email' FROM customer WHERE deleted_at IS NULL AND lower(email) = lower($3) \
         AND id IS DISTINCT FROM $1 ORDER BY id LIMIT 10) UNION ALL (SELECT ",
        columns!(),
        ", 'name' FROM customer WHERE deleted_at IS NULL AND lower($4) <% search_text \
         AND area_id IS NOT DISTINCT FROM $5 AND similarity(lower(first_name || ' ' || last_name), lower($4)) >= 0.6 \
         AND id IS DISTINCT FROM $1 ORDER BY similarity(lower(first_name || ' ' || last_name), lower($4)) DESC, id LIMIT 10)"
    );
    let except: Option<Uuid> = probe.except.map(|id| id.0);
    let rows = tx.query(sql, &[&except, &probe.phone, &probe.email, &probe.name, &probe.area]).await?;
    let mut found: Vec<Lookalike> = Vec::new();
    for row in &rows {
        let reason = match row.get::<_, &str>(18) {
            "phone" => Likeness::SamePhone,
            "email" => Likeness::SameEmail,
            _ => Likeness::SimilarName,
        };
        let id: CustomerId = row.get(0);
        match found.iter_mut().find(|known| known.customer.id == id) {
            Some(known) => known.reasons.push(reason),
            None => found.push(Lookalike { customer: customer_of(row), reasons: vec![reason] }),
        }
    }
    Ok(found)
}
