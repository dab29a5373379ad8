//! Receipts: kept, matched with what they are about, and made to count. The SQL of it stands here, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    POLL,
    apply::{Known, LastTry, Said, Verdict, verdict},
    model::{Kept, Linked},
};
use crate::{
    db::TenantTx,
    error::Result,
    jobs,
    messaging::{
        Channel, Status,
        figures::{self, Move},
        live,
        providers::State,
        suppression,
    },
    tenancy::Tenant,
    types::{AccountId, DeliveryId, MessageId, TemplateId},
};

/// A hint makes us ask at most this often, in seconds.
const HINT_GAP: f64 = 10.0;
const NOTE_MAX_BYTES: usize = 500;
/// So many orphans are looked at again at once.
const ORPHANS: i64 = 1_000;

/// Keeps what a provider said, and lets it count; said again, it changes nothing. How many nobody can place yet.
pub async fn keep(tx: &TenantTx, account: AccountId, kept: Vec<Kept>) -> Result<usize> {
    // In one order for all who write at the same time, and each event once.
    let kept: BTreeMap<String, Kept> = kept.into_iter().map(|one| (one.key.clone(), one)).collect();
    if kept.is_empty() {
        return Ok(0);
    }
    let fresh = insert(tx, account, kept.values()).await?;
    if fresh.is_empty() {
        return Ok(0);
    }
    let linked = link_fresh(tx, &fresh).await?;
    let orphans = fresh.len().saturating_sub(linked.len());
    count(tx, &linked).await?;
    Ok(orphans)
}

/// What came before our own record of a sending counts now. Called in the transaction that writes the record, after it; a
/// sending of which the provider's id is unknown is named with an empty one.
pub async fn meet(tx: &TenantTx, _tenant: &Tenant, sent: &[(AccountId, String, DeliveryId)]) -> Result<()> {
    if sent.is_empty() {
        return Ok(());
    }
    let accounts: Vec<AccountId> = sent.iter().map(|one| one.0).collect();
    let ids: Vec<String> = sent.iter().map(|one| super::model::message_key(&one.1)).collect();
    let deliveries: Vec<DeliveryId> = sent.iter().map(|one| one.2).collect();
    let rows = tx
        .query(
            "WITH sent AS (SELECT s.account_id, s.message_id, s.delivery_id \
                FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS s (account_id, message_id, delivery_id)), \
             found AS (SELECT r.id, s.delivery_id FROM sent s JOIN delivery_receipt r ON r.account_id = s.account_id \
                AND r.provider_message_id = s.message_id AND r.delivery_id IS NULL WHERE s.message_id <> '' \
                UNION SELECT r.id, s.delivery_id FROM sent s JOIN delivery_receipt r ON r.reference = s.delivery_id \
                AND r.account_id = s.account_id AND r.delivery_id IS NULL) \
             UPDATE delivery_receipt r SET delivery_id = found.delivery_id FROM found \
             WHERE r.id = found.id AND r.delivery_id IS NULL \
             RETURNING r.delivery_id, r.account_id, r.provider_message_id, r.reason, r.detail, r.is_hint",
            &[&accounts, &ids, &deliveries],
        )
        .await?;
    count(tx, &linked_of(&rows)).await
}

/// Looks again for what young orphans are about: a record that was being written while they came was seen by neither side. How
/// many are still without.
pub async fn look_again(tx: &TenantTx) -> Result<usize> {
    let rows = tx
        .query(
            "SELECT id FROM delivery_receipt WHERE delivery_id IS NULL AND received_at > now() - interval '10 minutes' \
             ORDER BY received_at, id LIMIT $1",
            &[&ORPHANS],
        )
        .await?;
    let orphans: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    if orphans.is_empty() {
        return Ok(0);
    }
    let linked = link_fresh(tx, &orphans).await?;
    count(tx, &linked).await?;
    Ok(orphans.len().saturating_sub(linked.len()))
}

async fn insert(
    tx: &TenantTx,
    account: AccountId,
    kept: impl Iterator<Item = &Kept> + Clone,
) -> Result<Vec<Uuid>> {
    fn column<'a, T>(kept: impl Iterator<Item = &'a Kept>, get: impl Fn(&'a Kept) -> T) -> Vec<T> {
        kept.map(get).collect()
    }
    let rows = tx
        .query(
            "INSERT INTO delivery_receipt (id, account_id, event_key, provider_message_id, reference, state, word, class, \
                reason, code, detail, price, said_at, is_hint, hook_call_id) \
             SELECT u.id, $1, u.key, u.message_id, u.reference, u.state, u.word, u.class, u.reason, u.code, u.detail, u.price, \
                u.said_at, u.is_hint, u.call \
             FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], \
                $10::text[], $11::text[], $12::numeric[], $13::timestamptz[], $14::boolean[], $15::uuid[]) \
                AS u (id, key, message_id, reference, state, word, class, reason, code, detail, price, said_at, is_hint, call) \
             ON CONFLICT (account_id, event_key) DO NOTHING RETURNING id",
            &[
                &account,
                &column(kept.clone(), |_one| Uuid::now_v7()),
                &column(kept.clone(), |one| one.key.as_str()),
                &column(kept.clone(), |one| one.message_id.as_str()),
                &column(kept.clone(), |one| one.reference),
                &column(kept.clone(), |one| one.state),
                &column(kept.clone(), |one| one.word.as_str()),
                &column(kept.clone(), |one| one.class),
                &column(kept.clone(), |one| one.reason),
                &column(kept.clone(), |one| one.code.as_deref()),
                &column(kept.clone(), |one| one.detail.as_deref()),
                &column(kept.clone(), |one| one.price),
                &column(kept.clone(), |one| one.said_at),
                &column(kept.clone(), |one| one.is_hint),
                &column(kept, |one| one.call),
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Finds what these receipts are about: the try that the provider gave this id, or the delivery that it names. What is being sent
/// right now is left alone: whoever sends it asks for them when it is written down.
async fn link_fresh(tx: &TenantTx, ids: &[Uuid]) -> Result<Vec<Linked>> {
    let rows = tx
        .query(
            "WITH found AS (SELECT DISTINCT ON (r.id) r.id, m.delivery_id FROM delivery_receipt r \
                CROSS JOIN LATERAL (SELECT a.delivery_id, 1 AS rank FROM delivery_attempt a \
                    WHERE a.account_id = r.account_id AND a.provider_message_id = r.provider_message_id \
                    UNION ALL SELECT d.id, 2 FROM delivery d WHERE d.id = r.reference AND (d.account_id = r.account_id \
                    OR EXISTS (SELECT FROM delivery_attempt a WHERE a.delivery_id = d.id AND a.account_id = r.account_id))) m \
                WHERE r.id = ANY($1) AND r.delivery_id IS NULL AND NOT EXISTS (SELECT FROM delivery_queue q \
                    WHERE q.delivery_id = m.delivery_id AND q.lease IS NOT NULL) \
                ORDER BY r.id, m.rank) \
             UPDATE delivery_receipt r SET delivery_id = found.delivery_id FROM found \
             WHERE r.id = found.id AND r.delivery_id IS NULL \
             RETURNING r.delivery_id, r.account_id, r.provider_message_id, r.reason, r.detail, r.is_hint",
            &[&ids],
        )
        .await?;
    Ok(linked_of(&rows))
}

fn linked_of(rows: &[Row]) -> Vec<Linked> {
    rows.iter()
        .map(|row| Linked {
            delivery: row.get(0),
            account: row.get(1),
            message_id: row.get(2),
            reason: row.get(3),
            detail: row.get(4),
            is_hint: row.get(5),
        })
        .collect()
}

/// Lets what was just matched count.
async fn count(tx: &TenantTx, linked: &[Linked]) -> Result<()> {
    let hints: Vec<&Linked> = linked.iter().filter(|one| one.is_hint).collect();
    if !hints.is_empty() {
        ask_soon(tx, &hints).await?;
    }
    let told: Vec<&Linked> = linked.iter().filter(|one| !one.is_hint).collect();
    let deliveries: BTreeSet<DeliveryId> = told.iter().map(|one| one.delivery).collect();
    if deliveries.is_empty() {
        return Ok(());
    }
    let known = lock(tx, &deliveries).await?;
    suppress(tx, &told, &known).await?;
    let mut moved = decide(tx, known).await?;
    take_from_queue(tx, &mut moved).await?;
    if moved.is_empty() {
        return Ok(());
    }
    update(tx, &moved).await?;
    settle_credit(tx, &moved).await?;
    settle(tx, &moved).await?;
    figures::moved(tx, &moves(&moved)).await?;
    tell(tx, &moved).await
}

/// The provider is asked at once what became of these, though not all the time.
async fn ask_soon(tx: &TenantTx, hints: &[&Linked]) -> Result<()> {
    let deliveries: Vec<DeliveryId> = hints.iter().map(|one| one.delivery).collect();
    let accounts: Vec<AccountId> = hints.iter().map(|one| one.account).collect();
    let ids: Vec<&str> = hints.iter().map(|one| one.message_id.as_str()).collect();
    tx.execute(
        "INSERT INTO delivery_poll (delivery_id, account_id, provider_message_id, due_at) \
         SELECT DISTINCT ON (u.delivery_id) u.delivery_id, u.account_id, u.message_id, now() \
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS u (delivery_id, account_id, message_id) \
         JOIN delivery d ON d.id = u.delivery_id WHERE d.status IN ('accepted', 'sent', 'unknown', 'failed') \
         ORDER BY u.delivery_id ON CONFLICT (delivery_id) DO UPDATE \
         SET due_at = greatest(now(), delivery_poll.polled_at + make_interval(secs => $4))",
        &[&deliveries, &accounts, &ids, &HINT_GAP],
    )
    .await?;
    jobs::call_at(tx, POLL, Utc::now()).await
}

/// A delivery with what its move concerns.
#[derive(Debug, Clone)]
pub struct Whole {
    pub id: DeliveryId,
    pub message: MessageId,
    pub template: Option<TemplateId>,
    pub channel: Channel,
    pub address: String,
    pub provider: String,
    pub segments: i16,
    pub queued_at: DateTime<Utc>,
    pub known: Known,
}

/// A delivery that goes on.
#[derive(Debug, Clone)]
pub struct Moved {
    pub whole: Whole,
    pub to: Verdict,
}

impl Moved {
    pub fn has_new_status(&self) -> bool {
        self.whole.known.status != self.to.status
    }

    fn as_move(&self) -> Move {
        let (whole, verdict) = (&self.whole, &self.to);
        let at = match verdict.status {
            Status::Accepted => verdict.accepted_at,
            Status::Delivered => verdict.delivered_at,
            Status::Read => verdict.read_at,
            Status::Failed => verdict.failed_at,
            _ => None,
        };
        Move {
            message: whole.message,
            template: whole.template,
            channel: whole.channel,
            provider: whole.provider.clone(),
            from: whole.known.status,
            to: verdict.status,
            class: verdict.class.clone().unwrap_or_default(),
            segments: i64::from(whole.segments),
            price: verdict.price.unwrap_or_default() - whole.known.price.unwrap_or_default(),
            queued_at: whole.queued_at,
            at: at.unwrap_or_else(Utc::now),
        }
    }
}

async fn lock(tx: &TenantTx, ids: &BTreeSet<DeliveryId>) -> Result<Vec<Whole>> {
    let ids: Vec<DeliveryId> = ids.iter().copied().collect();
    tx.execute("SELECT FROM delivery WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
    let rows = tx
        .query(
            "SELECT d.id, d.message_id, m.template_id, d.channel, d.address, \
                coalesce(d.segments, 1::smallint) AS segments, d.created_at, d.status, d.accepted_at, d.delivered_at, d.read_at, \
                d.price, a.n, a.account_id, a.provider_message_id, a.started_at, coalesce(a.provider, '') AS provider \
             FROM delivery d JOIN message m ON m.id = d.message_id LEFT JOIN LATERAL (SELECT a.n, a.account_id, \
                a.provider_message_id, a.started_at, a.provider FROM delivery_attempt a WHERE a.delivery_id = d.id \
                ORDER BY a.n DESC LIMIT 1) a ON true WHERE d.id = ANY($1)",
            &[&ids],
        )
        .await?;
    Ok(rows.iter().map(whole_of).collect())
}

fn whole_of(row: &Row) -> Whole {
    let channel: &str = row.get("channel");
    let tried: Option<i16> = row.get("n");
    let last = tried.map(|_n| LastTry {
        account: row.get("account_id"),
        message_id: row.get("provider_message_id"),
        started_at: row.get("started_at"),
    });
    Whole {
        id: row.get("id"),
        message: row.get("message_id"),
        template: row.get("template_id"),
        channel: channel.parse().unwrap_or(Channel::InApp),
        address: row.get("address"),
        provider: row.get("provider"),
        segments: row.get("segments"),
        queued_at: row.get("created_at"),
        known: Known {
            status: Status::from_column(row.get("status")),
            last,
            accepted_at: row.get("accepted_at"),
            delivered_at: row.get("delivered_at"),
            read_at: row.get("read_at"),
            price: row.get("price"),
        },
    }
}

/// Whoever is told for good that an address does not want us, or is none, leaves it alone from now on.
async fn suppress(tx: &TenantTx, told: &[&Linked], known: &[Whole]) -> Result<()> {
    let mut new = Vec::new();
    let by_id: HashMap<DeliveryId, &Whole> = known.iter().map(|one| (one.id, one)).collect();
    for one in told {
        if let (Some(reason), Some(whole)) = (&one.reason, by_id.get(&one.delivery)) {
            let note = one.detail.as_deref().unwrap_or_default();
            new.push(suppression::New {
                channel: whole.channel,
                address: &whole.address,
                reason: suppression::Reason::from_column(reason),
                source: suppression::Source::Receipt,
                note: note.get(..note.floor_char_boundary(NOTE_MAX_BYTES)).unwrap_or_default(),
                delivery: Some(whole.id),
            });
        }
    }
    if new.is_empty() { Ok(()) } else { suppression::add_all(tx, &new).await.map(drop) }
}

fn moves(moved: &[Moved]) -> Vec<Move> {
    moved.iter().filter(|one| one.has_new_status()).map(Moved::as_move).collect()
}

async fn decide(tx: &TenantTx, known: Vec<Whole>) -> Result<Vec<Moved>> {
    let ids: Vec<DeliveryId> = known.iter().map(|one| one.id).collect();
    let rows = tx
        .query(
            "SELECT delivery_id, account_id, provider_message_id, state, class, code, detail, price, said_at, received_at \
             FROM delivery_receipt WHERE delivery_id = ANY($1) AND NOT is_hint AND state IS NOT NULL",
            &[&ids],
        )
        .await?;
    let mut said: HashMap<DeliveryId, Vec<Said>> = HashMap::new();
    for row in &rows {
        if let Some(state) = state_of(row.get("state")) {
            said.entry(row.get("delivery_id")).or_default().push(said_of(row, state));
        }
    }
    let none = Vec::new();
    Ok(known
        .into_iter()
        .filter_map(|whole| {
            let to = verdict(&whole.known, said.get(&whole.id).unwrap_or(&none))?;
            Some(Moved { whole, to })
        })
        .collect())
}

fn said_of(row: &Row, state: State) -> Said {
    Said {
        account: row.get("account_id"),
        message_id: row.get("provider_message_id"),
        state,
        class: row.get("class"),
        code: row.get("code"),
        detail: row.get("detail"),
        price: row.get("price"),
        said_at: row.get("said_at"),
        received_at: row.get("received_at"),
    }
}

fn state_of(text: &str) -> Option<State> {
    [State::Queued, State::Sent, State::Failed, State::Delivered, State::Read]
        .into_iter()
        .find(|state| state.as_str() == text)
}

/// What waits for another try and has arrived after all is not sent again. What somebody sends at this moment is left as it is.
async fn take_from_queue(tx: &TenantTx, moved: &mut Vec<Moved>) -> Result<()> {
    let waiting: Vec<DeliveryId> = moved
        .iter()
        .filter(|one| one.whole.known.status == Status::Queued && one.has_new_status())
        .map(|one| one.whole.id)
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    tx.execute("DELETE FROM delivery_queue WHERE delivery_id = ANY($1) AND lease IS NULL", &[&waiting])
        .await?;
    let rows =
        tx.query("SELECT delivery_id FROM delivery_queue WHERE delivery_id = ANY($1)", &[&waiting]).await?;
    let still: BTreeSet<DeliveryId> = rows.iter().map(|row| row.get(0)).collect();
    moved.retain(|one| !still.contains(&one.whole.id));
    Ok(())
}

async fn update(tx: &TenantTx, moved: &[Moved]) -> Result<()> {
    fn column<'a, T>(moved: &'a [Moved], get: impl Fn(&'a Moved) -> T) -> Vec<T> {
        moved.iter().map(get).collect()
    }
    tx.execute(
        "UPDATE delivery d SET status = u.status, accepted_at = u.accepted_at, delivered_at = u.delivered_at, \
            read_at = u.read_at, price = u.price, \
            ended_at = CASE WHEN u.status = 'failed' THEN coalesce(u.failed_at, d.ended_at) END, \
            failure_class = CASE WHEN u.status = 'failed' THEN coalesce(u.class, d.failure_class) END, \
            failure_code = CASE WHEN u.status = 'failed' THEN coalesce(u.code, d.failure_code) END, \
            failure = CASE WHEN u.status = 'failed' THEN coalesce(u.detail, d.failure) END \
         FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], \
            $7::text[], $8::text[], $9::text[], $10::numeric[]) \
            AS u (id, status, accepted_at, delivered_at, read_at, failed_at, class, code, detail, price) WHERE d.id = u.id",
        &[
            &column(moved, |one| one.whole.id),
            &column(moved, |one| one.to.status.as_str()),
            &column(moved, |one| one.to.accepted_at),
            &column(moved, |one| one.to.delivered_at),
            &column(moved, |one| one.to.read_at),
            &column(moved, |one| one.to.failed_at),
            &column(moved, |one| one.to.class.as_deref()),
            &column(moved, |one| one.to.code.as_deref()),
            &column(moved, |one| one.to.detail.as_deref()),
            &column(moved, |one| one.to.price),
        ],
    )
    .await?;
    Ok(())
}

/// What was to be tried again and has arrived after all is paid for with what was set aside for it, or that is given back where no sender
/// of the platform's took it. All else was settled with the sending.
async fn settle_credit(tx: &TenantTx, moved: &[Moved]) -> Result<()> {
    let arrived: Vec<DeliveryId> = moved
        .iter()
        .filter(|one| one.whole.known.status == Status::Queued && one.has_new_status())
        .map(|one| one.whole.id)
        .collect();
    if arrived.is_empty() {
        return Ok(());
    }
    tx.execute(
        "WITH was AS (SELECT d.id, d.reserved, a.platform_sender_id IS NOT NULL AS is_lent FROM delivery d \
            LEFT JOIN provider_account a ON a.id = d.account_id WHERE d.id = ANY($1) AND d.reserved > 0), \
         gone AS (UPDATE delivery d SET reserved = 0 FROM was WHERE d.id = was.id), \
         sums AS (SELECT coalesce(sum(reserved) FILTER (WHERE is_lent), 0) AS spent, \
            coalesce(sum(reserved) FILTER (WHERE NOT is_lent), 0) AS released FROM was) \
         SELECT gate.settle_credit(spent, released) FROM sums WHERE spent + released > 0",
        &[&arrived],
    )
    .await
    .map(drop)
}

/// What follows from a move: dead letters come and go, and nobody is asked any more.
async fn settle(tx: &TenantTx, moved: &[Moved]) -> Result<()> {
    let ids = |wanted: fn(&Moved) -> bool| -> Vec<DeliveryId> {
        moved.iter().filter(|one| wanted(one)).map(|one| one.whole.id).collect()
    };
    let dead = ids(|one| one.has_new_status() && one.to.status == Status::Failed);
    if !dead.is_empty() {
        tx.execute(
            "INSERT INTO dead_letter (delivery_id, status) SELECT id, 'failed' FROM unnest($1::uuid[]) AS u (id) \
             ON CONFLICT (delivery_id) DO UPDATE SET status = excluded.status",
            &[&dead],
        )
        .await?;
    }
    let alive = ids(|one| {
        matches!(one.whole.known.status, Status::Failed | Status::Unknown) && one.to.status != Status::Failed
    });
    if !alive.is_empty() {
        tx.execute("DELETE FROM dead_letter WHERE delivery_id = ANY($1)", &[&alive]).await?;
    }
    let known = ids(|one| matches!(one.to.status, Status::Delivered | Status::Read | Status::Failed));
    if !known.is_empty() {
        tx.execute("DELETE FROM delivery_poll WHERE delivery_id = ANY($1)", &[&known]).await?;
    }
    Ok(())
}

async fn tell(tx: &TenantTx, moved: &[Moved]) -> Result<()> {
    let changed = moved.iter().filter(|one| one.has_new_status());
    live::moved(tx, &changed.map(|one| one.whole.message).collect()).await
}
