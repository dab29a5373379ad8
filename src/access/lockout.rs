//! Slowing those who guess: failed sign-ins are counted per account and per address, and the next one waits longer.
//!
//! An attempt is counted before its password is looked at and taken back when it was right, so that many at once cannot slip past
//! the count together.

use std::{net::IpAddr, time::Duration};

use crate::{db::TenantTx, error::Result, web::Origin};

/// How many failures of one account are free.
pub const FREE_OF_ACCOUNT: i32 = 5;
/// The same for an address, behind which there may be many people.
pub const FREE_OF_ADDRESS: i32 = 20;
const LONGEST_SECONDS: i32 = 15 * 60;

/// Whose failures are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    name: String,
    free: i32,
}

/// The counts that one attempt went into.
#[derive(Debug, Clone)]
pub struct Charge {
    account: Option<String>,
    address: Option<String>,
    /// Whether this attempt itself made the address wait.
    address_waits: bool,
    /// How long the next attempt waits.
    pub wait_seconds: i32,
}

/// Whether an attempt may be made now.
pub enum Attempt {
    Counted(Charge),
    /// Not before so long.
    TooSoon(Duration),
}

/// One network of one customer of an internet provider: a whole address of IPv4, a /64 of IPv6.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The same of a request; empty where nobody knows it.
pub fn network_of(origin: Option<&Origin>) -> String {
    origin.map(|origin| network(origin.address)).unwrap_or_default()
}

/// How long the attempt after the `failures`-th waits: nothing while they are free, then 1, 2, 4 .. seconds, at most 15 minutes.
pub fn wait_after(failures: i32, free: i32) -> i32 {
    let Ok(over) = u32::try_from(failures - free) else { return 0 };
    1_i32.checked_shl(over).filter(|seconds| *seconds > 0).map_or(LONGEST_SECONDS, |s| s.min(LONGEST_SECONDS))
}

/// Counts an attempt, unless one of its subjects has to wait. An account is named by what is typed to sign in with it.
pub async fn charge(tx: &TenantTx, account: Option<&str>, address: Option<IpAddr>) -> Result<Attempt> {
    let account = account.map(|name| Subject { name: format!("account:{name}"), free: FREE_OF_ACCOUNT });
    let address = address
        .map(|address| Subject { name: format!("address:{}", network(address)), free: FREE_OF_ADDRESS });
    let names: Vec<&str> =
        [&account, &address].into_iter().flatten().map(|subject| subject.name.as_str()).collect();
    if let Some(wait) = waits(tx, &names).await? {
        return Ok(Attempt::TooSoon(wait));
    }
    let mut done = Charge { account: None, address: None, address_waits: false, wait_seconds: 0 };
    // Always in this order: two attempts never wait for each other crosswise.
    for (subject, is_account) in [(account, true), (address, false)] {
        let Some(subject) = subject else { continue };
        let Some(failures) = count(tx, &subject.name).await? else {
            let wait = waits(tx, &[&subject.name]).await?.unwrap_or(Duration::from_secs(1));
            return Ok(Attempt::TooSoon(wait));
        };
        let wait = wait_after(failures, subject.free);
        if wait > 0 {
            block(tx, &subject.name, wait).await?;
        }
        done.wait_seconds = done.wait_seconds.max(wait);
        if is_account {
            done.account = Some(subject.name);
        } else {
            done.address_waits = wait > 0;
            done.address = Some(subject.name);
        }
    }
    Ok(Attempt::Counted(done))
}

async fn waits(tx: &TenantTx, names: &[&str]) -> Result<Option<Duration>> {
    let row = tx
        .query_opt(
            "SELECT extract(epoch FROM blocked_until - now())::float8 AS wait FROM sign_in_failure
             WHERE subject = ANY($1) AND blocked_until > now() ORDER BY blocked_until DESC LIMIT 1",
            &[&names],
        )
        .await?;
    Ok(row.map(|row| Duration::try_from_secs_f64(row.get("wait")).unwrap_or(Duration::from_secs(1))))
}

/// One more failure; None when another attempt has just made this subject wait. A day without any is forgiven.
async fn count(tx: &TenantTx, name: &str) -> Result<Option<i32>> {
    let row = tx
        .query_opt(
            "INSERT INTO sign_in_failure AS f (subject, failures, last_failed_at) VALUES ($1, 1, now())
             ON CONFLICT (subject) DO UPDATE SET last_failed_at = now(), blocked_until = NULL,
                failures = CASE WHEN f.last_failed_at < now() - interval '1 day' THEN 1 ELSE f.failures + 1 END
             WHERE f.blocked_until IS NULL OR f.blocked_until <= now()
             RETURNING failures",
            &[&name],
        )
        .await?;
    Ok(row.map(|row| row.get("failures")))
}

async fn block(tx: &TenantTx, name: &str, seconds: i32) -> Result<()> {
    tx.execute(
        "UPDATE sign_in_failure SET blocked_until = clock_timestamp() + $2::integer * interval '1 second' WHERE subject = $1",
        &[&name, &seconds],
    )
    .await?;
    Ok(())
}

/// The attempt was right: the account begins anew, and the address gets this one attempt back. It does not get all of them:
/// somebody with one good account could guess at others for ever.
pub async fn forgive(tx: &TenantTx, charge: &Charge) -> Result<()> {
    if let Some(account) = &charge.account {
        tx.execute("DELETE FROM sign_in_failure WHERE subject = $1", &[account]).await?;
    }
    if let Some(address) = &charge.address {
        tx.execute(
            "UPDATE sign_in_failure SET failures = greatest(failures - 1, 0),
                blocked_until = CASE WHEN $2 THEN NULL ELSE blocked_until END
             WHERE subject = $1",
            &[address, &charge.address_waits],
        )
        .await?;
    }
    tx.execute(
        "DELETE FROM sign_in_failure WHERE subject IN (
            SELECT subject FROM sign_in_failure WHERE last_failed_at < now() - interval '2 days'
            LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    Ok(())
}

/// The account begins anew: its person has proved themselves by a mailed link.
pub async fn forgive_account(tx: &TenantTx, account: &str) -> Result<()> {
    tx.execute("DELETE FROM sign_in_failure WHERE subject = $1", &[&format!("account:{account}")]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wait_doubles_after_the_free_ones_up_to_a_quarter_of_an_hour() {
        let waits: Vec<i32> = (1..=16).map(|n| wait_after(n, FREE_OF_ACCOUNT)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(wait_after(19, FREE_OF_ADDRESS), 0);
        assert_eq!(wait_after(20, FREE_OF_ADDRESS), 1);
    }

    #[test]
    fn addresses_of_one_network_are_counted_together() {
        let net = |text: &str| network(text.parse().unwrap());
        assert_eq!(net("2001:db8:1:2:3::4"), net("2001:db8:1:2:ffff::1"));
        assert_ne!(net("2001:db8:1:2::1"), net("2001:db8:1:3::1"));
        assert_eq!(net("::ffff:203.0.113.9"), "203.0.113.9");
    }

    proptest! {
        #[test]
        fn waiting_never_gets_shorter_and_never_overflows(failures in 0..i32::MAX) {
            let (now, next) = (wait_after(failures, FREE_OF_ACCOUNT), wait_after(failures.saturating_add(1), FREE_OF_ACCOUNT));
            prop_assert!((0..=LONGEST_SECONDS).contains(&now));
            prop_assert!(next >= now);
        }
    }
}
