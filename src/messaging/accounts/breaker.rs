//! Taking an account out of use when too much goes wrong with it, and trying it again.
//!
//! A refusal of the account itself (a revoked key, no balance) opens its breaker at once, trouble with reaching it after
//! [`TROUBLE_MAX`] times in a row. When the time is over one message probes it: it closes, or opens again for twice as long.

use std::collections::BTreeMap;

use crate::{db::TenantTx, error::Result, events, types::AccountId};

/// So much trouble in a row opens a breaker.
const TROUBLE_MAX: i32 = 5;
const FIRST_WAIT_SECONDS: f64 = 30.0;
const LONGEST_WAIT_SECONDS: f64 = 900.0;
/// How long a probe may take.
const PROBE_SECONDS: f64 = 90.0;

/// What sending by an account came to, as far as the account is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It works, whatever it said of the message.
    Works,
    /// It could not be reached, or said "not now".
    Trouble(String),
    /// It refuses us: somebody has to mend it.
    Refuses(String),
}

#[derive(Default)]
struct Sum {
    works: bool,
    /// After it last worked.
    trouble: i32,
    refuses: bool,
    reason: String,
}

/// Writes down how accounts did, in the order of `notes`.
pub async fn note(tx: &TenantTx, notes: &[(AccountId, Note)]) -> Result<()> {
    let mut sums: BTreeMap<AccountId, Sum> = BTreeMap::new();
    for (account, note) in notes {
        let sum = sums.entry(*account).or_default();
        match note {
            Note::Works => *sum = Sum { works: true, ..Sum::default() },
            Note::Trouble(reason) => {
                sum.trouble += 1;
                sum.reason.clone_from(reason);
            }
            Note::Refuses(reason) => {
                sum.trouble += 1;
                sum.refuses = true;
                sum.reason.clone_from(reason);
            }
        }
    }
    for (account, sum) in sums {
        if sum.works {
            works(tx, account).await?;
        }
        if sum.trouble > 0 {
            trouble(tx, account, &sum).await?;
        }
    }
    Ok(())
}

/// Most of the time there is nothing to write.
async fn works(tx: &TenantTx, account: AccountId) -> Result<()> {
    tx.execute(
        "UPDATE provider_account SET breaker = 'closed', breaker_until = NULL, breaker_reason = NULL, failures = 0
         WHERE id = $1 AND (failures > 0 OR breaker <> 'closed')",
        &[&account],
    )
    .await
    .map(drop)
}

async fn trouble(tx: &TenantTx, account: AccountId, sum: &Sum) -> Result<()> {
    let row = tx
        .query_opt(
            "UPDATE provider_account p SET failures = p.failures + $2, breaker_reason = left($3, 300),
                breaker = CASE WHEN opens THEN 'open' ELSE p.breaker END,
                breaker_until = CASE WHEN opens THEN now() + make_interval(secs =>
                    least($6, $5 * power(2, least(greatest(p.failures + $2 - $7, 0), 10)))) ELSE p.breaker_until END
             FROM (SELECT id, breaker AS was, $4 OR breaker = 'half_open' OR failures + $2 >= $7 AS opens
                FROM provider_account WHERE id = $1 FOR UPDATE) o
             WHERE p.id = o.id RETURNING o.was = 'closed' AND o.opens AS is_news, p.label",
            &[
                &account,
                &sum.trouble,
                &sum.reason,
                &sum.refuses,
                &FIRST_WAIT_SECONDS,
                &LONGEST_WAIT_SECONDS,
                &TROUBLE_MAX,
            ],
        )
        .await?;
    let Some(row) = row.filter(|row| row.get("is_news")) else { return Ok(()) };
    metrics::counter!("lastmile_breakers_opened_total").increment(1);
    let text = format!("{} is out of use: {}", row.get::<_, &str>("label"), sum.reason);
    events::tell_staff(tx, "channels.manage", &text, "/settings/channels").await
}

/// Takes the account for one probe. False when somebody else probes it, or it is in use again.
pub async fn probe(tx: &TenantTx, account: AccountId) -> Result<bool> {
    let taken = tx
        .execute(
            "UPDATE provider_account SET breaker = 'half_open', breaker_until = now() + make_interval(secs => $2)
             WHERE id = $1 AND breaker <> 'closed' AND breaker_until <= now()",
            &[&account, &PROBE_SECONDS],
        )
        .await?;
    Ok(taken > 0)
}
