//! Customers as those whom messages reach, without being entered twice: what messaging knows of this business.
//!
//! Owns no table. Reads `customer` and, for what a template may say of somebody, `area`, `installation`, `subscription` (its plan),
//! `customer_account` and `subscriber_login`; `outage` and `outage_subscriber` for whom one hits; names of `plan` and `nap` for the
//! choices. Writes nothing. Deleted customers are in no segment and are not found; terminated ones are in no segment.

mod segments;
mod store;

use chrono_tz::Tz;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value};
use uuid::Uuid;

use self::{segments::Part, store::Reached};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::{
        Channel,
        audience::{Directory, Person, Segment, SegmentKind},
    },
    tenancy::Tenant,
    types::{CustomerId, amount::grouped},
    words::say,
};

/// Customers, as [`Directory`] asks for them.
pub struct Audience;

impl Directory for Audience {
    fn kinds(&self) -> &'static [SegmentKind] {
        segments::KINDS
    }

    fn choices<'a>(&'a self, tx: &'a TenantTx, kind: &'a str) -> BoxFuture<'a, Result<Vec<(Uuid, String)>>> {
        async move {
            match kind {
                "area" => store::areas(tx).await,
                "plan" => store::plans(tx).await,
                "nap" => store::naps(tx).await,
                "outage" => store::outages(tx).await,
                "customer" => store::customers(tx).await,
                _ => Ok(Vec::new()),
            }
        }
        .boxed()
    }

    fn label<'a>(&'a self, tx: &'a TenantTx, segment: &'a Segment) -> BoxFuture<'a, Result<Option<String>>> {
        async move {
            let Some(part) = Part::of(segment) else { return Ok(None) };
            let of = |name: Option<String>, what: &str| name.map(|name| format!("{what} {name}"));
            Ok(match part {
                Part::All => Some(say("All customers").to_owned()),
                Part::Customer(id) => store::customer_name(tx, id).await?,
                Part::Area(id) => of(store::area_name(tx, id).await?, say("Customers of")),
                Part::Plan(id) => of(store::plan_name(tx, id).await?, say("Customers with")),
                Part::Nap(id) => of(store::nap_name(tx, id).await?, say("Customers on")),
                Part::Outage(id) => of(store::outage_number(tx, id).await?, say("Hit by")),
                Part::Expiring(0) => Some(say("Expiring today").to_owned()),
                Part::Expiring(1) => Some(say("Expiring within 1 day").to_owned()),
                Part::Expiring(days) => Some(say!("Expiring within {} days", days)),
                Part::Overdue => Some(say("Overdue").to_owned()),
            })
        }
        .boxed()
    }

    fn page<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        segment: &'a Segment,
        after: Option<CustomerId>,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<Person>>> {
        async move {
            // What is no segment has nobody; it is never everybody.
            let Some(part) = Part::of(segment) else { return Ok(Vec::new()) };
            let ids = store::page(tx, part, &zone(tenant), after, limit).await?;
            people(tx, tenant, &ids).await
        }
        .boxed()
    }

    fn count<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        segment: &'a Segment,
    ) -> BoxFuture<'a, Result<i64>> {
        async move {
            match Part::of(segment) {
                Some(part) => store::count(tx, part, &zone(tenant)).await,
                None => Ok(0),
            }
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        ids: &'a [CustomerId],
    ) -> BoxFuture<'a, Result<Vec<Person>>> {
        people(tx, tenant, ids).boxed()
    }

    fn search<'a>(
        &'a self,
        tx: &'a TenantTx,
        tenant: &'a Tenant,
        words: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<Person>>> {
        async move {
            let ids = store::search(tx, words, limit).await?;
            people(tx, tenant, &ids).await
        }
        .boxed()
    }
}

fn zone(tenant: &Tenant) -> String {
    tenant.time_zone.0.name().to_owned()
}

/// These customers in the order of their ids.
async fn people(tx: &TenantTx, tenant: &Tenant, ids: &[CustomerId]) -> Result<Vec<Person>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = store::reached(tx, ids).await?;
    Ok(found.into_iter().map(|one| person(one, tenant.time_zone.0, &tenant.currency)).collect())
}

fn person(one: Reached, zone: Tz, currency: &str) -> Person {
    let name = format!("{} {}", one.first_name, one.last_name);
    let mut addresses = Vec::new();
    if let Some(phone) = &one.phone {
        addresses.push((Channel::Sms, phone.clone()));
        addresses.push((Channel::Whatsapp, phone.clone()));
    }
    addresses.extend(one.email.clone().map(|email| (Channel::Email, email)));
    if one.has_login {
        addresses.push((Channel::InApp, one.id.to_string()));
    }
    let expires_on = one.paid_until.map(|at| at.with_timezone(&zone).date_naive().to_string());
    let told = [
        ("name", Some(name.clone())),
        ("first_name", Some(one.first_name)),
        ("last_name", Some(one.last_name)),
        ("account_number", one.reference),
        ("phone", one.phone),
        ("email", one.email),
        ("address", one.street_address),
        ("area", one.area),
        ("plan", one.plan),
        ("expires_on", expires_on),
        ("balance", Some(grouped(one.owes))),
        ("credit", Some(grouped(one.credit))),
        ("currency", Some(currency.to_owned())),
    ];
    // What is not known is left out, so that a template's fallback stands in for it.
    let context: Map<String, Value> =
        told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::String(value?)))).collect();
    Person { contact: None, customer: Some(one.id), name, language: None, addresses, context }
}
