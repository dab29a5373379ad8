//! What a sheet with hundreds of connections asks of the plant at once.

use std::collections::HashMap;

use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::{
        model::PortView,
        store::{naps, ports as store},
    },
    types::{CustomerId, NapId, Wrong},
    words::say,
};

/// A NAP as a sheet may call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedNap {
    pub id: NapId,
    pub code: String,
    /// The codes from the LCP down, such as `LCP-001/SP-1/NAP-003`.
    pub way: String,
    pub is_active: bool,
    pub port_capacity: i16,
}

impl NamedNap {
    /// Whether a text means it: by its code, or by the end of its way.
    fn is_called(&self, text: &str) -> bool {
        let (way, text) = (self.way.to_lowercase(), text.to_lowercase());
        text == self.code.to_lowercase()
            || text == way
            || way.strip_suffix(&text).is_some_and(|before| before.ends_with('/'))
    }
}

/// The NAPs that each of these texts means, in upper or lower case: none, one, or several of one code below different splitters.
pub async fn naps_called(tx: &TenantTx, texts: &[&str]) -> Result<HashMap<String, Vec<NamedNap>>> {
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_lowercase();
    let codes: Vec<String> = texts.iter().flat_map(|text| [text.to_lowercase(), last(text)]).collect();
    let mut by_code: HashMap<String, Vec<NamedNap>> = HashMap::new();
    for nap in naps::find_by_codes(tx, &codes).await? {
        by_code.entry(last(&nap.code)).or_default().push(nap);
    }
    let meant = |text: &str| {
        let near = by_code.get(&last(text)).into_iter().flatten();
        near.filter(|nap| nap.is_called(text)).cloned().collect()
    };
    Ok(texts.iter().map(|text| ((*text).to_owned(), meant(text))).collect())
}

/// Ports by their NAP and number.
pub type Ports = HashMap<(NapId, i16), PortView>;

/// Holds these ports, as [`check_port`](super::check_port) does one, and answers how each stands. One that does not exist is left out.
pub async fn hold_ports(tx: &TenantTx, wanted: &[(NapId, i16)]) -> Result<Ports> {
    store::lock_many(tx, wanted).await?;
    store::find_many(tx, wanted).await
}

/// Whoever these ports were kept for has them now.
pub async fn release_reservations(tx: &TenantTx, ports: &[(NapId, i16)]) -> Result<()> {
    store::release_many(tx, ports).await
}

/// A NAP by its way and one of its free ports, if there is one.
pub async fn any_free_port(tx: &TenantTx) -> Result<Option<(String, i16)>> {
    store::find_free(tx).await
}

/// Why somebody cannot have a port that they do not hold. None when they can.
pub fn port_refusal(port: &PortView, wanted_by: Option<CustomerId>) -> Option<Wrong> {
    let number = port.number;
    if let Some(holder) = &port.held_by {
        let detail = say!("Port {} is already occupied by {}", number, holder.name);
        return Some(Wrong::new("port_taken", detail));
    }
    if port.is_faulty {
        return Some(Wrong::new("port_faulty", say!("Port {} is faulty", number)));
    }
    let kept_for = port.reserved_for.as_ref();
    if port.reserved_until.is_some() && (kept_for.is_none() || kept_for.map(|(id, _)| *id) != wanted_by) {
        let whom = kept_for.map_or(String::new(), |(_, name)| say!(" for {}", name));
        return Some(Wrong::new("port_reserved", say!("Port {} is reserved{}", number, whom)));
    }
    None
}
