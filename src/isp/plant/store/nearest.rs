//! SQL of what is near a place.

use crate::{
    db::TenantTx,
    error::Result,
    types::{Coordinates, Limit, NapId, degrees},
};

/// Circles that are searched one after the other, in metres, until enough is found. The last one goes around the earth.
const CIRCLES_M: [f64; 4] = [1_500.0, 15_000.0, 150_000.0, 20_100_000.0];
/// So many metres are one degree of latitude, a little less than anywhere.
const DEGREE_M: f64 = 110_000.0;

/// A NAP with a free port, and how far it is.
#[derive(Debug, Clone)]
pub struct Near {
    pub id: NapId,
    pub code: String,
    pub name: String,
    pub distance_m: f64,
    pub free: i64,
    pub max_distance_m: i32,
    pub latitude: f64,
    pub longitude: f64,
}

impl Near {
    /// Whether a drop may go so far.
    pub fn is_inside(&self) -> bool {
        self.distance_m <= f64::from(self.max_distance_m)
    }

    /// The distance in whole metres, up.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no two places on the earth are further apart than an i32 of metres"
    )]
    pub fn drop_m(&self) -> i32 {
        self.distance_m.ceil() as i32
    }
}

/// The nearest NAPs with a free port, nearest first. Their splitters and LCPs are switched on as they are.
pub async fn nearest(tx: &TenantTx, place: Coordinates, limit: Limit) -> Result<Vec<Near>> {
    let (lat, lng) = (degrees(place.latitude), degrees(place.longitude));
    let mut found = Vec::new();
    for circle in CIRCLES_M {
        let reach = circle / DEGREE_M;
        let rows = tx
            .query(
                "SELECT n.id, n.code, n.name, n.metres, c.free, n.max_distance_m, n.lat, n.lng FROM ( \
                     SELECT n.id, n.code, n.name, n.max_distance_m, n.latitude::float8 AS lat, n.longitude::float8 AS lng, \
                     2 * 6371008.8 * asin(least(1, sqrt(power(sin(radians(n.latitude::float8 - $1) / 2), 2) \
                         + cos(radians($1)) * cos(radians(n.latitude::float8)) \
                         * power(sin(radians(n.longitude::float8 - $2) / 2), 2)))) AS metres \
                     FROM nap n JOIN splitter s ON s.id = n.splitter_id JOIN lcp l ON l.id = s.lcp_id \
                     WHERE n.is_active AND s.is_active AND l.is_active \
                     AND n.latitude BETWEEN ($1 - $3::float8)::numeric AND ($1 + $3)::numeric \
                     ORDER BY metres, n.id) n \
                 CROSS JOIN LATERAL (SELECT count(*) AS free FROM nap_port p WHERE p.nap_id = n.id AND NOT p.is_faulty \
                     AND (p.reserved_until IS NULL OR p.reserved_until <= now()) AND NOT EXISTS (SELECT FROM installation i \
                     WHERE i.nap_id = p.nap_id AND i.nap_port = p.number AND i.status <> 'terminated')) c \
                 WHERE c.free > 0 AND n.metres <= $4 ORDER BY n.metres, n.id LIMIT $5",
                &[&lat, &lng, &reach, &circle, &limit.get()],
            )
            .await?;
        found = rows
            .iter()
            .map(|row| Near {
                id: row.get(0),
                code: row.get(1),
                name: row.get(2),
                distance_m: row.get(3),
                free: row.get(4),
                max_distance_m: row.get(5),
                latitude: row.get(6),
                longitude: row.get(7),
            })
            .collect();
        if i64::try_from(found.len()).unwrap_or(i64::MAX) >= limit.get() {
            break;
        }
    }
    Ok(found)
}
