//! What a tenant may have, and how a limit is held.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    db::TenantTx,
    error::{Error, Result},
    tenancy::Tenant,
    words::say,
};

/// What plans limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Staff who are not switched off, invited ones too.
    Staff,
    /// Customers who are not deleted.
    Customers,
    /// Messages that providers took in a calendar month, with those that wait to be sent.
    Messages,
    /// What files weigh together, in MiB.
    Storage,
    /// Requests a second, of all callers together, per process.
    ApiRate,
}

impl Metric {
    pub const ALL: [Self; 5] = [Self::Staff, Self::Customers, Self::Messages, Self::Storage, Self::ApiRate];

    /// As tables, forms and the API have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Customers => "customers",
            Self::Messages => "messages",
            Self::Storage => "storage",
            Self::ApiRate => "api_rate",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Staff => say("Staff"),
            Self::Customers => say("Customers"),
            Self::Messages => say("Messages a month"),
            Self::Storage => say("Storage in MiB"),
            Self::ApiRate => say("Requests a second"),
        }
    }

    /// In the middle of a sentence: "allows 3 people of staff".
    fn things(self) -> &'static str {
        match self {
            Self::Staff => say("people of staff"),
            Self::Customers => "customers",
            Self::Messages => say("messages a month"),
            Self::Storage => say("MiB of files"),
            Self::ApiRate => say("requests a second"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == text)
    }
}

/// What a plan has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    Campaigns,
    SingleSignOn,
    CustomDomain,
}

impl Feature {
    pub const ALL: [Self; 3] = [Self::Campaigns, Self::SingleSignOn, Self::CustomDomain];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaigns => "campaigns",
            Self::SingleSignOn => "sso",
            Self::CustomDomain => "custom_domain",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Campaigns => say("Campaigns"),
            Self::SingleSignOn => say("Single sign-on"),
            Self::CustomDomain => say("Own domains"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.as_str() == text)
    }
}

/// What a tenant may have, as the registry knows it: a change is known everywhere within a second.
#[derive(Debug, Clone, Default)]
pub struct Entitlements {
    /// The plan's name; none: nothing but what was agreed with this tenant is limited, and it has every feature.
    pub plan: Option<String>,
    limits: BTreeMap<Metric, i64>,
    features: BTreeSet<Feature>,
}

/// What the registry reads of it: the plan's name, its features, and `{metric: amount}`, null where a limit was lifted.
pub struct Row {
    pub plan: Option<String>,
    pub features: Option<Vec<String>>,
    pub limits: Option<Value>,
}

impl From<Row> for Entitlements {
    fn from(row: Row) -> Self {
        let limits = row.limits.as_ref().and_then(Value::as_object).into_iter().flatten();
        Self {
            plan: row.plan,
            limits: limits
                .filter_map(|(metric, amount)| Some((Metric::parse(metric)?, amount.as_i64()?)))
                .collect(),
            features: row.features.iter().flatten().filter_map(|text| Feature::parse(text)).collect(),
        }
    }
}

/// A limit, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    pub metric: Metric,
    pub max: i64,
    plan: String,
}

impl Cap {
    /// A plan's own limit.
    pub fn of(plan: impl Into<String>, metric: Metric, max: i64) -> Self {
        Self { metric, max, plan: plan.into() }
    }

    /// 409 `plan_limit_reached` when so many more are too many.
    pub fn admit(&self, used: i64, adding: i64) -> Result<()> {
        if used.saturating_add(adding) <= self.max {
            return Ok(());
        }
        let Self { metric, max, plan } = self;
        let (things, left) = (metric.things(), (max - used).max(0));
        Err(Error::conflict(
            "plan_limit_reached",
            say!(
                "{} allows {} {}, and {} of them are left. An owner can choose a larger plan under Settings, Plan.",
                plan,
                max,
                things,
                left
            ),
        ))
    }
}

impl Entitlements {
    /// The limit of a metric, if there is one.
    pub fn max(&self, metric: Metric) -> Option<i64> {
        self.limits.get(&metric).copied()
    }

    pub fn cap(&self, metric: Metric) -> Option<Cap> {
        let plan = self.plan.as_deref().unwrap_or("What was agreed");
        Some(Cap::of(plan, metric, self.max(metric)?))
    }

    pub fn has(&self, feature: Feature) -> bool {
        self.plan.is_none() || self.features.contains(&feature)
    }

    /// 403 `not_in_plan` where the plan has not got it.
    pub fn require(&self, feature: Feature) -> Result<()> {
        if self.has(feature) {
            return Ok(());
        }
        let (plan, label) = (self.plan.as_deref().unwrap_or_default(), feature.label());
        Err(Error::forbidden(
            "not_in_plan",
            say!(
                "{}: the plan {} does not have this. An owner can choose a larger one under Settings, Plan.",
                label,
                plan
            ),
        ))
    }
}

/// Refuses what goes beyond the tenant's plan (409 `plan_limit_reached`). Where there is a limit, those who add to the same thing
/// take turns until their units end, so that fifty at once do not slip through together; `used` is counted in one's turn.
///
/// A plan that was changed a moment ago may still be the old one for a second.
pub async fn must_fit(
    tx: &TenantTx,
    tenant: &Tenant,
    metric: Metric,
    adding: i64,
    used: impl AsyncFnOnce() -> Result<i64>,
) -> Result<()> {
    let Some(cap) = tenant.entitlements.cap(metric) else { return Ok(()) };
    take_turn(tx, metric).await?;
    cap.admit(used().await?, adding)
}

/// From here to the end of the unit nobody else adds to this.
async fn take_turn(tx: &TenantTx, metric: Metric) -> Result<()> {
    tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('plan limit ' || current_user || $1, 0))",
        &[&metric.as_str()],
    )
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entitled(limits: Value) -> Entitlements {
        let features = Some(vec!["campaigns".to_owned(), "of the future".to_owned()]);
        Row { plan: Some("Starter".into()), features, limits: Some(limits) }.into()
    }

    #[test]
    fn who_has_no_plan_is_not_limited() {
        let free = Entitlements::from(Row { plan: None, features: None, limits: None });
        assert!(Metric::ALL.into_iter().all(|metric| free.cap(metric).is_none()));
        assert!(Feature::ALL.into_iter().all(|feature| free.require(feature).is_ok()));
    }

    #[test]
    fn a_limit_is_reached_and_not_passed() {
        let some = entitled(json!({"staff": 3, "customers": null}));
        let cap = some.cap(Metric::Staff).unwrap();
        assert!(cap.admit(2, 1).is_ok() && cap.admit(0, 3).is_ok());
        let refused = cap.admit(3, 1).unwrap_err();
        assert_eq!(refused.code(), "plan_limit_reached");
        assert!(refused.detail().starts_with("Starter allows 3 people of staff, and 0 of them are left."));
        assert!(cap.admit(i64::MAX, 1).is_err(), "no wrap-around");
        assert_eq!(some.cap(Metric::Customers), None, "a limit that was lifted is none");
        assert_eq!(some.cap(Metric::Messages), None);
    }

    #[test]
    fn a_plan_has_the_features_that_it_names() {
        let some = entitled(json!({}));
        assert!(some.require(Feature::Campaigns).is_ok());
        assert_eq!(some.require(Feature::SingleSignOn).unwrap_err().code(), "not_in_plan");
    }
}
