//! The live cards of the dashboard: one indexed statement each, and only for those who may see what it counts.

use chrono::{Days, Utc};
use rust_decimal::Decimal;

use super::range::{Range, begin_of, day_of};
use crate::{
    access::By,
    db::TenantTx,
    error::Result,
    web::parts::{counted, grouped, money},
    words::say,
};

/// One card: what it counts, and where that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub label: &'static str,
    pub value: String,
    pub note: String,
    pub href: &'static str,
}

/// The cards that the caller may see.
pub async fn cards(tx: &TenantTx, by: &By) -> Result<Vec<Card>> {
    let mut cards = Vec::new();
    if by.rights.holds("installations.view") {
        cards.push(installations(tx).await?);
    }
    if by.rights.holds("subscriptions.view") {
        cards.push(expiring(tx, by).await?);
    }
    if by.rights.holds("payments.view") {
        cards.push(collected(tx, by).await?);
    }
    if by.rights.holds("tickets.view") {
        cards.push(tickets(tx).await?);
    }
    if by.rights.holds("plant.view") {
        cards.push(ports(tx).await?);
    }
    Ok(cards)
}

async fn installations(tx: &TenantTx) -> Result<Card> {
    let row = tx
        .query_one(
            "SELECT (SELECT count(*) FROM installation WHERE status = 'active'), \
             (SELECT count(*) FROM installation WHERE status = 'scheduled')",
            &[],
        )
        .await?;
    Ok(Card {
        label: say("Active installations"),
        value: grouped(row.get(0)),
        note: format!("{} scheduled", grouped(row.get(1))),
        href: "/installations",
    })
}

async fn expiring(tx: &TenantTx, by: &By) -> Result<Card> {
    let zone = by.tenant.time_zone.0;
    let now = Utc::now();
    let until = begin_of(day_of(now, zone) + Days::new(4), zone);
    let row = tx
        .query_one(
            "SELECT count(*) FROM installation i WHERE status IN ('active', 'inactive') AND paid_until >= $1 AND paid_until < $2 \
             AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = i.id AND p.status = 'paused')",
            &[&now, &until],
        )
        .await?;
    Ok(Card {
        label: say("Expiring soon"),
        value: grouped(row.get(0)),
        note: "within 3 days".to_owned(),
        href: "/subscriptions",
    })
}

async fn collected(tx: &TenantTx, by: &By) -> Result<Card> {
    let zone = by.tenant.time_zone.0;
    let (start, end) = Range::day(day_of(Utc::now(), zone)).instants(zone);
    let row = tx
        .query_one(
            "SELECT count(*), coalesce(sum(amount), 0) FROM payment \
             WHERE received_at >= $1 AND received_at < $2 AND status = 'valid'",
            &[&start, &end],
        )
        .await?;
    Ok(Card {
        label: say("Collected today"),
        value: money(row.get::<_, Decimal>(1), &by.tenant.currency),
        note: counted(row.get(0), "payment", "payments"),
        href: "/payments",
    })
}

async fn tickets(tx: &TenantTx) -> Result<Card> {
    let row = tx
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE coalesce(waiting_since, now()) > sla_due_at) FROM ticket \
             WHERE status NOT IN ('resolved', 'cancelled')",
            &[],
        )
        .await?;
    Ok(Card {
        label: say("Open tickets"),
        value: grouped(row.get(0)),
        note: format!("{} overdue", grouped(row.get(1))),
        href: "/tickets",
    })
}

/// A port is free when nothing holds it, it works, and nobody has it reserved.
async fn ports(tx: &TenantTx) -> Result<Card> {
    let row = tx
        .query_one(
            "SELECT count(*) FILTER (WHERE i.nap_id IS NULL AND NOT p.is_faulty \
             AND coalesce(p.reserved_until <= now(), true)), count(*) FROM nap_port p \
             JOIN nap n ON n.id = p.nap_id AND n.is_active \
             LEFT JOIN installation i ON i.nap_id = p.nap_id AND i.nap_port = p.number",
            &[],
        )
        .await?;
    Ok(Card {
        label: say("Free ports"),
        value: grouped(row.get(0)),
        note: say!("of {}", grouped(row.get(1))),
        href: "/plant",
    })
}
