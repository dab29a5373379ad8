//! SQL of the network map: what stands inside a box, layer by layer. Customers, installations and outages are only read.

use std::collections::HashSet;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::features::{Cluster, Layer, Point},
    types::BoundingBox,
    types::search::containing,
    web::parts::counted,
    words::say,
};

/// A layer shows so many points one by one; beyond that it is gathered into cells, 16 wide and 12 high.
const POINTS_MAX: i64 = 1_500;

/// Whether a place lies in the box `$1` to `$4` (west, south, east, north).
macro_rules! inside {
    ($lat:literal, $lng:literal) => {
        concat!(
            $lat, " BETWEEN $2::float8::numeric AND $4::float8::numeric AND CASE WHEN $1::float8 <= $3::float8 THEN ",
            $lng, " BETWEEN $1::numeric AND $3::numeric ELSE ", $lng, " >= $1::numeric OR ", $lng, " <= $3::numeric END"
        )
    };
}

/// What each layer is made of, under the names that [`point_of`] reads.
macro_rules! lcps {
    () => {
        concat!(
            "SELECT l.id, l.longitude AS lng, l.latitude AS lat, NULL::numeric AS from_lng, NULL::numeric AS from_lat, ",
            "l.code || ' – ' || l.name AS title, NULL::text AS status, l.id AS down_id, l.coverage_radius_m AS radius, ",
            "NULL::bigint AS used, NULL::bigint AS capacity, ARRAY[l.location, a.name] AS lines FROM lcp l ",
            "LEFT JOIN area a ON a.id = l.area_id WHERE l.is_active AND ", inside!("l.latitude", "l.longitude")
        )
    };
}

macro_rules! splitters {
    () => {
        concat!(
            "SELECT s.id, s.longitude AS lng, s.latitude AS lat, coalesce(b.longitude, l.longitude) AS from_lng, ",
            "coalesce(b.latitude, l.latitude) AS from_lat, s.code || ' (' || s.type || ')' AS title, NULL::text AS status, ",
            "s.id AS down_id, NULL::int AS radius, ",
            "(SELECT count(DISTINCT n.splitter_output) FROM nap n WHERE n.splitter_id = s.id) ",
            "+ (SELECT count(*) FROM splitter c WHERE c.parent_id = s.id) AS used, s.outputs::bigint AS capacity, ",
            "ARRAY[s.location, 'LCP ' || l.code, 'Hangs on ' || b.code || ' port ' || s.parent_output] AS lines ",
            "FROM splitter s JOIN lcp l ON l.id = s.lcp_id LEFT JOIN splitter b ON b.id = s.parent_id WHERE s.is_active AND ",
            inside!("s.latitude", "s.longitude")
        )
    };
}

macro_rules! naps {
    () => {
        concat!(
            "SELECT n.id, n.longitude AS lng, n.latitude AS lat, coalesce(s.longitude, b.longitude, l.longitude) AS from_lng, ",
            "coalesce(s.latitude, b.latitude, l.latitude) AS from_lat, n.code || ' – ' || n.name AS title, NULL::text AS status, ",
            "n.id AS down_id, NULL::int AS radius, (SELECT count(*) FROM installation i WHERE i.nap_id = n.id ",
            "AND i.status <> 'terminated') AS used, n.port_capacity::bigint AS capacity, ",
            "ARRAY[n.location, 'LCP ' || l.code || ', splitter ' || s.code || ' port ' || n.splitter_output, ",
            "'Drops up to ' || n.max_distance_m || ' m'] AS lines FROM nap n JOIN splitter s ON s.id = n.splitter_id ",
            "JOIN lcp l ON l.id = s.lcp_id LEFT JOIN splitter b ON b.id = s.parent_id WHERE n.is_active AND ",
            inside!("n.latitude", "n.longitude")
        )
    };
}

macro_rules! customers {
    () => {
        concat!(
            "SELECT c.id, c.longitude AS lng, c.latitude AS lat, NULL::numeric AS from_lng, NULL::numeric AS from_lat, ",
            "c.first_name || ' ' || c.last_name AS title, c.status, NULL::uuid AS down_id, NULL::int AS radius, ",
            "NULL::bigint AS used, NULL::bigint AS capacity, ARRAY[c.street_address, a.name] AS lines FROM customer c ",
            "LEFT JOIN area a ON a.id = c.area_id WHERE c.deleted_at IS NULL AND c.latitude IS NOT NULL ",
            "AND ($5::text[] IS NULL OR c.status = ANY($5)) AND ", inside!("c.latitude", "c.longitude")
        )
    };
}

/// One half of the installations: those with a place of their own, or those at their customer's.
macro_rules! installations_at {
    ($lat:literal, $lng:literal, $whose:literal) => {
        concat!(
            "SELECT i.id, ", $lng, " AS lng, ", $lat, " AS lat, coalesce(n.longitude, s.longitude) AS from_lng, ",
            "coalesce(n.latitude, s.latitude) AS from_lat, c.first_name || ' ' || c.last_name AS title, i.status, ",
            "i.nap_id AS down_id, NULL::int AS radius, NULL::bigint AS used, NULL::bigint AS capacity, ",
            "ARRAY[coalesce(i.street_address, c.street_address), a.name, 'NAP ' || n.code || ' port ' || i.nap_port, ",
            "'Router ' || concat_ws(' ', r.brand, r.model, r.serial_number), 'Installed on ' || i.installed_on] AS lines ",
            "FROM installation i JOIN customer c ON c.id = i.customer_id LEFT JOIN nap n ON n.id = i.nap_id ",
            "LEFT JOIN splitter s ON s.id = n.splitter_id LEFT JOIN router r ON r.id = i.router_id ",
            "LEFT JOIN area a ON a.id = coalesce(i.area_id, c.area_id) WHERE i.status <> 'terminated' AND ", $whose,
            " AND ($5::text[] IS NULL OR i.status = ANY($5)) AND ", inside!($lat, $lng)
        )
    };
}

macro_rules! installations {
    () => {
        concat!(
            installations_at!("i.latitude", "i.longitude", "i.latitude IS NOT NULL"),
            " UNION ALL ",
            installations_at!("c.latitude", "c.longitude", "i.latitude IS NULL AND c.deleted_at IS NULL")
        )
    };
}

/// One by one.
macro_rules! points {
    ($layer:expr) => {
        concat!(
            "SELECT id, lng::float8, lat::float8, from_lng::float8, from_lat::float8, title, status, down_id, radius, used, ",
            "capacity, lines FROM (", $layer, ") x LIMIT 1501"
        )
    };
}

/// Gathered into cells of the box.
macro_rules! cells {
    ($layer:expr) => {
        concat!(
            "SELECT avg(lng)::float8, avg(lat)::float8, count(*) FROM (", $layer, ") x GROUP BY ",
            "floor(mod(lng - $1::numeric + 360, 360) / greatest(0.000001, mod(($3 - $1 + 360)::numeric, 360) / 16)), ",
            "floor((lat - $2::numeric) / greatest(0.000001, ($4 - $2)::numeric / 12))"
        )
    };
}

fn point_of(row: &Row, layer: Layer) -> (Point, Option<Uuid>) {
    let mut lines: Vec<String> = row.get::<_, Vec<Option<String>>>(11).into_iter().flatten().collect();
    let (used, capacity): (Option<i64>, Option<i64>) = (row.get(9), row.get(10));
    if let Some(capacity) = capacity {
        let noun = if layer == Layer::Naps { say("ports") } else { say("outputs") };
        lines.push(say!("{} of {} {} used", used.unwrap_or(0), capacity, noun));
    }
    let point = Point {
        id: row.get(0),
        layer,
        at: (row.get(1), row.get(2)),
        from: row.get::<_, Option<f64>>(3).zip(row.get::<_, Option<f64>>(4)),
        title: row.get(5),
        status: row.get(6),
        radius_m: row.get(8),
        used,
        capacity,
        is_down: false,
        lines,
    };
    (point, row.get(7))
}

/// What a layer has inside a box: points, or cells when there are too many of them.
#[derive(Debug, Default)]
pub struct Found {
    pub points: Vec<Point>,
    pub clusters: Vec<Cluster>,
}

type Statuses<'a> = Option<&'a [String]>;

async fn rows(
    tx: &TenantTx,
    layer: Layer,
    sql: &'static str,
    inside: BoundingBox,
    statuses: Statuses<'_>,
) -> Result<Vec<Row>> {
    let BoundingBox { west, south, east, north } = inside;
    if matches!(layer, Layer::Customers | Layer::Installations) {
        tx.query(sql, &[&west, &south, &east, &north, &statuses]).await
    } else {
        tx.query(sql, &[&west, &south, &east, &north]).await
    }
}

/// One layer inside a box. `down` are the nodes that an outage has reached.
pub async fn layer(
    tx: &TenantTx,
    layer: Layer,
    inside: BoundingBox,
    statuses: Statuses<'_>,
    down: &HashSet<Uuid>,
) -> Result<Found> {
    let sql = match layer {
        Layer::Lcps => points!(lcps!()),
        Layer::Splitters => points!(splitters!()),
        Layer::Naps => points!(naps!()),
        Layer::Customers => points!(customers!()),
        Layer::Installations => points!(installations!()),
    };
    let found = rows(tx, layer, sql, inside, statuses).await?;
    if i64::try_from(found.len()).unwrap_or(i64::MAX) > POINTS_MAX {
        return Ok(Found { points: Vec::new(), clusters: clusters(tx, layer, inside, statuses).await? });
    }
    let mut points: Vec<Point> = found
        .iter()
        .map(|row| {
            let (mut point, node) = point_of(row, layer);
            point.is_down = node.is_some_and(|node| down.contains(&node));
            point
        })
        .collect();
    if layer == Layer::Lcps {
        tell_counts(tx, &mut points).await?;
    }
    Ok(Found { points, clusters: Vec::new() })
}

async fn clusters(
    tx: &TenantTx,
    layer: Layer,
    inside: BoundingBox,
    statuses: Statuses<'_>,
) -> Result<Vec<Cluster>> {
    let sql = match layer {
        Layer::Lcps => cells!(lcps!()),
        Layer::Splitters => cells!(splitters!()),
        Layer::Naps => cells!(naps!()),
        Layer::Customers => cells!(customers!()),
        Layer::Installations => cells!(installations!()),
    };
    let found = rows(tx, layer, sql, inside, statuses).await?;
    Ok(found.iter().map(|row| Cluster { layer, at: (row.get(0), row.get(1)), count: row.get(2) }).collect())
}

/// How much hangs below LCPs.
async fn tell_counts(tx: &TenantTx, points: &mut [Point]) -> Result<()> {
    let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
    let rows = tx
        .query(
            "SELECT s.lcp_id, count(DISTINCT s.id), count(n.id) FROM splitter s LEFT JOIN nap n ON n.splitter_id = s.id \
             WHERE s.lcp_id = ANY($1) GROUP BY s.lcp_id",
            &[&ids],
        )
        .await?;
    for row in &rows {
        let id: Uuid = row.get(0);
        if let Some(point) = points.iter_mut().find(|point| point.id == id) {
            let (splitters, naps) = (row.get(1), row.get(2));
            point.lines.push(format!(
                "{}, {}",
                counted(splitters, "splitter", "splitters"),
                counted(naps, "NAP", "NAPs")
            ));
        }
    }
    Ok(())
}

/// Every node that an outage has reached: those that are marked down, and all below them.
pub async fn down(tx: &TenantTx) -> Result<HashSet<Uuid>> {
    let rows = tx
        .query(
            "WITH RECURSIVE hit AS (SELECT lcp_id, splitter_id, nap_id FROM outage WHERE status = 'down'), \
             branch (id) AS ( \
                 SELECT s.id FROM splitter s WHERE s.lcp_id IN (SELECT lcp_id FROM hit) OR s.id IN (SELECT splitter_id FROM hit) \
                 UNION SELECT s.id FROM splitter s JOIN branch b ON s.parent_id = b.id) \
             SELECT lcp_id FROM hit WHERE lcp_id IS NOT NULL UNION ALL SELECT id FROM branch \
             UNION ALL SELECT n.id FROM nap n WHERE n.splitter_id IN (SELECT id FROM branch) \
                 OR n.id IN (SELECT nap_id FROM hit)",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Something on the map that was looked for.
#[derive(Debug, Clone)]
pub struct Hit {
    pub id: Uuid,
    pub layer: Layer,
    pub title: String,
    pub at: (f64, f64),
}

/// Nodes and, where the caller sees them, customers whose names have `q`, nodes first.
pub async fn search(tx: &TenantTx, q: &str, with_customers: bool) -> Result<Vec<Hit>> {
    let rows = tx
        .query(
            "(SELECT 'lcps', id, code || ' – ' || name, longitude::float8, latitude::float8 FROM lcp WHERE latitude IS NOT NULL \
                 AND (lower(code) LIKE lower($1) OR lower(name) LIKE lower($1)) ORDER BY lower(code) LIMIT 5) \
             UNION ALL (SELECT 'splitters', id, code || ' (' || type || ')', longitude::float8, latitude::float8 FROM splitter \
                 WHERE latitude IS NOT NULL AND lower(code) LIKE lower($1) ORDER BY lower(code) LIMIT 5) \
             UNION ALL (SELECT 'naps', id, code || ' – ' || name, longitude::float8, latitude::float8 FROM nap \
                 WHERE latitude IS NOT NULL AND (lower(code) LIKE lower($1) OR lower(name) LIKE lower($1)) \
                 ORDER BY lower(code) LIMIT 5) \
             UNION ALL (SELECT 'customers', id, first_name || ' ' || last_name, longitude::float8, latitude::float8 FROM customer \
                 WHERE $2 AND deleted_at IS NULL AND latitude IS NOT NULL AND search_text LIKE lower($1) \
                 ORDER BY lower(last_name) LIMIT 5)",
            &[&containing(q), &with_customers],
        )
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let layer = Layer::parse(row.get(0))?;
            Some(Hit { layer, id: row.get(1), title: row.get(2), at: (row.get(3), row.get(4)) })
        })
        .collect())
}

/// Where the map begins: the middle of what stands in the plant.
pub async fn middle(tx: &TenantTx) -> Result<Option<(f64, f64)>> {
    let row = tx
        .query_one(
            "SELECT avg(latitude)::float8, avg(longitude)::float8 FROM ((SELECT latitude, longitude FROM lcp \
             WHERE latitude IS NOT NULL LIMIT 100) UNION ALL (SELECT latitude, longitude FROM nap \
             WHERE latitude IS NOT NULL LIMIT 100)) AS sample",
            &[],
        )
        .await?;
    Ok(row.get::<_, Option<f64>>(0).zip(row.get::<_, Option<f64>>(1)))
}
