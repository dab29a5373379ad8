//! Reading the trail: newest first, narrowed by who, what, on what, when and by text.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::record::ActorKind;
use crate::{
    db::TenantTx,
    error::Result,
    types::{AuditEventId, Limit, first_id_at},
};

/// How far an event's id and its instant may lie apart: the id is made when the event is written down, the instant is when its
/// transaction began.
const SLACK_HOURS: i64 = 6;

/// An event as it is shown.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: AuditEventId,
    pub occurred_at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor_label: String,
    pub action: String,
    pub object_type: String,
    pub object_id: Option<Uuid>,
    pub object_label: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub request_id: Option<Uuid>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub erased_at: Option<DateTime<Utc>>,
    /// Its place in the chain; None until it is sealed.
    pub position: Option<i64>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A member of staff or an API key.
    Id(Uuid),
    /// All of one kind: the system, the platform.
    Kind(ActorKind),
}

/// What narrows the trail.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub who: Option<Who>,
    /// `customer.created`, or `created` of anything.
    pub action: Option<String>,
    pub object_type: Option<String>,
    pub object_id: Option<Uuid>,
    /// From the beginning of this day.
    pub from: Option<NaiveDate>,
    /// To the end of this day.
    pub to: Option<NaiveDate>,
    /// A part of a name or an address, or a whole id of an event, a request or an object.
    pub text: Option<String>,
}

/// The filter as the statements take it.
struct Bounds {
    actor_id: Option<Uuid>,
    actor_kind: Option<&'static str>,
    action: Option<String>,
    verb: Option<String>,
    object_type: Option<String>,
    object_id: Option<Uuid>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    first_id: Option<Uuid>,
    last_id: Option<Uuid>,
    pattern: Option<String>,
    text_id: Option<Uuid>,
}

/// The instant at which a day begins. Where clocks are put forward at midnight, it is the first one there is.
fn start_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    zone.from_local_datetime(&midnight)
        .earliest()
        .or_else(|| zone.from_local_datetime(&(midnight + Duration::hours(1))).earliest())
        .map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc))
}

/// A part of a text as a pattern of LIKE.
fn pattern_of(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Filter {
    fn bounds(&self, zone: Tz) -> Bounds {
        let slack = Duration::hours(SLACK_HOURS);
        let from = self.from.map(|day| start_of(day, zone));
        let to = self.to.and_then(|day| day.succ_opt()).map(|day| start_of(day, zone));
        let (action, verb) = match &self.action {
            // The verb too, since the index begins with it.
            Some(action) if action.contains('.') => {
                (Some(action.clone()), action.split('.').nth(1).map(str::to_owned))
            }
            verb => (None, verb.clone()),
        };
        let text_id = self.text.as_deref().and_then(|text| text.trim().parse().ok());
        Bounds {
            actor_id: self.who.as_ref().and_then(|who| if let Who::Id(id) = who { Some(*id) } else { None }),
            actor_kind: self.who.as_ref().and_then(|who| match who {
                Who::Kind(kind) => Some(kind.as_str()),
                Who::Id(_) => None,
            }),
            action,
            verb,
            object_type: self.object_type.clone(),
            object_id: self.object_id,
            first_id: from.map(|at| first_id_at(at - slack)),
            last_id: to.map(|at| first_id_at(at + slack)),
            from,
            to,
            // Looked for as the one or the other, since each has its index.
            pattern: self.text.as_deref().filter(|_| text_id.is_none()).map(pattern_of),
            text_id,
        }
    }
}

macro_rules! entry_columns {
    () => {
        "e.id, e.occurred_at, e.actor_kind, e.actor_id, e.actor_label, e.action, e.object_type, e.object_id, e.object_label, \
         e.before, e.after, e.request_id, e.address, e.user_agent, e.erased_at, \
         (SELECT s.position FROM audit_seal s WHERE s.event_id = e.id) AS position "
    };
}

/// $1-$12: the filter. Each part that is absent says nothing.
macro_rules! where_bounds {
    () => {
        "FROM audit_event e
         WHERE ($1::uuid IS NULL OR e.actor_id = $1) AND ($2::text IS NULL OR e.actor_kind = $2)
             AND ($3::text IS NULL OR e.action = $3) AND ($4::text IS NULL OR split_part(e.action, '.', 2) = $4)
             AND ($5::text IS NULL OR e.object_type = $5) AND ($6::uuid IS NULL OR e.object_id = $6)
             AND ($7::timestamptz IS NULL OR e.occurred_at >= $7) AND ($8::timestamptz IS NULL OR e.occurred_at < $8)
             AND ($9::uuid IS NULL OR e.id >= $9) AND ($10::uuid IS NULL OR e.id <= $10)
             AND ($11::text IS NULL OR (e.object_label || E'\\n' || e.actor_label || E'\\n' || coalesce(e.address, '')) ILIKE $11)
             AND ($12::uuid IS NULL OR e.object_id = $12 OR e.request_id = $12 OR e.id = $12) "
    };
}

fn entry_of(row: &Row) -> Entry {
    Entry {
        id: row.get("id"),
        occurred_at: row.get("occurred_at"),
        actor_kind: row.get("actor_kind"),
        actor_id: row.get("actor_id"),
        actor_label: row.get("actor_label"),
        action: row.get("action"),
        object_type: row.get("object_type"),
        object_id: row.get("object_id"),
        object_label: row.get("object_label"),
        before: row.get("before"),
        after: row.get("after"),
        request_id: row.get("request_id"),
        address: row.get("address"),
        user_agent: row.get("user_agent"),
        erased_at: row.get("erased_at"),
        position: row.get("position"),
    }
}

/// Events that fit, newest first, after the one with the id `after`. One more than `limit` when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    zone: Tz,
    after: Option<AuditEventId>,
    limit: Limit,
) -> Result<Vec<Entry>> {
    let b = filter.bounds(zone);
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                entry_columns!(),
                where_bounds!(),
                "AND ($13::uuid IS NULL OR e.id < $13) ORDER BY e.id DESC LIMIT $14"
            ),
            &[
                &b.actor_id,
                &b.actor_kind,
                &b.action,
                &b.verb,
                &b.object_type,
                &b.object_id,
                &b.from,
                &b.to,
                &b.first_id,
                &b.last_id,
                &b.pattern,
                &b.text_id,
                &after,
                &limit.and_one(),
            ],
        )
        .await?;
    Ok(rows.iter().map(entry_of).collect())
}

/// How many events fit.
pub async fn count(tx: &TenantTx, filter: &Filter, zone: Tz) -> Result<i64> {
    let b = filter.bounds(zone);
    let row = tx
        .query_one(
            concat!("SELECT count(*) AS total ", where_bounds!()),
            &[
                &b.actor_id,
                &b.actor_kind,
                &b.action,
                &b.verb,
                &b.object_type,
                &b.object_id,
                &b.from,
                &b.to,
                &b.first_id,
                &b.last_id,
                &b.pattern,
                &b.text_id,
            ],
        )
        .await?;
    Ok(row.get("total"))
}

/// One event.
pub async fn find(tx: &TenantTx, id: AuditEventId) -> Result<Option<Entry>> {
    let row = tx
        .query_opt(concat!("SELECT ", entry_columns!(), "FROM audit_event e WHERE e.id = $1"), &[&id])
        .await?;
    Ok(row.as_ref().map(entry_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_tenant_is() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let manila = start_of(day("2026-11-21"), chrono_tz::Asia::Manila);
        assert_eq!(manila.to_rfc3339(), "2026-11-20T16:00:00+00:00");
        // Clocks went from 00:00 to 01:00 in São Paulo on this day: it began at 01:00.
        let gap = start_of(day("2018-11-04"), chrono_tz::America::Sao_Paulo);
        assert_eq!(gap.to_rfc3339(), "2018-11-04T03:00:00+00:00");
    }

    #[test]
    fn ids_sort_as_the_instants_they_were_made_at() {
        let now = Utc::now();
        assert!(first_id_at(now - Duration::seconds(1)) < AuditEventId::new().0);
        assert!(first_id_at(now + Duration::seconds(1)) > AuditEventId::new().0);
        assert_eq!(pattern_of("50%_a\\"), "%50\\%\\_a\\\\%");
    }
}
