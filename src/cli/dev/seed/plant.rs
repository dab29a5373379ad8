//! The demo's plant, routers and installations.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Seeded;
use crate::{
    db::TenantTx,
    demo::{self, DemoDrop, DemoPlant, DemoStatus, LCPS, SPLITTERS},
    error::Result,
    types::StaffId,
};

/// Brand and model of what hangs at the customers' walls.
const ROUTERS: [(&str, &str); 5] = [
    ("Huawei", "EG8145V5"),
    ("TP-Link", "XC220-G3v"),
    ("Tenda", "HG9"),
    ("Mikrotik", "hAP ax lite"),
    ("Xiaomi", "AX3000"),
];
/// Routers on the shelf, and ones that came back broken.
const SPARE: usize = 18;
const BROKEN: usize = 4;

/// Writes the plant, and connects every customer. The ids of installations, by customer.
pub(super) async fn write(
    tx: &TenantTx,
    seeded: &Seeded<'_>,
    technician: Option<StaffId>,
) -> Result<Vec<Uuid>> {
    let plant = demo::plant(seeded.customers);
    let lcps = lcps(tx, seeded.areas).await?;
    let splitters = splitters(tx, &lcps).await?;
    let naps = naps(tx, &plant, &splitters).await?;
    let routers = routers(tx, seeded.customers.len()).await?;
    installations(tx, seeded, &plant, (&naps, &routers, technician)).await
}

async fn lcps(tx: &TenantTx, areas: &[Uuid]) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = LCPS.iter().map(|_| Uuid::now_v7()).collect();
    let rows: Vec<Value> = LCPS
        .iter()
        .zip(&ids)
        .map(|(lcp, id)| {
            json!({ "id": id, "code": lcp.code, "name": lcp.name, "location": lcp.location,
                "area_id": areas.get(lcp.area), "fibre_m": lcp.fibre_m, "latitude": lcp.latitude, "longitude": lcp.longitude })
        })
        .collect();
    tx.execute(
        "INSERT INTO lcp (id, code, name, location, area_id, olt_name, fibre_m, coverage_radius_m, latitude, longitude, location_accuracy)
         SELECT id, code, name, location, area_id, 'OLT 1', fibre_m, 6000, latitude, longitude, 'exact'
         FROM jsonb_to_recordset($1) AS x (id uuid, code text, name text, location text, area_id uuid, fibre_m int,
            latitude numeric, longitude numeric)",
        &[&Value::from(rows)],
    )
    .await?;
    Ok(ids)
}

async fn splitters(tx: &TenantTx, lcps: &[Uuid]) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = SPLITTERS.iter().map(|_| Uuid::now_v7()).collect();
    let rows: Vec<Value> = SPLITTERS
        .iter()
        .zip(&ids)
        .map(|(splitter, id)| {
            let place = LCPS.get(splitter.lcp);
            json!({ "id": id, "lcp_id": lcps.get(splitter.lcp), "code": splitter.code, "type": splitter.kind,
                "outputs": splitter.outputs, "loss_db": splitter.loss_db,
                "latitude": place.map(|lcp| lcp.latitude), "longitude": place.map(|lcp| lcp.longitude) })
        })
        .collect();
    let rows = Value::from(rows);
    tx.execute(
        "INSERT INTO splitter (id, lcp_id, depth, code, type, outputs, location, fibre_m, latitude, longitude)
         SELECT id, lcp_id, 1, code, type, outputs, 'In the cabinet', 2, latitude, longitude
         FROM jsonb_to_recordset($1) AS x (id uuid, lcp_id uuid, code text, type text, outputs smallint,
            latitude numeric, longitude numeric)",
        &[&rows],
    )
    .await?;
    tx.execute(
        "INSERT INTO splitter_output (splitter_id, number, outputs, loss_db)
         SELECT id, number, outputs, loss_db FROM jsonb_to_recordset($1) AS x (id uuid, outputs smallint, loss_db numeric),
            generate_series(1, outputs) AS number",
        &[&rows],
    )
    .await?;
    Ok(ids)
}

async fn naps(tx: &TenantTx, plant: &DemoPlant, splitters: &[Uuid]) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = plant.naps.iter().map(|_| Uuid::now_v7()).collect();
    let rows: Vec<Value> = plant
        .naps
        .iter()
        .zip(&ids)
        .map(|(nap, id)| {
            json!({ "id": id, "splitter_id": splitters.get(nap.splitter), "output": nap.output, "code": nap.code,
                "name": nap.name, "ports": nap.ports, "fibre_m": nap.fibre_m,
                "latitude": nap.latitude, "longitude": nap.longitude })
        })
        .collect();
    let rows = Value::from(rows);
    tx.execute(
        "INSERT INTO nap (id, splitter_id, splitter_output, code, name, port_capacity, max_distance_m, fibre_m, latitude, longitude,
            location_accuracy)
         SELECT id, splitter_id, output, code, name, ports, 1200, fibre_m, latitude, longitude, 'exact'
         FROM jsonb_to_recordset($1) AS x (id uuid, splitter_id uuid, output smallint, code text, name text, ports smallint,
            fibre_m int, latitude numeric, longitude numeric)",
        &[&rows],
    )
    .await?;
    tx.execute(
        "INSERT INTO nap_port (nap_id, number, capacity)
         SELECT id, number, ports FROM jsonb_to_recordset($1) AS x (id uuid, ports smallint),
            generate_series(1, ports) AS number",
        &[&rows],
    )
    .await?;
    Ok(ids)
}

async fn routers(tx: &TenantTx, customers: usize) -> Result<Vec<Uuid>> {
    let count = customers + SPARE + BROKEN;
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
    let rows: Vec<Value> = ids
        .iter()
        .zip(ROUTERS.iter().cycle())
        .enumerate()
        .map(|(number, (id, (brand, model)))| {
            let state = match number {
                _ if number < customers => "assigned",
                _ if number < customers + SPARE => "in_stock",
                _ => "faulty",
            };
            // The second bit of the first byte says that nobody gave this address to anybody.
            let mac = format!("02:CD:0F:{:02X}:{:02X}:{:02X}", number >> 16 & 255, number >> 8 & 255, number & 255);
            json!({ "id": id, "brand": brand, "model": model, "serial": format!("CD{:08}", 41_000_000 + number * 7),
                "mac": mac, "state": state })
        })
        .collect();
    tx.execute(
        "INSERT INTO router (id, brand, model, serial_number, mac_address, state)
         SELECT id, brand, model, serial, mac, state
         FROM jsonb_to_recordset($1) AS x (id uuid, brand text, model text, serial text, mac text, state text)",
        &[&Value::from(rows)],
    )
    .await?;
    Ok(ids)
}

type Held<'a> = (&'a [Uuid], &'a [Uuid], Option<StaffId>);

async fn installations(
    tx: &TenantTx,
    seeded: &Seeded<'_>,
    plant: &DemoPlant,
    (naps, routers, technician): Held<'_>,
) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = seeded.customers.iter().map(|_| Uuid::now_v7()).collect();
    let mut rows = Vec::with_capacity(ids.len());
    let mut back = Vec::new();
    let people = seeded.customers.iter().zip(seeded.ids).zip(&ids).zip(routers).zip(&plant.drops);
    for ((((customer, customer_id), id), router), drop) in people {
        let left = customer.status == DemoStatus::Terminated;
        if left {
            back.push(*router);
        }
        let drop: Option<&DemoDrop> = drop.as_ref();
        rows.push(json!({
            "id": id, "customer_id": customer_id, "status": status_of(customer.status),
            "nap_id": drop.and_then(|drop| naps.get(drop.nap)), "port": drop.map(|drop| drop.port),
            "drop_m": drop.map(|drop| drop.drop_m), "router_id": (!left).then_some(router),
            "technician_id": technician, "latitude": customer.latitude, "longitude": customer.longitude,
            "installed_on": customer.joined_on, "created_at": at_noon(customer.joined_on),
            "terminated_at": left.then(|| seeded.now - chrono::Duration::days(40)),
        }));
    }
    tx.execute(
        "INSERT INTO installation (id, customer_id, status, nap_id, nap_port, drop_m, router_id, technician_id, latitude, longitude,
            location_accuracy, installed_on, created_at, updated_at, terminated_at, termination_reason)
         SELECT id, customer_id, status, nap_id, port, drop_m, router_id, technician_id, latitude, longitude, 'approximate',
            installed_on, created_at, created_at, terminated_at, CASE WHEN terminated_at IS NOT NULL THEN 'Moved away' END
         FROM jsonb_to_recordset($1) AS x (id uuid, customer_id uuid, status text, nap_id uuid, port smallint, drop_m int,
            router_id uuid, technician_id uuid, latitude numeric, longitude numeric, installed_on date,
            created_at timestamptz, terminated_at timestamptz)",
        &[&Value::from(rows)],
    )
    .await?;
    tx.execute("UPDATE router SET state = 'returned' WHERE id = ANY($1)", &[&back]).await?;
    tx.execute(
        "INSERT INTO router_move (id, router_id, from_state, to_state, installation_id, moved_by, moved_at)
         SELECT gen_random_uuid(), router_id, 'in_stock', 'assigned', id, 'lastmile dev', created_at
         FROM installation WHERE router_id IS NOT NULL",
        &[],
    )
    .await?;
    Ok(ids)
}

/// Whether a period runs is looked at when the books are written.
fn status_of(status: DemoStatus) -> &'static str {
    match status {
        DemoStatus::Active | DemoStatus::Inactive => "inactive",
        DemoStatus::Suspended => "suspended",
        DemoStatus::Terminated => "terminated",
    }
}

fn at_noon(day: chrono::NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(4, 0, 0).map_or_else(Utc::now, |at| at.and_utc())
}
