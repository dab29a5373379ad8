//! One tenant out and in.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use futures_util::SinkExt;
use serde::Serialize;
use uuid::Uuid;

use super::{
    archive::{Reader, Writer, damaged},
    manifest::{
        AnchorPart, DomainPart, FORMAT, KeyPart, Kind, Part, PlanPart, TenantManifest, TenantPart, UsagePart,
        parse,
    },
    sandbox,
};
use crate::{
    db::{OwnerTx, Snapshot},
    error::{Error, OrInternal, Result},
    secrets::{
        Aad, DataKey, Keyring, Passphrase, TravelKey, TravelParams, WrappedKey, open, seal, sealed_version,
    },
    tenancy::{self, Arrival, ArrivingDomain, ArrivingKey, Filling, Reading, Registry, Table, Tenant},
    types::{Slug, TenantId},
};

/// What nobody takes along: whoever was signed in signs in again, and what failed long ago slows nobody.
pub(super) const LEFT_BEHIND: &[&str] = &[
    "idempotency",
    "one_time_link",
    "portal_session",
    "refresh_token",
    "sign_in_failure",
    "sign_in_step",
    "takeout",
    "takeout_part",
];

/// Hears how many tables are done, and of how many.
pub type Progress<'a> = &'a dyn Fn(usize, usize);

/// What became of an export.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    pub id: Uuid,
    pub slug: String,
    pub schema_version: i32,
    pub tables: usize,
    pub rows: u64,
    pub sealed_values: u64,
    /// Whether another deployment can open what is sealed.
    pub has_passphrase: bool,
}

/// Where an archive is written, and how.
pub struct Export<'a> {
    pub out: &'a Path,
    /// Lets another deployment open what is sealed.
    pub passphrase: Option<&'a Passphrase>,
    /// The instant that is written; without one, the present.
    pub snapshot: Option<&'a Snapshot>,
}

/// Writes a tenant into an archive, all of it as it was at one instant, while it is in use.
pub async fn export_tenant(
    registry: &Registry,
    keyring: &Keyring,
    tenant: &Tenant,
    export: Export<'_>,
    seen: Progress<'_>,
) -> Result<Exported> {
    let Export { out, passphrase, snapshot } = export;
    let mut writer = Writer::create(out)?;
    let mut manifest = tenancy::read_schema(registry.db(), tenant, snapshot, async |reading| {
        let mut manifest = describe(reading, tenant).await?;
        let tables: Vec<Table> =
            reading.tables().await?.into_iter().filter(|t| !LEFT_BEHIND.contains(&t.name.as_str())).collect();
        for (done, table) in tables.iter().enumerate() {
            seen(done, tables.len());
            manifest.parts.push(write_part(reading, &mut writer, table).await?);
            for column in table.sealed() {
                manifest.sealed_values += count(reading.count_of(table, column).await?);
            }
        }
        seen(tables.len(), tables.len());
        Ok(manifest)
    })
    .await?;
    let travel = match passphrase {
        Some(passphrase) => Some(pack_keys(&mut manifest, keyring, passphrase).await?),
        None => None,
    };
    let bytes = serde_json::to_vec_pretty(&manifest).internal()?;
    let proof = travel.map(|key| key.vouch(&bytes)).transpose()?;
    writer.finish(&bytes, proof.as_deref())?;
    Ok(Exported {
        id: manifest.tenant.id,
        slug: manifest.tenant.slug,
        schema_version: manifest.schema_version,
        tables: manifest.parts.len(),
        rows: manifest.parts.iter().map(|part| part.rows).sum(),
        sealed_values: manifest.sealed_values,
        has_passphrase: manifest.passphrase.is_some(),
    })
}

pub(super) fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

/// Writes one table; its digest is of what was sent, before it is packed.
pub(super) async fn write_part(reading: &Reading<'_>, writer: &mut Writer, table: &Table) -> Result<Part> {
    let mut part = Part {
        table: table.name.clone(),
        columns: table.columns.clone(),
        rows: count(reading.count(table).await?),
        bytes: 0,
        sha256: String::new(),
    };
    let stream = reading.copy_out(table).await?;
    (part.bytes, part.sha256) = writer.part(&part.entry(), stream).await?;
    Ok(part)
}

async fn describe(reading: &Reading<'_>, tenant: &Tenant) -> Result<TenantManifest> {
    let (tx, id) = (reading.tx(), tenant.id());
    Ok(TenantManifest {
        format: FORMAT,
        kind: Kind::Tenant,
        lastmile: env!("CARGO_PKG_VERSION").to_owned(),
        exported_at: Utc::now(),
        tenant: tenant_part(tx, id).await?,
        schema_version: reading.version().await?,
        parts: Vec::new(),
        sealed_values: 0,
        keys: keys_of(tx, id).await?,
        passphrase: None,
        domains: domains_of(tx, id).await?,
        usage: usage_of(tx, id).await?,
        plan: plan_of(tx, id).await?,
        audit_anchors: anchors_of(tx, id).await?,
    })
}

/// As the snapshot has it, not as this process remembers it.
async fn tenant_part(tx: &OwnerTx, id: TenantId) -> Result<TenantPart> {
    let row = tx
        .query_opt(
            "SELECT id, slug, name, status, time_zone, currency, country, created_at, sandbox_of FROM public.tenant
             WHERE id = $1 AND status <> 'closed'",
            &[&id],
        )
        .await?
        .ok_or(Error::not_found("provider"))?;
    Ok(TenantPart {
        id: row.get("id"),
        slug: row.get("slug"),
        name: row.get("name"),
        status: row.get("status"),
        time_zone: row.get("time_zone"),
        currency: row.get("currency"),
        country: row.get("country"),
        created_at: row.get("created_at"),
        sandbox_of: row.get("sandbox_of"),
    })
}

async fn keys_of(tx: &OwnerTx, id: TenantId) -> Result<Vec<KeyPart>> {
    let rows = tx
        .query(
            "SELECT version, master_version, wrapped FROM public.tenant_key WHERE tenant_id = $1 ORDER BY version",
            &[&id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| KeyPart {
            version: row.get("version"),
            master_version: row.get("master_version"),
            wrapped: STANDARD.encode(row.get::<_, Vec<u8>>("wrapped")),
            travelling: None,
        })
        .collect())
}

async fn domains_of(tx: &OwnerTx, id: TenantId) -> Result<Vec<DomainPart>> {
    let rows = tx
        .query(
            "SELECT domain, status, proof_token FROM public.tenant_domain WHERE tenant_id = $1 ORDER BY domain",
            &[&id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| DomainPart {
            domain: row.get("domain"),
            status: row.get("status"),
            proof_token: row.get("proof_token"),
        })
        .collect())
}

async fn usage_of(tx: &OwnerTx, id: TenantId) -> Result<Vec<UsagePart>> {
    let rows = tx
        .query(
            "SELECT used_on, metric, amount FROM public.usage WHERE tenant_id = $1 ORDER BY used_on, metric",
            &[&id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| UsagePart {
            used_on: row.get("used_on"),
            metric: row.get("metric"),
            amount: row.get("amount"),
        })
        .collect())
}

async fn plan_of(tx: &OwnerTx, id: TenantId) -> Result<Option<PlanPart>> {
    let sql = "SELECT p.code FROM public.tenant_plan h JOIN public.plan p ON p.id = h.plan_id WHERE h.tenant_id = $1 AND h.until IS NULL";
    let Some(row) = tx.query_opt(sql, &[&id]).await? else { return Ok(None) };
    let limits =
        tx.query("SELECT metric, amount FROM public.tenant_limit WHERE tenant_id = $1", &[&id]).await?;
    let limits = limits.iter().map(|row| (row.get("metric"), row.get("amount"))).collect();
    Ok(Some(PlanPart { code: row.get("code"), limits }))
}

async fn anchors_of(tx: &OwnerTx, id: TenantId) -> Result<Vec<AnchorPart>> {
    let rows = tx
        .query(
            "SELECT sealed_to, mac, anchored_at FROM public.audit_anchor WHERE tenant_id = $1 ORDER BY sealed_to",
            &[&id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| AnchorPart {
            sealed_to: row.get("sealed_to"),
            mac: STANDARD.encode(row.get::<_, Vec<u8>>("mac")),
            anchored_at: row.get("anchored_at"),
        })
        .collect())
}

/// Wraps the data keys once more, under the passphrase's key.
async fn pack_keys(
    manifest: &mut TenantManifest,
    keyring: &Keyring,
    passphrase: &Passphrase,
) -> Result<TravelKey> {
    let params = TravelParams::fresh();
    let travel = TravelKey::derive(passphrase, &params)?;
    let tenant = manifest.tenant.id;
    for key in &mut manifest.keys {
        let plain = keyring.unwrap(tenant, &wrapped(key)?).await?;
        key.travelling = Some(STANDARD.encode(travel.wrap(tenant, &plain)?));
    }
    manifest.passphrase = Some(params);
    Ok(travel)
}

fn wrapped(key: &KeyPart) -> Result<WrappedKey> {
    Ok(WrappedKey { version: key.version, master_version: key.master_version, bytes: decoded(&key.wrapped)? })
}

fn decoded(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_odd| damaged("a key or an anchor is not base64"))
}

/// What is imported, and as whom.
pub struct Import<'a> {
    pub file: &'a Path,
    /// Another slug than the archive's.
    pub slug: Option<Slug>,
    pub passphrase: Option<&'a Passphrase>,
    /// Custom domains stay as they were; else they have to be proved again.
    pub keeps_domains: bool,
    /// Comes in as a sandbox of this tenant: with made-up people, and nothing but its schema.
    pub sandbox_of: Option<TenantId>,
    pub asked_by: &'a str,
}

/// What became of an import.
#[derive(Debug, Clone, Serialize)]
pub struct Imported {
    pub id: Uuid,
    pub slug: String,
    pub rows: u64,
    /// Whether the tenant has the id that it had.
    pub is_same_id: bool,
    /// Whether the anchors of the audit trail came along and hold here; else the chain has to be anchored anew.
    pub is_anchored: bool,
}

/// Takes a tenant in from an archive, all of it or nothing. Everything is looked at before anything is written.
pub async fn import_tenant(
    registry: &Registry,
    keyring: &Keyring,
    import: &Import<'_>,
    seen: Progress<'_>,
) -> Result<(Tenant, Imported)> {
    let mut reader = Reader::open(import.file)?;
    let (bytes, proof) = reader.manifest()?;
    let manifest: TenantManifest = parse(&bytes, Kind::Tenant)?;
    let travel = travel_key(&manifest, import.passphrase, &bytes, proof.as_deref())?;
    reader.verify(&manifest.parts)?;
    let old_id = manifest.tenant.id;
    let id = id_for(registry, TenantId(old_id)).await?;
    let unpacked = unpack_keys(&manifest, keyring, travel.as_ref(), id).await?;
    let keys = unpacked.for_registry(keyring, id).await?;
    let is_same_id = id.0 == old_id;
    let is_anchored = is_same_id && unpacked.is_ours;
    let arrival = arrival(&manifest, import, id, keys)?;
    let tenant = tenancy::receive(
        registry,
        &arrival,
        manifest.schema_version,
        async |tx, inside| {
            let filling = Filling::of_tenant(tx, inside);
            let tables = fill(&filling, &mut reader, &manifest.parts, seen).await?;
            if import.sandbox_of.is_some() {
                return sandbox::mask(&filling).await;
            }
            if is_same_id { Ok(()) } else { reseal(&filling, &tables, &unpacked.keys, (old_id, id.0)).await }
        },
        async |tx| match import.sandbox_of {
            Some(original) => sandbox::settle(tx, id, original).await,
            None => settle(tx, id, &manifest, is_anchored).await,
        },
    )
    .await?;
    let imported = Imported {
        id: id.0,
        slug: tenant.slug.to_string(),
        rows: manifest.parts.iter().map(|part| part.rows).sum(),
        is_same_id,
        is_anchored,
    };
    Ok((tenant, imported))
}

fn travel_key(
    manifest: &TenantManifest,
    passphrase: Option<&Passphrase>,
    bytes: &[u8],
    proof: Option<&[u8]>,
) -> Result<Option<TravelKey>> {
    let Some(passphrase) = passphrase else { return Ok(None) };
    let (Some(params), Some(proof)) = (&manifest.passphrase, proof) else {
        return Err(Error::conflict("no_passphrase", "The archive was made without a passphrase."));
    };
    let key = TravelKey::derive(passphrase, params)?;
    if !key.vouches_for(bytes, proof)? {
        return Err(Error::conflict(
            "wrong_passphrase",
            "The passphrase is not the archive's, or the archive was changed. Nothing was written.",
        ));
    }
    Ok(Some(key))
}

/// The archive's id, unless somebody lives under it.
async fn id_for(registry: &Registry, id: TenantId) -> Result<TenantId> {
    let row = registry
        .db()
        .read_public(async |tx| tx.query_opt("SELECT status FROM public.tenant WHERE id = $1", &[&id]).await)
        .await?;
    let is_free = row.is_none_or(|row| row.get::<_, &str>("status") == "closed");
    Ok(if is_free { id } else { TenantId::new() })
}

/// The archive's data keys, opened.
struct Unpacked {
    keys: BTreeMap<i32, DataKey>,
    /// Whether this deployment's own master keys opened them.
    is_ours: bool,
}

async fn unpack_keys(
    manifest: &TenantManifest,
    keyring: &Keyring,
    travel: Option<&TravelKey>,
    id: TenantId,
) -> Result<Unpacked> {
    let tenant = manifest.tenant.id;
    let mut unpacked = Unpacked { keys: BTreeMap::new(), is_ours: true };
    for key in &manifest.keys {
        let ours = match keyring.unwrap(tenant, &wrapped(key)?).await {
            Ok(plain) => Some(plain),
            Err(away @ Error::Unavailable { .. }) => return Err(away),
            Err(_of_another_deployment) => None,
        };
        unpacked.is_ours &= ours.is_some();
        let plain = match (ours, travel, &key.travelling) {
            (Some(plain), ..) => plain,
            (None, Some(travel), Some(text)) => travel.unwrap(tenant, key.version, &decoded(text)?)?,
            _ if manifest.sealed_values == 0 => continue,
            _ => {
                let detail = if manifest.passphrase.is_some() {
                    "The archive comes from another deployment: give its --passphrase-file."
                } else {
                    "The archive comes from another deployment and holds sealed values: export it there with --passphrase-file."
                };
                return Err(Error::conflict("keys_missing", detail));
            }
        };
        unpacked.keys.insert(key.version, plain);
    }
    if unpacked.keys.is_empty() {
        tracing::info!(tenant = %id, "nothing is sealed in this archive: the provider gets a new data key");
        unpacked.keys.insert(1, DataKey::generate(1)?);
        unpacked.is_ours = false;
    }
    Ok(unpacked)
}

impl Unpacked {
    async fn for_registry(&self, keyring: &Keyring, id: TenantId) -> Result<Vec<ArrivingKey>> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for key in self.keys.values() {
            let new = keyring.wrap(id.0, key).await?;
            keys.push(ArrivingKey {
                version: new.version,
                master_version: new.master_version,
                wrapped: new.bytes,
            });
        }
        Ok(keys)
    }
}

fn arrival(
    manifest: &TenantManifest,
    import: &Import<'_>,
    id: TenantId,
    keys: Vec<ArrivingKey>,
) -> Result<Arrival> {
    let part = &manifest.tenant;
    let slug = match &import.slug {
        Some(slug) => slug.clone(),
        None => Slug::parse(&part.slug).map_err(|odd| damaged(&format!("its slug: {}", odd.detail())))?,
    };
    let is_sandbox = import.sandbox_of.is_some();
    let domains = manifest.domains.iter().filter(|_| !is_sandbox).map(|domain| ArrivingDomain {
        domain: domain.domain.clone(),
        proof_token: domain.proof_token.clone(),
        status: if import.keeps_domains { domain.status.clone() } else { "pending".to_owned() },
    });
    Ok(Arrival {
        id,
        slug,
        name: part.name.clone(),
        is_suspended: part.status != "active" && !is_sandbox,
        time_zone: part.time_zone.clone(),
        currency: part.currency.clone(),
        country: part.country.clone(),
        created_at: if is_sandbox { Utc::now() } else { part.created_at },
        keys,
        domains: domains.collect(),
        asked_by: import.asked_by.to_owned(),
    })
}

/// Fills every table of the archive. The statements are made of what the schema has, never of what the archive says.
pub(super) async fn fill(
    filling: &Filling<'_>,
    reader: &mut Reader,
    parts: &[Part],
    seen: Progress<'_>,
) -> Result<Vec<Table>> {
    let by_name: BTreeMap<&str, &Part> = parts.iter().map(|part| (part.table.as_str(), part)).collect();
    let all = filling.tables().await?;
    if let Some(unknown) = by_name.keys().find(|name| !all.iter().any(|table| table.name == **name)) {
        return Err(damaged(&format!("there is no table {unknown} in this version")));
    }
    filling
        .empty(&all.iter().filter(|table| is_filled(table, &by_name)).cloned().collect::<Vec<_>>())
        .await?;
    let mut filled = Vec::new();
    for table in all {
        let Some(part) = by_name.get(table.name.as_str()) else { continue };
        if part.columns != table.columns {
            return Err(damaged(&format!("table {} has other columns in this version", table.name)));
        }
        seen(filled.len(), parts.len());
        let mut sink = filling.copy_in(&table).await?;
        let mut reading = reader.part(part)?;
        while let Some(chunk) = reading.next()? {
            sink.send(chunk).await.internal()?;
        }
        let rows = sink.as_mut().finish().await.internal()?;
        if rows != part.rows {
            return Err(damaged(&format!("{} has {rows} rows, not {}", part.entry(), part.rows)));
        }
        filled.push(table);
    }
    seen(parts.len(), parts.len());
    Ok(filled)
}

/// Tables that the archive fills, and those that it leaves behind (they are empty, and refer to the others).
fn is_filled(table: &Table, parts: &BTreeMap<&str, &Part>) -> bool {
    parts.contains_key(table.name.as_str()) || LEFT_BEHIND.contains(&table.name.as_str())
}

/// Seals every sealed value anew: it is bound to the tenant's id, and that is another one now.
async fn reseal(
    filling: &Filling<'_>,
    tables: &[Table],
    keys: &BTreeMap<i32, DataKey>,
    (old, new): (Uuid, Uuid),
) -> Result<()> {
    for table in tables {
        for column in table.sealed() {
            for (row, value) in filling.sealed_values(table, column).await? {
                let key = keys
                    .get(&sealed_version(&value)?)
                    .ok_or_else(|| damaged("a value is sealed with a key that is not there"))?;
                let cell = |tenant| Aad { tenant, table: &table.name, column: table.sealed_for(column), row };
                let plain = open(key, &cell(old), &value)?;
                filling.set_sealed(table, column, row, &seal(key, &cell(new), &plain)?).await?;
            }
        }
    }
    Ok(())
}

/// Where there is no plan of this code, the tenant has none, and the platform's people give it one.
async fn settle_plan(tx: &OwnerTx, id: TenantId, plan: &PlanPart) -> Result<()> {
    let given = tx
        .execute(
            "INSERT INTO public.tenant_plan (tenant_id, plan_id, plan_name, monthly_price, currency, chosen_by)
             SELECT $1, id, name, monthly_price, currency, 'import' FROM public.plan WHERE code = $2",
            &[&id, &plan.code],
        )
        .await?;
    for (metric, amount) in plan.limits.iter().filter(|_| given > 0) {
        tx.execute(
            "INSERT INTO public.tenant_limit (tenant_id, metric, amount) VALUES ($1, $2, $3)",
            &[&id, metric, amount],
        )
        .await?;
    }
    Ok(())
}

/// What the tenant has outside its schema.
async fn settle(tx: &OwnerTx, id: TenantId, manifest: &TenantManifest, with_anchors: bool) -> Result<()> {
    if let Some(original) = manifest.tenant.sandbox_of {
        sandbox::settle(tx, id, TenantId(original)).await?;
    }
    for usage in &manifest.usage {
        tx.execute(
            "INSERT INTO public.usage (tenant_id, used_on, metric, amount) VALUES ($1, $2, $3, $4)",
            &[&id, &usage.used_on, &usage.metric, &usage.amount],
        )
        .await?;
    }
    if let Some(plan) = &manifest.plan {
        settle_plan(tx, id, plan).await?;
    }
    // A tombstone keeps the anchors that it had.
    tx.execute("DELETE FROM public.audit_anchor WHERE tenant_id = $1", &[&id]).await?;
    if with_anchors {
        for anchor in &manifest.audit_anchors {
            tx.execute(
                "INSERT INTO public.audit_anchor (tenant_id, sealed_to, mac, anchored_at) VALUES ($1, $2, $3, $4)",
                &[&id, &anchor.sealed_to, &decoded(&anchor.mac)?, &anchor.anchored_at],
            )
            .await?;
        }
    }
    Ok(())
}
