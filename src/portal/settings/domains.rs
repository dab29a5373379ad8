//! Use cases of the tenant's own domains: what `tenancy/` does, held to its proof and written into the trail.

use serde_json::json;

use crate::{
    access::By,
    audit::Event,
    certificates::{self, Certificate},
    db::TenantTx,
    error::{Error, Result},
    tenancy::{self, Dns, Domain, Registry, plans::Feature},
    types::DomainId,
    words::say,
};

/// The tenant's domains, by name.
pub async fn list(registry: &Registry, by: &By) -> Result<Vec<Domain>> {
    registry.db().read_tenant(&by.tenant, async |tx| tenancy::list_domains(tx).await).await
}

/// What is known of the certificates of the tenant's domains.
pub async fn certificates(registry: &Registry, by: &By) -> Result<Vec<Certificate>> {
    registry.db().read_tenant(&by.tenant, async |tx| certificates::list_certificates(tx).await).await
}

/// The certificate of a domain that is served; none while its first order is still to be made.
pub async fn certificate(registry: &Registry, by: &By, id: DomainId) -> Result<Option<Certificate>> {
    registry
        .db()
        .read_tenant(&by.tenant, async |tx| {
            served(tx, id).await?;
            let listed = certificates::list_certificates(tx).await?;
            Ok(listed.into_iter().find(|certificate| certificate.domain == id))
        })
        .await
}

/// Orders the certificate of a served domain again at once, after a refusal.
pub async fn order_certificate_again(registry: &Registry, by: &By, id: DomainId) -> Result<Domain> {
    registry
        .db()
        .in_tenant(&by.tenant, async |tx| {
            let domain = served(tx, id).await?;
            certificates::order_again(tx, id).await?;
            record(tx, by, "domain.certificate_ordered", &domain, Some(&domain.status)).await?;
            Ok(domain)
        })
        .await
}

async fn served(tx: &TenantTx, id: DomainId) -> Result<Domain> {
    let domain = tenancy::get_domain(tx, id).await?;
    if domain.status == "active" { Ok(domain) } else { Err(Error::not_found("certificate")) }
}

/// Adds a domain that is to be proved.
pub async fn add(registry: &Registry, base_domain: &str, by: &By, name: &str) -> Result<Domain> {
    by.tenant.entitlements.require(Feature::CustomDomain)?;
    registry
        .db()
        .in_tenant(&by.tenant, async |tx| {
            let domain = tenancy::add_domain(tx, base_domain, name).await?;
            record(tx, by, "domain.created", &domain, None).await?;
            Ok(domain)
        })
        .await
}

/// Looks the proof up and remembers what was found.
pub async fn check(registry: &Registry, dns: &Dns, by: &By, id: DomainId) -> Result<Domain> {
    let (before, is_there) = look_up(registry, dns, by, id).await?;
    let checked = registry.db().in_tenant(&by.tenant, async |tx| note(tx, by, &before, is_there).await).await;
    registry.news().tenant_changed();
    checked
}

/// Serves the domain, if its proof is there at this moment.
pub async fn activate(registry: &Registry, dns: &Dns, by: &By, id: DomainId) -> Result<Domain> {
    let (before, is_there) = look_up(registry, dns, by, id).await?;
    // What was found is remembered also when it is a refusal: an Err would roll the memory back.
    let activated = registry
        .db()
        .in_tenant(&by.tenant, async |tx| {
            let domain = note(tx, by, &before, is_there).await?;
            if !is_there || domain.status == "active" {
                return Ok(Some(domain).filter(|_| is_there));
            }
            let active = tenancy::activate_domain(tx, id).await?;
            record(tx, by, "domain.activated", &active, Some(&domain.status)).await?;
            Ok(Some(active))
        })
        .await;
    registry.news().tenant_changed();
    activated?.ok_or_else(|| {
        let detail = say!("There is no TXT record {} with this value.", before.proof_name);
        Error::conflict("not_proved", detail)
    })
}

/// Serves the domain no longer, and forgets it.
pub async fn remove(registry: &Registry, by: &By, id: DomainId) -> Result<Domain> {
    let removed = registry
        .db()
        .in_tenant(&by.tenant, async |tx| {
            let domain = tenancy::remove_domain(tx, id).await?;
            record(tx, by, "domain.deleted", &domain, Some(&domain.status)).await?;
            Ok(domain)
        })
        .await;
    registry.news().tenant_changed();
    removed
}

/// No connection is held while a name server thinks.
async fn look_up(registry: &Registry, dns: &Dns, by: &By, id: DomainId) -> Result<(Domain, bool)> {
    let domain = registry.db().read_tenant(&by.tenant, async |tx| tenancy::get_domain(tx, id).await).await?;
    let is_there = dns.holds_proof(&domain).await?;
    Ok((domain, is_there))
}

async fn note(tx: &TenantTx, by: &By, before: &Domain, is_there: bool) -> Result<Domain> {
    let domain = tenancy::record_domain_check(tx, before.id, is_there).await?;
    if domain.status != before.status {
        let action = if is_there { "domain.proved" } else { "domain.lost" };
        record(tx, by, action, &domain, Some(&before.status)).await?;
    }
    Ok(domain)
}

async fn record(
    tx: &TenantTx,
    by: &By,
    action: &'static str,
    domain: &Domain,
    status_before: Option<&str>,
) -> Result<()> {
    let is_gone = action == "domain.deleted";
    let happened = Event {
        action,
        object_type: "domain",
        object_id: Some(domain.id.0),
        object_label: &domain.domain,
        before: status_before.map(|status| json!({ "status": status })),
        after: (!is_gone).then(|| json!({ "status": domain.status })),
    };
    by.record(tx, happened).await
}
