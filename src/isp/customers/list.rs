//! The SQL of lists: one constant text per order, so that each is planned once and has an index to walk.
//!
//! The plain list has texts of its own: without a filter's `IS NULL OR` its plan is the same for every call.

use postgres_types::ToSql;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    model::{Customer, Status},
    query::{Filter, Mark, Sort, instant},
    store::{columns, customer_of},
};
use crate::{
    db::TenantTx,
    error::Result,
    types::{AreaId, BoundingBox, CustomerId, Limit},
};

/// A page of the usual size, and the row that says whether there are more. Stands in [`Texts::usual`].
const USUAL_ROWS: i64 = 26;

/// The filter's conditions, `$1` to `$11`. PostgreSQL drops those whose parameter is null when it plans.
macro_rules! matching {
    () => {
        "($1::text[] IS NULL OR status = ANY($1)) AND ($2::text IS NULL OR status = $2) \
         AND ($3::uuid IS NULL OR area_id = $3) AND ($4::boolean IS NULL OR (latitude IS NOT NULL) = $4) \
         AND ((($5::text IS NULL OR search_text LIKE lower($5)) AND ($6::text IS NULL OR search_text LIKE lower($6)) \
         AND ($7::text IS NULL OR search_text LIKE lower($7)) AND ($8::text IS NULL OR search_text LIKE lower($8)) \
         AND ($9::text IS NULL OR search_text LIKE lower($9)) AND ($10::text IS NULL OR search_text LIKE lower($10))) \
         OR search_text LIKE $11::text)"
    };
}

/// A filter as the parameters of [`matching`].
struct Matching {
    statuses: Option<Vec<&'static str>>,
    /// One status alone is compared by `=`, so that an index gives its order too.
    status: Option<&'static str>,
    area: Option<AreaId>,
    located: Option<bool>,
    words: [Option<String>; 6],
    phone: Option<String>,
}

impl Matching {
    fn of(filter: &Filter) -> Self {
        let (statuses, status) = match filter.statuses.as_slice() {
            [] => (None, None),
            [one] => (None, Some(one.as_str())),
            many => (Some(many.iter().map(|status| status.as_str()).collect()), None),
        };
        let words = filter.words.clone().unwrap_or_default();
        Self {
            statuses,
            status,
            area: filter.area,
            located: filter.located,
            words: words.patterns,
            phone: words.phone,
        }
    }

    fn with<'a>(&'a self, more: &[&'a (dyn ToSql + Sync)]) -> Vec<&'a (dyn ToSql + Sync)> {
        let mut params: Vec<&(dyn ToSql + Sync)> =
            vec![&self.statuses, &self.status, &self.area, &self.located];
        params.extend(self.words.iter().map(|word| word as &(dyn ToSql + Sync)));
        params.push(&self.phone);
        params.extend_from_slice(more);
        params
    }
}

/// The texts of one order.
struct Texts {
    /// The first page of the usual size: with nothing left open it is planned once, not for each call.
    usual: &'static str,
    first: &'static str,
    next: &'static str,
    filtered: &'static str,
}

macro_rules! by_time {
    ($column:literal, $after:literal, $direction:literal) => {
        Texts {
            usual: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL \
                 ORDER BY ",
                $column,
                " ",
                $direction,
                ", id ",
                $direction,
                " LIMIT 26"
            ),
            first: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL \
                 ORDER BY ",
                $column,
                " ",
                $direction,
                ", id ",
                $direction,
                " LIMIT $1"
            ),
            next: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL \
                 AND (",
                $column,
                ", id) ",
                $after,
                " ($2::timestamptz, $3::uuid) \
                 ORDER BY ",
                $column,
                " ",
                $direction,
                ", id ",
                $direction,
                " LIMIT $1"
            ),
            filtered: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL AND ",
                matching!(),
                " \
                 AND ($13::timestamptz IS NULL OR (",
                $column,
                ", id) ",
                $after,
                " ($13, $14::uuid)) \
                 ORDER BY ",
                $column,
                " ",
                $direction,
                ", id ",
                $direction,
                " LIMIT $12"
            ),
        }
    };
}

macro_rules! by_name {
    ($after:literal, $direction:literal) => {
        Texts {
            usual: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL ORDER BY lower(last_name) ",
                $direction,
                ", lower(first_name) ",
                $direction,
                ", id ",
                $direction,
                " LIMIT 26"
            ),
            first: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL ORDER BY lower(last_name) ",
                $direction,
                ", lower(first_name) ",
                $direction,
                ", id ",
                $direction,
                " LIMIT $1"
            ),
            next: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL \
                 AND (lower(last_name), lower(first_name), id) ",
                $after,
                " (lower($2::text), lower($3::text), $4::uuid) \
                 ORDER BY lower(last_name) ",
                $direction,
                ", lower(first_name) ",
                $direction,
                ", id ",
                $direction,
                " LIMIT $1"
            ),
            filtered: concat!(
                "SELECT ",
                columns!(),
                " FROM customer WHERE deleted_at IS NULL AND ",
                matching!(),
                " \
                 AND ($13::text IS NULL OR (lower(last_name), lower(first_name), id) ",
                $after,
                " (lower($13), lower($14::text), $15::uuid)) \
                 ORDER BY lower(last_name) ",
                $direction,
                ", lower(first_name) ",
                $direction,
                ", id ",
                $direction,
                " LIMIT $12"
            ),
        }
    };
}

fn texts(sort: Sort) -> Texts {
    match sort {
        Sort::Created => by_time!("created_at", ">", "ASC"),
        Sort::CreatedDown => by_time!("created_at", "<", "DESC"),
        Sort::Updated => by_time!("updated_at", ">", "ASC"),
        Sort::UpdatedDown => by_time!("updated_at", "<", "DESC"),
        Sort::Name => by_name!(">", "ASC"),
        Sort::NameDown => by_name!("<", "DESC"),
    }
}

/// At most `rows` customers in this order, after the mark: one query.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    sort: Sort,
    mark: Option<&Mark>,
    rows: i64,
) -> Result<Vec<Customer>> {
    let texts = texts(sort);
    let found = if filter.is_all() {
        match mark {
            None if rows == USUAL_ROWS => tx.query(texts.usual, &[]).await?,
            None => tx.query(texts.first, &[&rows]).await?,
            Some(Mark::Time(_, micros, id)) => tx.query(texts.next, &[&rows, &instant(*micros), id]).await?,
            Some(Mark::Name(_, last, first, id)) => tx.query(texts.next, &[&rows, last, first, id]).await?,
        }
    } else {
        let matching = Matching::of(filter);
        let nothing: Option<Uuid> = None;
        match mark {
            Some(Mark::Time(_, micros, id)) => {
                tx.query(texts.filtered, &matching.with(&[&rows, &instant(*micros), id])).await?
            }
            Some(Mark::Name(_, last, first, id)) => {
                tx.query(texts.filtered, &matching.with(&[&rows, last, first, id])).await?
            }
            None if sort.is_by_name() => {
                let none: Option<&str> = None;
                tx.query(texts.filtered, &matching.with(&[&rows, &none, &none, &nothing])).await?
            }
            None => {
                let none: Option<chrono::DateTime<chrono::Utc>> = None;
                tx.query(texts.filtered, &matching.with(&[&rows, &none, &nothing])).await?
            }
        }
    };
    Ok(found.iter().map(customer_of).collect())
}

/// How many customers there are of each status, and how many of them are on the map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub active: i64,
    pub inactive: i64,
    pub suspended: i64,
    pub terminated: i64,
    pub located: i64,
}

impl Counts {
    pub fn total(&self) -> i64 {
        self.active + self.inactive + self.suspended + self.terminated
    }

    pub fn of(&self, status: Status) -> i64 {
        match status {
            Status::Active => self.active,
            Status::Inactive => self.inactive,
            Status::Suspended => self.suspended,
            Status::Terminated => self.terminated,
        }
    }

    fn from_rows(rows: &[Row]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let n: i64 = row.get(1);
            counts.located += row.get::<_, i64>(2);
            match Status::from_column(row.get(0)) {
                Status::Active => counts.active += n,
                Status::Inactive => counts.inactive += n,
                Status::Suspended => counts.suspended += n,
                Status::Terminated => counts.terminated += n,
            }
        }
        counts
    }
}

/// Counts those who match, by status.
pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<Counts> {
    let rows = if filter.is_all() {
        tx.query(
            "SELECT status, count(*), count(latitude) FROM customer WHERE deleted_at IS NULL GROUP BY status",
            &[],
        )
        .await?
    } else {
        let sql = concat!(
            "SELECT status, count(*), count(latitude) FROM customer WHERE deleted_at IS NULL AND ",
            matching!(),
            " GROUP BY status"
        );
        tx.query(sql, &Matching::of(filter).with(&[])).await?
    };
    Ok(Counts::from_rows(&rows))
}

/// Locks those who match, a batch at a time, in the order of their ids.
pub async fn lock_matching(
    tx: &TenantTx,
    filter: &Filter,
    after: Option<CustomerId>,
    rows: i64,
) -> Result<Vec<Customer>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM customer WHERE deleted_at IS NULL AND ",
        matching!(),
        " AND ($12::uuid IS NULL OR id > $12) ORDER BY id LIMIT $13 FOR UPDATE"
    );
    let found = tx.query(sql, &Matching::of(filter).with(&[&after, &rows])).await?;
    Ok(found.iter().map(customer_of).collect())
}

/// Customers who were deleted at this very instant, which is that of one transaction; merged ones do not come back.
pub async fn lock_deleted_at(
    tx: &TenantTx,
    at: chrono::DateTime<chrono::Utc>,
    rows: i64,
) -> Result<Vec<Customer>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM customer WHERE deleted_at = $1 AND merged_into IS NULL ORDER BY id LIMIT $2 FOR UPDATE"
    );
    Ok(tx.query(sql, &[&at, &rows]).await?.iter().map(customer_of).collect())
}

/// A customer on the map.
#[derive(Debug, Clone)]
pub struct Spot {
    pub id: CustomerId,
    pub name: String,
    pub status: Status,
    pub address: Option<String>,
    pub area: Option<String>,
    pub longitude: rust_decimal::Decimal,
    pub latitude: rust_decimal::Decimal,
}

/// Those who match and lie in the box, if there is one.
pub async fn spots(
    tx: &TenantTx,
    filter: &Filter,
    inside: Option<BoundingBox>,
    limit: Limit,
) -> Result<Vec<Spot>> {
    let sql = concat!(
        "SELECT c.id, c.first_name || ' ' || c.last_name, c.status, c.street_address, a.name, c.longitude, c.latitude FROM \
         (SELECT id, first_name, last_name, status, street_address, area_id, longitude, latitude, created_at FROM customer \
         WHERE deleted_at IS NULL AND latitude IS NOT NULL AND ",
        matching!(),
        " \
         AND ($12::float8 IS NULL OR (latitude BETWEEN $13::float8::numeric AND $15::float8::numeric \
         AND CASE WHEN $12 <= $14::float8 THEN longitude BETWEEN $12::numeric AND $14::numeric \
         ELSE longitude >= $12::numeric OR longitude <= $14::numeric END)) \
         ORDER BY created_at DESC, id DESC LIMIT $16) c \
         LEFT JOIN area a ON a.id = c.area_id ORDER BY c.created_at DESC, c.id DESC"
    );
    let (west, south) = (inside.map(|b| b.west), inside.map(|b| b.south));
    let (east, north) = (inside.map(|b| b.east), inside.map(|b| b.north));
    let more = limit.and_one();
    let rows = tx.query(sql, &Matching::of(filter).with(&[&west, &south, &east, &north, &more])).await?;
    Ok(rows
        .iter()
        .map(|row| Spot {
            id: row.get(0),
            name: row.get(1),
            status: Status::from_column(row.get(2)),
            address: row.get(3),
            area: row.get(4),
            longitude: row.get(5),
            latitude: row.get(6),
        })
        .collect())
}

/// Where a map without a point of its own begins: the middle of the customers who are on it.
pub async fn middle(tx: &TenantTx) -> Result<Option<(f64, f64)>> {
    let row = tx
        .query_one(
            "SELECT avg(latitude)::float8, avg(longitude)::float8 FROM (SELECT latitude, longitude FROM customer \
             WHERE deleted_at IS NULL AND latitude IS NOT NULL LIMIT 200) AS sample",
            &[],
        )
        .await?;
    Ok(row.get::<_, Option<f64>>(0).zip(row.get::<_, Option<f64>>(1)))
}

/// What the command palette shows of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub label: String,
    pub hint: String,
    pub href: String,
}

/// The first customers by name whose every word is found; none when nothing was typed.
pub async fn search(tx: &TenantTx, q: &str, limit: i64) -> Result<Vec<Hit>> {
    let filter = Filter::parse(q, [], None, None)?;
    if filter.words.is_none() {
        return Ok(Vec::new());
    }
    let sql = concat!(
        "SELECT c.id, c.first_name || ' ' || c.last_name, c.status, c.phone_primary, a.name FROM \
         (SELECT id, first_name, last_name, status, phone_primary, area_id FROM customer WHERE deleted_at IS NULL AND ",
        matching!(),
        " ORDER BY lower(last_name), lower(first_name), id LIMIT $12) c \
         LEFT JOIN area a ON a.id = c.area_id ORDER BY lower(c.last_name), lower(c.first_name), c.id"
    );
    let rows = tx.query(sql, &Matching::of(&filter).with(&[&limit])).await?;
    Ok(rows.iter().map(hit_of).collect())
}

fn hit_of(row: &Row) -> Hit {
    let id: CustomerId = row.get(0);
    let status = Status::from_column(row.get(2));
    let phone: Option<String> = row.get(3);
    let area: Option<String> = row.get(4);
    let standing = (status != Status::Active).then(|| status.label().to_lowercase());
    let hint: Vec<String> = [area, phone, standing].into_iter().flatten().collect();
    Hit { label: row.get(1), hint: hint.join(" · "), href: format!("/customers/{id}") }
}
