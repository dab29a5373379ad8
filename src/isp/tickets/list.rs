//! The SQL of lists of tickets: one constant text per order, so that each has an index to walk.

use std::collections::HashMap;

use postgres_types::ToSql;
use uuid::Uuid;

use super::{
    choices::Status,
    model::Ticket,
    query::{Filter, Mark, Sort, Whose},
    store::{columns, joined, ticket_of},
};
use crate::{
    db::TenantTx,
    error::Result,
    types::search::Words,
    types::{AreaId, CustomerId, OutageId, StaffId},
};

/// Late, and somebody still has to do something: as `Ticket::is_overdue` says it.
macro_rules! overdue {
    () => {
        "(t.status NOT IN ('resolved', 'cancelled') AND coalesce(t.waiting_since, now()) > t.sla_due_at)"
    };
}

/// The filter's conditions, `$1` to `$18`. PostgreSQL drops those whose parameter is null when it plans. What is searched for is
/// found in the ticket's own texts or in the customer's, each by its index; words that are too short for one (`$18`) stand in
/// so many tickets that a page is full soon.
macro_rules! matching {
    () => {
        concat!(
            "($1::text[] IS NULL OR t.status = ANY($1)) AND ($2::text IS NULL OR t.status = $2) \
             AND ($3::text[] IS NULL OR t.priority = ANY($3)) AND ($4::text[] IS NULL OR t.category = ANY($4)) \
             AND ($5::uuid IS NULL OR t.assigned_to = $5) AND ($6::boolean IS NULL OR t.assigned_to IS NULL) \
             AND ($7::boolean IS DISTINCT FROM true OR ",
            overdue!(),
            ") AND ($7::boolean IS DISTINCT FROM false OR NOT ",
            overdue!(),
            ") AND ($8::uuid IS NULL OR t.customer_id = $8) AND ($9::uuid IS NULL OR c.area_id = $9) \
             AND ($10::uuid IS NULL OR t.outage_id = $10) \
             AND ($11::text IS NULL OR t.id IN (SELECT w.id FROM ticket w WHERE w.search_text LIKE lower($11) \
             AND ($12::text IS NULL OR w.search_text LIKE lower($12)) AND ($13::text IS NULL OR w.search_text LIKE lower($13)) \
             AND ($14::text IS NULL OR w.search_text LIKE lower($14)) AND ($15::text IS NULL OR w.search_text LIKE lower($15)) \
             AND ($16::text IS NULL OR w.search_text LIKE lower($16)) UNION ALL \
             SELECT w.id FROM ticket w WHERE w.customer_id IN (SELECT p.id FROM customer p WHERE p.deleted_at IS NULL \
             AND ((p.search_text LIKE lower($11) \
             AND ($12::text IS NULL OR p.search_text LIKE lower($12)) AND ($13::text IS NULL OR p.search_text LIKE lower($13)) \
             AND ($14::text IS NULL OR p.search_text LIKE lower($14)) AND ($15::text IS NULL OR p.search_text LIKE lower($15)) \
             AND ($16::text IS NULL OR p.search_text LIKE lower($16))) OR p.search_text LIKE $17::text)))) \
             AND ($18::text[] IS NULL OR t.search_text LIKE ALL ($18) \
             OR (c.deleted_at IS NULL AND c.search_text LIKE ALL ($18)))"
        )
    };
}

/// A filter as the parameters of [`matching`].
struct Matching {
    statuses: Option<Vec<&'static str>>,
    /// One status alone is compared by `=`, so that an index gives its order too.
    status: Option<&'static str>,
    priorities: Option<Vec<&'static str>>,
    categories: Option<Vec<&'static str>>,
    assigned_to: Option<StaffId>,
    nobodys: Option<bool>,
    overdue: Option<bool>,
    customer: Option<CustomerId>,
    area: Option<AreaId>,
    outage: Option<OutageId>,
    words: [Option<String>; 6],
    phone: Option<String>,
    short_words: Option<Vec<String>>,
}

fn some<T: Copy>(chosen: &[T], text: impl Fn(T) -> &'static str) -> Option<Vec<&'static str>> {
    (!chosen.is_empty()).then(|| chosen.iter().copied().map(text).collect())
}

impl Matching {
    fn of(filter: &Filter) -> Self {
        let (statuses, status) = match filter.statuses.as_slice() {
            [one] => (None, Some(one.as_str())),
            any => (some(any, Status::as_str), None),
        };
        let short_words = filter.words.as_ref().and_then(Words::all_short);
        let words = filter.words.clone().filter(|_| short_words.is_none()).unwrap_or_default();
        Self {
            statuses,
            status,
            priorities: some(&filter.priorities, super::choices::Priority::as_str),
            categories: some(&filter.categories, super::choices::Category::as_str),
            assigned_to: if let Some(Whose::Of(id)) = filter.whose { Some(id) } else { None },
            nobodys: (filter.whose == Some(Whose::Nobodys)).then_some(true),
            overdue: filter.overdue,
            customer: filter.customer,
            area: filter.area,
            outage: filter.outage,
            words: words.patterns,
            phone: words.phone,
            short_words,
        }
    }

    fn with<'a>(&'a self, more: &[&'a (dyn ToSql + Sync)]) -> Vec<&'a (dyn ToSql + Sync)> {
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![
            &self.statuses,
            &self.status,
            &self.priorities,
            &self.categories,
            &self.assigned_to,
            &self.nobodys,
            &self.overdue,
            &self.customer,
            &self.area,
            &self.outage,
        ];
        params.extend(self.words.iter().map(|word| word as &(dyn ToSql + Sync)));
        params.push(&self.phone);
        params.push(&self.short_words);
        params.extend_from_slice(more);
        params
    }
}

macro_rules! ordered {
    ($column:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            joined!(),
            "WHERE ",
            matching!(),
            " AND ($20::timestamptz IS NULL OR (",
            $column,
            ", t.id) ",
            $after,
            " ($20, $21::uuid)) ORDER BY ",
            $column,
            " ",
            $direction,
            ", t.id ",
            $direction,
            " LIMIT $19"
        )
    };
}

/// At most `rows` tickets in this order, after the mark: one query.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    sort: Sort,
    mark: Option<&Mark>,
    rows: i64,
) -> Result<Vec<Ticket>> {
    let sql = match sort {
        Sort::Created => ordered!("t.created_at", ">", "ASC"),
        Sort::CreatedDown => ordered!("t.created_at", "<", "DESC"),
        Sort::Due => ordered!("t.sla_due_at", ">", "ASC"),
        Sort::DueDown => ordered!("t.sla_due_at", "<", "DESC"),
    };
    let (at, id): (_, Option<Uuid>) = (mark.map(Mark::at), mark.map(Mark::id));
    let found = tx.query(sql, &Matching::of(filter).with(&[&rows, &at, &id])).await?;
    Ok(found.iter().map(ticket_of).collect())
}

/// How many tickets there are of each status, and how many of them are late.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_status: HashMap<Status, i64>,
    pub overdue: i64,
}

impl Counts {
    pub fn of(&self, status: Status) -> i64 {
        self.by_status.get(&status).copied().unwrap_or_default()
    }

    pub fn total(&self) -> i64 {
        self.by_status.values().sum()
    }

    /// Of those that somebody still has to do something about.
    pub fn open(&self) -> i64 {
        Status::ALL.iter().filter(|status| status.is_open()).map(|status| self.of(*status)).sum()
    }
}

/// Counts those that match, by status.
pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<Counts> {
    let sql = concat!(
        "SELECT t.status, count(*), count(*) FILTER (WHERE ",
        overdue!(),
        ") FROM ticket t JOIN customer c ON c.id = t.customer_id WHERE ",
        matching!(),
        " GROUP BY t.status"
    );
    let rows = tx.query(sql, &Matching::of(filter).with(&[])).await?;
    let mut counts = Counts::default();
    for row in &rows {
        counts.by_status.insert(Status::from_column(row.get(0)), row.get(1));
        counts.overdue += row.get::<_, i64>(2);
    }
    Ok(counts)
}
