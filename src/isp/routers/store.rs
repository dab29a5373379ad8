//! All SQL of routers.

use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Holder, MacAddress, Move, Router, RouterDraft, RouterFilter, State};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{InstallationId, RouterId},
};

/// A router's life is shown this far back.
const MOVES_MAX: i64 = 200;

macro_rules! select_routers {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT r.id, r.brand, r.model, r.serial_number, r.mac_address, r.notes, r.state, r.created_at, r.updated_at, \
             i.id, i.customer_id, c.first_name || ' ' || c.last_name FROM ",
            $from,
            " LEFT JOIN installation i ON i.router_id = r.id LEFT JOIN customer c ON c.id = i.customer_id ",
            $rest
        )
    };
}

fn holder_of(row: &Row, at: usize) -> Option<Holder> {
    let installation: Option<InstallationId> = row.get(at);
    Some(Holder { installation: installation?, customer: row.get(at + 1), name: row.get(at + 2) })
}

fn router_of(row: &Row) -> Router {
    Router {
        id: row.get(0),
        draft: RouterDraft {
            brand: row.get(1),
            model: row.get(2),
            serial_number: row.get(3),
            mac_address: MacAddress::from_column(row.get(4)),
            notes: row.get(5),
        },
        state: State::from_column(row.get(6)),
        created_at: row.get(7),
        updated_at: row.get(8),
        holder: holder_of(row, 9),
    }
}

/// The indexes that keep serial numbers and addresses apart, as refusals.
fn named<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("router_serial_key", || {
            Error::conflict("serial_number_taken", "There is a router with this serial number already.")
        })
        .on_constraint("router_mac_key", || {
            Error::conflict("mac_address_taken", "There is a router with this MAC address already.")
        })
}

pub use crate::web::parts::TimeMark as After;

macro_rules! matching {
    () => {
        "(((($1::text IS NULL OR search_text LIKE lower($1)) AND ($2::text IS NULL OR search_text LIKE lower($2)) \
         AND ($3::text IS NULL OR search_text LIKE lower($3)) AND ($4::text IS NULL OR search_text LIKE lower($4)) \
         AND ($5::text IS NULL OR search_text LIKE lower($5)) AND ($6::text IS NULL OR search_text LIKE lower($6)))) \
         OR search_text LIKE $7::text)"
    };
}

/// At most `rows` routers, newest first, after the mark.
pub async fn list(
    tx: &TenantTx,
    filter: &RouterFilter,
    after: Option<After>,
    rows: i64,
) -> Result<Vec<Router>> {
    let sql = concat!(
        "WITH page AS (SELECT id FROM router WHERE ",
        matching!(),
        " AND ($8::text IS NULL OR state = $8) \
         AND ($9::timestamptz IS NULL OR (created_at, id) < ($9, $10::uuid)) \
         ORDER BY created_at DESC, id DESC LIMIT $11) ",
        select_routers!("page JOIN router r ON r.id = page.id", "ORDER BY r.created_at DESC, r.id DESC")
    );
    let [a, b, c, d, e, f] = &filter.words.patterns;
    let state = filter.state.map(State::as_str);
    let (at, id) = (after.map(|after| after.0), after.map(|after| after.1));
    let found = tx.query(sql, &[a, b, c, d, e, f, &filter.mac, &state, &at, &id, &rows]).await?;
    Ok(found.iter().map(router_of).collect())
}

/// How many match, by state.
pub async fn count(tx: &TenantTx, filter: &RouterFilter) -> Result<Vec<(State, i64)>> {
    let sql = concat!("SELECT state, count(*) FROM router WHERE ", matching!(), " GROUP BY state");
    let [a, b, c, d, e, f] = &filter.words.patterns;
    let rows = tx.query(sql, &[a, b, c, d, e, f, &filter.mac]).await?;
    Ok(rows.iter().map(|row| (State::from_column(row.get(0)), row.get(1))).collect())
}

pub async fn find(tx: &TenantTx, id: RouterId) -> Result<Option<Router>> {
    let row = tx.query_opt(select_routers!("router r", "WHERE r.id = $1"), &[&id]).await?;
    Ok(row.as_ref().map(router_of))
}

/// Locks a router against other changes. It is read after that: what a statement that waited for a lock has joined is from before
/// it waited.
pub async fn lock(tx: &TenantTx, id: RouterId) -> Result<Option<Router>> {
    tx.query_opt("SELECT id FROM router WHERE id = $1 FOR UPDATE", &[&id]).await?;
    find(tx, id).await
}

/// The router with this serial number or this address.
pub async fn find_by_label(
    tx: &TenantTx,
    serial: &str,
    mac: Option<&MacAddress>,
) -> Result<Option<RouterId>> {
    let mac = mac.map(MacAddress::as_str);
    let row = tx
        .query_opt(
            "SELECT id FROM router WHERE lower(serial_number) = lower($1) OR mac_address = $2 \
             ORDER BY lower(serial_number) = lower($1) DESC LIMIT 1",
            &[&serial, &mac],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// Routers in stock, the newest first.
pub async fn in_stock(tx: &TenantTx, rows: i64) -> Result<Vec<Router>> {
    let sql = concat!(
        "WITH page AS (SELECT id FROM router WHERE state = 'in_stock' ORDER BY created_at DESC, id DESC LIMIT $1) ",
        select_routers!("page JOIN router r ON r.id = page.id", "ORDER BY r.created_at DESC, r.id DESC")
    );
    Ok(tx.query(sql, &[&rows]).await?.iter().map(router_of).collect())
}

pub async fn insert(tx: &TenantTx, id: RouterId, draft: &RouterDraft) -> Result<()> {
    let done = tx
        .execute(
            "INSERT INTO router (id, brand, model, serial_number, mac_address, notes) VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                &id,
                &draft.brand,
                &draft.model,
                &draft.serial_number,
                &draft.mac_address.as_str(),
                &draft.notes,
            ],
        )
        .await;
    named(done).map(drop)
}

pub async fn update(tx: &TenantTx, id: RouterId, draft: &RouterDraft) -> Result<()> {
    let done = tx
        .execute(
            "UPDATE router SET brand = $2, model = $3, serial_number = $4, mac_address = $5, notes = $6, \
             updated_at = now() WHERE id = $1",
            &[
                &id,
                &draft.brand,
                &draft.model,
                &draft.serial_number,
                &draft.mac_address.as_str(),
                &draft.notes,
            ],
        )
        .await;
    named(done).map(drop)
}

/// Adds those routers whose serial number and address nobody has; which of them it added. They are in stock, and their lives
/// begin.
pub async fn insert_many(
    tx: &TenantTx,
    rows: &[(RouterId, &RouterDraft)],
    moved_by: &str,
) -> Result<Vec<RouterId>> {
    let ids: Vec<RouterId> = rows.iter().map(|(id, _)| *id).collect();
    let moves: Vec<Uuid> = rows.iter().map(|_| Uuid::now_v7()).collect();
    let brands: Vec<&str> = rows.iter().map(|(_, draft)| draft.brand.as_str()).collect();
    let models: Vec<Option<&str>> = rows.iter().map(|(_, draft)| draft.model.as_deref()).collect();
    let serials: Vec<&str> = rows.iter().map(|(_, draft)| draft.serial_number.as_str()).collect();
    let macs: Vec<&str> = rows.iter().map(|(_, draft)| draft.mac_address.as_str()).collect();
    let notes: Vec<Option<&str>> = rows.iter().map(|(_, draft)| draft.notes.as_deref()).collect();
    let added = tx
        .query(
            "WITH new AS (SELECT id, move_id, brand, model, serial_number, mac_address, notes FROM \
             unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) \
             AS new (id, move_id, brand, model, serial_number, mac_address, notes)), \
             added AS (INSERT INTO router (id, brand, model, serial_number, mac_address, notes) \
             SELECT id, brand, model, serial_number, mac_address, notes FROM new ON CONFLICT DO NOTHING RETURNING id), \
             moved AS (INSERT INTO router_move (id, router_id, to_state, moved_by) \
             SELECT new.move_id, added.id, 'in_stock', $8 FROM added JOIN new ON new.id = added.id) \
             SELECT id FROM added",
            &[&ids, &moves, &brands, &models, &serials, &macs, &notes, &moved_by],
        )
        .await?;
    Ok(added.iter().map(|row| row.get(0)).collect())
}

/// Which of these serial numbers and addresses are taken: in lower case, and in the canonical form.
pub async fn taken(tx: &TenantTx, serials: &[String], macs: &[&str]) -> Result<Vec<(String, String)>> {
    let rows = tx
        .query(
            "SELECT lower(serial_number), mac_address FROM router \
             WHERE lower(serial_number) = ANY($1) OR mac_address = ANY($2) LIMIT 20000",
            &[&serials, &macs],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub async fn set_state(tx: &TenantTx, id: RouterId, state: State) -> Result<()> {
    tx.execute("UPDATE router SET state = $2, updated_at = now() WHERE id = $1", &[&id, &state.as_str()])
        .await?;
    Ok(())
}

/// A step of a router's life, to be written down.
pub struct Step<'a> {
    pub router: RouterId,
    pub from: Option<State>,
    pub to: State,
    pub installation: Option<InstallationId>,
    pub note: Option<&'a str>,
    pub moved_by: &'a str,
}

pub async fn insert_move(tx: &TenantTx, step: &Step<'_>) -> Result<()> {
    let from = step.from.map(State::as_str);
    tx.execute(
        "INSERT INTO router_move (id, router_id, from_state, to_state, installation_id, note, moved_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &Uuid::now_v7(),
            &step.router,
            &from,
            &step.to.as_str(),
            &step.installation,
            &step.note,
            &step.moved_by,
        ],
    )
    .await?;
    Ok(())
}

/// A router's life, the last step first.
pub async fn moves(tx: &TenantTx, id: RouterId) -> Result<Vec<Move>> {
    let rows = tx
        .query(
            "SELECT m.from_state, m.to_state, m.note, m.moved_by, m.moved_at, i.id, i.customer_id, \
             c.first_name || ' ' || c.last_name FROM router_move m LEFT JOIN installation i ON i.id = m.installation_id \
             LEFT JOIN customer c ON c.id = i.customer_id WHERE m.router_id = $1 ORDER BY m.id DESC LIMIT $2",
            &[&id, &MOVES_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Move {
            from: row.get::<_, Option<&str>>(0).map(State::from_column),
            to: State::from_column(row.get(1)),
            note: row.get(2),
            moved_by: row.get(3),
            moved_at: row.get(4),
            holder: holder_of(row, 5),
        })
        .collect())
}

/// Deletes a router and its life.
pub async fn delete(tx: &TenantTx, id: RouterId) -> Result<()> {
    tx.execute("DELETE FROM router WHERE id = $1", &[&id]).await?;
    Ok(())
}
