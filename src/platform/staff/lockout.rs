//! Slowing those who guess at the console's door, as the tenants' doors do: counted before the password is looked at.

use std::{net::IpAddr, time::Duration};

use crate::{
    access::{FREE_OF_ACCOUNT, FREE_OF_ADDRESS, network, wait_after},
    db::ControlTx,
    error::Result,
};

/// The counts that one attempt went into.
#[derive(Debug, Clone)]
pub struct Charge {
    account: String,
    address: Option<String>,
    /// Whether this attempt itself made the address wait.
    address_waits: bool,
}

/// Whether an attempt may be made now.
pub enum Attempt {
    Counted(Charge),
    TooSoon(Duration),
}

/// Counts an attempt, unless its account or its address has to wait. The caller commits it before it looks at anything.
pub async fn charge(tx: &ControlTx, account: &str, address: Option<IpAddr>) -> Result<Attempt> {
    let account = format!("account:{account}");
    let address = address.map(|address| format!("address:{}", network(address)));
    let names: Vec<&str> =
        [Some(&account), address.as_ref()].into_iter().flatten().map(String::as_str).collect();
    if let Some(wait) = waits(tx, &names).await? {
        return Ok(Attempt::TooSoon(wait));
    }
    let mut address_waits = false;
    let both = [(Some(&account), FREE_OF_ACCOUNT), (address.as_ref(), FREE_OF_ADDRESS)];
    for (name, free) in both.into_iter().filter_map(|(name, free)| Some((name?, free))) {
        let Some(failures) = count(tx, name).await? else {
            let wait = waits(tx, &[name]).await?.unwrap_or(Duration::from_secs(1));
            return Ok(Attempt::TooSoon(wait));
        };
        let wait = wait_after(failures, free);
        if wait > 0 {
            address_waits |= Some(name) == address.as_ref();
            tx.execute(
                "UPDATE public.platform_sign_in_failure SET blocked_until = clock_timestamp() + make_interval(secs => $2)
                 WHERE subject = $1",
                &[name, &f64::from(wait)],
            )
            .await?;
        }
    }
    Ok(Attempt::Counted(Charge { account, address, address_waits }))
}

async fn waits(tx: &ControlTx, names: &[&str]) -> Result<Option<Duration>> {
    let row = tx
        .query_opt(
            "SELECT extract(epoch FROM blocked_until - now())::float8 AS wait FROM public.platform_sign_in_failure
             WHERE subject = ANY($1) AND blocked_until > now() ORDER BY blocked_until DESC LIMIT 1",
            &[&names],
        )
        .await?;
    Ok(row.map(|row| Duration::try_from_secs_f64(row.get("wait")).unwrap_or(Duration::from_secs(1))))
}

/// One more failure; None when another attempt has just made this subject wait. A day without any is forgiven.
async fn count(tx: &ControlTx, name: &str) -> Result<Option<i32>> {
    let row = tx
        .query_opt(
            "INSERT INTO public.platform_sign_in_failure AS f (subject, failures, last_failed_at) VALUES ($1, 1, now())
             ON CONFLICT (subject) DO UPDATE SET last_failed_at = now(), blocked_until = NULL,
                failures = CASE WHEN f.last_failed_at < now() - interval '1 day' THEN 1 ELSE f.failures + 1 END
             WHERE f.blocked_until IS NULL OR f.blocked_until <= now()
             RETURNING failures",
            &[&name],
        )
        .await?;
    Ok(row.map(|row| row.get("failures")))
}

/// The attempt was right: the account begins anew, the address gets this one attempt back.
pub async fn forgive(tx: &ControlTx, charge: &Charge) -> Result<()> {
    tx.execute("DELETE FROM public.platform_sign_in_failure WHERE subject = $1", &[&charge.account]).await?;
    if let Some(address) = &charge.address {
        tx.execute(
            "UPDATE public.platform_sign_in_failure SET failures = greatest(failures - 1, 0),
                blocked_until = CASE WHEN $2 THEN NULL ELSE blocked_until END
             WHERE subject = $1",
            &[address, &charge.address_waits],
        )
        .await?;
    }
    tx.execute(
        "DELETE FROM public.platform_sign_in_failure WHERE last_failed_at < now() - interval '2 days'",
        &[],
    )
    .await
    .map(drop)
}
