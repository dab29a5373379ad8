//! Custom domains: added, proved by a TXT record, activated, looked at again from time to time, removed.

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;
use hickory_resolver::{TokioResolver, proto::rr::RData};
use tokio_postgres::Row;

use super::registry::Registry;
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, OrInternal, Result},
    outbound,
    types::DomainId,
    web::Host,
    words::say,
};

const PROOF_LABEL: &str = "_lastmile";
const DOMAINS_MAX: usize = 20;

/// A custom domain of a tenant.
#[derive(Debug, Clone)]
pub struct Domain {
    pub id: DomainId,
    pub domain: String,
    /// `pending`, `proved`, `active` or `lost`.
    pub status: String,
    pub created_at: DateTime<Utc>,
    pub proved_at: Option<DateTime<Utc>>,
    pub checked_at: Option<DateTime<Utc>>,
    /// The name and the value of the TXT record that proves it.
    pub proof_name: String,
    pub proof_value: String,
}

fn domain_of(row: &Row) -> Domain {
    let domain: String = row.get("domain");
    let token: String = row.get("proof_token");
    Domain {
        id: row.get("id"),
        proof_name: format!("{PROOF_LABEL}.{domain}"),
        proof_value: format!("lastmile-proof={token}"),
        domain,
        status: row.get("status"),
        created_at: row.get("created_at"),
        proved_at: row.get("proved_at"),
        checked_at: row.get("checked_at"),
    }
}

/// Looks TXT records up, with the system's resolver or with one that the settings name.
#[derive(Clone)]
pub struct Dns(TokioResolver);

impl Dns {
    pub fn new(server: Option<SocketAddr>) -> Result<Self> {
        Ok(Self(outbound::resolver(server)?.build().internal()?))
    }

    /// Whether the domain's proof can be seen now. 503 when the name servers do not answer. Hold no connection meanwhile.
    pub async fn holds_proof(&self, domain: &Domain) -> Result<bool> {
        self.has(&domain.proof_name, &domain.proof_value).await.ok_or_else(|| {
            Error::unavailable("dns_unavailable", "The name servers do not answer. Try again in a moment.")
        })
    }

    /// Whether a TXT record of this name holds this value. None when nobody could tell.
    async fn has(&self, name: &str, value: &str) -> Option<bool> {
        self.0.clear_cache();
        match self.0.txt_lookup(format!("{name}.")).await {
            Ok(records) => Some(records.answers().iter().any(|record| match &record.data {
                RData::TXT(txt) => txt.txt_data.iter().any(|text| text.as_ref() == value.as_bytes()),
                _ => false,
            })),
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => Some(false),
            Err(error) => {
                tracing::warn!(name, %error, "a domain's proof could not be looked up");
                None
            }
        }
    }
}

/// The entered tenant's domains.
pub async fn list_domains(tx: &TenantTx) -> Result<Vec<Domain>> {
    let rows = tx
        .query("SELECT id, domain, status, proof_token, created_at, proved_at, checked_at FROM gate.list_domains()", &[])
        .await?;
    Ok(rows.iter().map(domain_of).collect())
}

/// One of the entered tenant's domains.
pub async fn get_domain(tx: &TenantTx, id: DomainId) -> Result<Domain> {
    list_domains(tx).await?.into_iter().find(|domain| domain.id == id).ok_or(Error::not_found("domain"))
}

/// Adds a domain that is to be proved. One under BASE_DOMAIN is refused: those are ours to give.
pub async fn add_domain(tx: &TenantTx, base_domain: &str, text: &str) -> Result<Domain> {
    let host = Host::parse(text).map_err(|_odd| not_a_domain())?;
    let name = host.as_str();
    if name == base_domain || host.label_under(base_domain).is_some() {
        return Err(Error::invalid(
            "domain",
            "ours",
            say!("Domains under {} come from your web address.", base_domain),
        ));
    }
    let plain = name.contains('.')
        && name.parse::<std::net::IpAddr>().is_err()
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    if !plain {
        return Err(not_a_domain());
    }
    if list_domains(tx).await?.len() >= DOMAINS_MAX {
        return Err(Error::conflict("too_many_domains", say!("At most {} domains.", DOMAINS_MAX)));
    }
    let id = DomainId::new();
    let token = BASE32_NOPAD.encode(&rand::random::<[u8; 20]>()).to_ascii_lowercase();
    tx.execute("SELECT gate.add_domain($1, $2, $3)", &[&id, &name, &token])
        .await
        .on_constraint("tenant_domain_tenant_id_domain_key", || {
            Error::conflict("domain_taken", "This domain is here already.")
        })?;
    get_domain(tx, id).await
}

fn not_a_domain() -> Error {
    Error::invalid("domain", "not_a_domain", "This is not a domain name, such as portal.example.com.")
}

/// Remembers what a look at the proof found: there makes a domain proved, absent makes an active one lost.
pub async fn record_domain_check(tx: &TenantTx, id: DomainId, is_there: bool) -> Result<Domain> {
    tx.execute("SELECT gate.record_domain_check($1, $2)", &[&id, &is_there]).await?;
    get_domain(tx, id).await
}

/// Serves a proved domain. Only one tenant can have it active.
pub async fn activate_domain(tx: &TenantTx, id: DomainId) -> Result<Domain> {
    get_domain(tx, id).await?;
    let row = tx
        .query_one("SELECT gate.activate_domain($1) AS status", &[&id])
        .await
        .on_constraint("tenant_domain_active_key", || {
            Error::conflict("domain_taken", "This domain is active elsewhere.")
        })?;
    if row.get::<_, Option<String>>("status").is_none() {
        return Err(Error::conflict("not_proved", "The domain is not proved yet."));
    }
    get_domain(tx, id).await
}

/// Removes a domain, and answers what it was.
pub async fn remove_domain(tx: &TenantTx, id: DomainId) -> Result<Domain> {
    let domain = get_domain(tx, id).await?;
    tx.execute("SELECT gate.remove_domain($1)", &[&id]).await?;
    Ok(domain)
}

/// Proves active domains again. One whose record is gone is no longer served; silence of the name servers changes nothing.
pub async fn recheck_domains(registry: &Registry, dns: &Dns, older_than_hours: u32) -> Result<usize> {
    let hours = f64::from(older_than_hours);
    let due = registry
        .db()
        .read_public(async |tx| {
            tx.query(
                "SELECT id, domain, status, proof_token, created_at, proved_at, checked_at FROM public.tenant_domain
                 WHERE status = 'active' AND coalesce(checked_at, created_at) < now() - make_interval(hours => $1::float8::int)
                 ORDER BY checked_at LIMIT 100",
                &[&hours],
            )
            .await
        })
        .await?;
    let mut lost = 0;
    for domain in due.iter().map(domain_of) {
        let Some(found) = dns.has(&domain.proof_name, &domain.proof_value).await else { continue };
        registry
            .db()
            .in_public(async |tx| {
                tx.execute(
                    "UPDATE public.tenant_domain SET checked_at = now(),
                        proved_at = CASE WHEN $2 THEN now() ELSE proved_at END,
                        status = CASE WHEN $2 THEN status ELSE 'lost' END
                     WHERE id = $1 AND status = 'active'",
                    &[&domain.id, &found],
                )
                .await?;
                if !found {
                    tx.execute("SELECT pg_notify('lastmile_news', 'tenant:domains')", &[]).await?;
                }
                Ok(())
            })
            .await?;
        lost += usize::from(!found);
        registry.news().tenant_changed();
    }
    Ok(lost)
}
