//! What the platform sells to providers: plans with limits and features, who has which, what was used, and the statements of it.
//!
//! Owns `public.plan`, `plan_limit`, `tenant_plan`, `tenant_limit`, `statement` and `usage`. A tenant that has no plan is not
//! limited, so that a deployment of one's own needs none of this.
//!
//! Limits are held where the thing is made ([`must_fit`]), by counting what is there in the unit of work that adds to it: there is
//! no counter that could drift, and what is not limited costs no statement.

mod bill;
mod entitlements;
mod rules;
mod store;

pub use bill::{Line, next_month};
pub use entitlements::{Cap, Entitlements, Feature, Metric, must_fit};
pub use rules::{
    PlanForm, change_plan, choose, create_plan, day_edges, give, month_around, month_edges, record_usage,
    set_limits, state_month, unstated_months,
};
pub use store::{
    Had, Plan, Statement, current, find_plan, limits_of, list_plans, list_statements, list_usage,
};

pub(super) use entitlements::Row as EntitlementsRow;
