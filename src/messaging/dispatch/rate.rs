//! Rate limits that hold for all workers together: how many may go now, the others wait. All SQL of `send_rate`; those that hold for
//! all tenants lie in `public.message_rate`, behind a function of the gate.
//!
//! Each key keeps the instant when its next sending is due; who sends moves it on. Nothing is refused, and nobody saves up for later.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{db::TenantTx, error::Result, types::SenderId};

/// So much may be ahead of the clock: what comes in bursts shorter than that is not spread out.
const AHEAD: TimeDelta = TimeDelta::milliseconds(100);

/// How many of `wanted` may go now at `per_second`, and when the next one may. The row stays held until the unit ends.
pub async fn take(
    tx: &TenantTx,
    key: &str,
    per_second: i32,
    wanted: usize,
) -> Result<(usize, DateTime<Utc>)> {
    let row = tx
        .query_one(
            "INSERT INTO send_rate AS r (key, next_at) VALUES ($1, clock_timestamp())
             ON CONFLICT (key) DO UPDATE SET next_at = r.next_at RETURNING next_at, clock_timestamp()",
            &[&key],
        )
        .await?;
    let (next_at, now): (DateTime<Utc>, DateTime<Utc>) = (row.get(0), row.get(1));
    let (granted, next_at) = grant(next_at, now, per_second, wanted);
    if granted > 0 {
        tx.execute("UPDATE send_rate SET next_at = $2 WHERE key = $1", &[&key, &next_at]).await?;
    }
    Ok((granted, next_at))
}

/// What may go now of what is limited for all tenants together.
pub struct Taken {
    pub granted: usize,
    pub next: DateTime<Utc>,
    pub per_second: i32,
}

/// How many of `wanted` may go now, by a sender of the platform or (None) at all. None when that is not limited.
pub async fn take_for_all(tx: &TenantTx, sender: Option<SenderId>, wanted: usize) -> Result<Option<Taken>> {
    let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
    let row = tx
        .query_opt(
            "SELECT granted, next_at, per_second FROM gate.take_message_rate($1, $2)",
            &[&sender, &wanted],
        )
        .await?;
    Ok(row.map(|row| Taken {
        granted: usize::try_from(row.get::<_, i32>("granted")).unwrap_or_default(),
        next: row.get("next_at"),
        per_second: row.get("per_second"),
    }))
}

/// The arithmetic of it: how many, and when the next one is due.
fn grant(
    next_at: DateTime<Utc>,
    now: DateTime<Utc>,
    per_second: i32,
    wanted: usize,
) -> (usize, DateTime<Utc>) {
    let gap = TimeDelta::nanoseconds(1_000_000_000 / i64::from(per_second.max(1)));
    let mut at = next_at.max(now);
    let mut granted = 0;
    while granted < wanted && at <= now + AHEAD {
        at += gap;
        granted += 1;
    }
    (granted, at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However it is asked for: in no stretch of time do more go than the rate allows, and a little that is ahead.
        #[test]
        fn a_rate_holds(per_second in 1_i32..1_000, asked in proptest::collection::vec((0_i64..400, 1_usize..200), 1..60)) {
            let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            let (mut now, mut next, mut sent) = (start, start, 0_i64);
            for (pause, wanted) in asked {
                now += TimeDelta::milliseconds(pause);
                let (granted, then) = grant(next, now, per_second, wanted);
                prop_assert!(granted <= wanted);
                next = then;
                sent += i64::try_from(granted).unwrap();
                let most = ((now - start) + AHEAD).num_milliseconds() * i64::from(per_second) / 1_000 + 1;
                prop_assert!(sent <= most, "{sent} of {most}");
            }
        }

        #[test]
        fn who_waits_may_go_then(per_second in 1_i32..1_000) {
            let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            let (_, next) = grant(now, now, per_second, 10_000);
            prop_assert!(grant(next, next, per_second, 1).0 == 1);
        }
    }
}
