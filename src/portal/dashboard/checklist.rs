//! What a new provider does first, and how far it is.

use serde::Serialize;

use crate::words::say;
use crate::{access::By, audit::Event, db::TenantTx, error::Result};

/// The accent that every company begins with.
const FIRST_ACCENT: &str = "#2563eb";

/// The steps of getting started, in the template as `checklist`.
#[derive(Debug, Clone, Serialize)]
pub struct Checklist {
    done: usize,
    total: usize,
    percent: usize,
    dismiss_action: &'static str,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Serialize)]
struct Step {
    label: &'static str,
    text: &'static str,
    href: &'static str,
    done: bool,
}

/// The checklist, or None once it was put away.
pub async fn find_checklist(tx: &TenantTx) -> Result<Option<Checklist>> {
    let row = tx
        .query_one(
            "SELECT checklist_dismissed_at IS NOT NULL AS dismissed,
                    coalesce(legal_name, street_address, phone, email) IS NOT NULL AS has_profile,
                    logo_file_id IS NOT NULL OR accent <> $1 AS has_brand,
                    EXISTS (SELECT 1 FROM customer) AS has_customers,
                    (SELECT count(*) FROM (SELECT 1 FROM staff LIMIT 2) s) > 1 AS has_colleagues
             FROM company",
            &[&FIRST_ACCENT],
        )
        .await?;
    if row.get("dismissed") {
        return Ok(None);
    }
    let step = |label, text, href, done| Step { label, text, href, done };
    let steps = vec![
        step(say("Create the portal"), "", "/", true),
        step(
            say("Fill in the company profile"),
            say("Name, address and contact."),
            "/settings/company",
            row.get("has_profile"),
        ),
        step(
            say("Add your logo and colour"),
            say("So that staff know where they are."),
            "/settings/branding",
            row.get("has_brand"),
        ),
        step(
            say("Bring your customers"),
            say("From CSV or Excel, or one by one."),
            "/customers/import",
            row.get("has_customers"),
        ),
        step(say("Add a colleague"), say("With a role that fits."), "/staff/new", row.get("has_colleagues")),
    ];
    let done = steps.iter().filter(|step| step.done).count();
    let total = steps.len();
    Ok(Some(Checklist {
        done,
        total,
        percent: done * 100 / total,
        dismiss_action: "/dashboard/checklist/dismiss",
        steps,
    }))
}

/// Puts the checklist away.
pub async fn dismiss_checklist(tx: &TenantTx, by: &By) -> Result<()> {
    let put_away = tx
        .execute(
            "UPDATE company SET checklist_dismissed_at = now() WHERE checklist_dismissed_at IS NULL",
            &[],
        )
        .await?;
    if put_away == 0 {
        return Ok(());
    }
    by.record(
        tx,
        Event {
            action: "company.checklist_dismissed",
            object_type: "company",
            object_id: None,
            object_label: &by.tenant.name,
            before: None,
            after: None,
        },
    )
    .await
}
