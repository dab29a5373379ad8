//! From where a key counts. Pure.

use std::{net::IpAddr, sync::Arc};

use ipnet::{IpNet, Ipv4Net};

use crate::error::{Error, FieldError, Result};
use crate::words::say;

/// At most so many networks of one key.
const NETWORKS_MAX: usize = 20;
/// The longest way to write a network.
const NETWORK_MAX_CHARS: usize = 50;
/// How many bits of an IPv6 address stand before an IPv4 address in its clothes.
const MAPPED_BITS: u8 = 96;
const FIELD: &str = "allowed_networks";

/// Networks from which a key counts; none means anywhere. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// What somebody typed: CIDR, or a single address. Every entry that is wrong is named by its place (`allowed_networks[2]`).
    pub fn parse(typed: &[String]) -> std::result::Result<Self, Vec<FieldError>> {
        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        for (at, text) in typed.iter().enumerate() {
            match network(text.trim()) {
                Some(network) => all.push(network),
                None => {
                    let shown: String = text.trim().chars().take(NETWORK_MAX_CHARS).collect();
                    let detail = say!("{} is no network, such as 203.0.113.0/24 or 2001:db8::/32.", shown);
                    wrong.push(FieldError::new(format!("{FIELD}[{at}]"), "not_a_network", detail));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        if typed.len() > NETWORKS_MAX {
            wrong.push(FieldError::new(FIELD, "too_many", say!("At most {} networks.", NETWORKS_MAX)));
        }
        if wrong.is_empty() { Ok(Self(all.into())) } else { Err(wrong) }
    }

    /// As they are kept. What cannot be read is a failure: a key that was bound to networks never becomes one that is not.
    pub fn kept(texts: &[String]) -> Result<Self> {
        let all: Option<Arc<[IpNet]>> = texts.iter().map(|text| network(text)).collect();
        all.map(Self).ok_or_else(|| Error::internal("a key's networks cannot be read"))
    }

    /// Whether a key of these networks counts from here.
    pub fn allow(&self, address: Option<IpAddr>) -> bool {
        self.0.is_empty()
            || address.is_some_and(|address| {
                let address = address.to_canonical();
                self.0.iter().any(|network| network.contains(&address))
            })
    }

    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// Without the bits that name no network, and IPv4 as itself.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_no_network) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    let plain = match network {
        IpNet::V6(six) if six.prefix_len() >= MAPPED_BITS => six
            .addr()
            .to_ipv4_mapped()
            .and_then(|four| Ipv4Net::new(four, six.prefix_len() - MAPPED_BITS).ok())
            .map(IpNet::V4),
        _ => None,
    };
    Some(plain.unwrap_or(network).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(texts: &[&str]) -> std::result::Result<Networks, Vec<FieldError>> {
        Networks::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_counts_within_its_networks_and_nowhere_else() {
        let networks =
            parsed(&["10.1.2.3/8", "2001:db8::/32", "192.0.2.7", "::ffff:198.51.100.0/120"]).unwrap();
        assert_eq!(networks.texts(), ["10.0.0.0/8", "192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"]);
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("::ffff:10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("198.51.100.9", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            assert_eq!(networks.allow(Some(address.parse().unwrap())), is_in, "{address}");
        }
        assert!(!networks.allow(None), "who comes from nowhere comes from elsewhere");
        assert!(Networks::default().allow(None));
        assert_eq!(Networks::kept(&networks.texts()).unwrap(), networks);
        assert!(Networks::kept(&["10.0.0.0/33".to_owned()]).is_err());
    }

    #[test]
    fn each_entry_that_is_no_network_is_named() {
        let wrong = parsed(&["10.0.0.0/8", "10.0.0.0/33", "", "somewhere", "1.2.3"]).unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_ref()).collect();
        assert_eq!(
            fields,
            ["allowed_networks[1]", "allowed_networks[2]", "allowed_networks[3]", "allowed_networks[4]"]
        );
        assert!(wrong[0].detail.contains("10.0.0.0/33"));
        assert_eq!(parsed(&["10.0.0.1"; 21]).unwrap_err()[0].code, "too_many");
    }
}
