//! Settings of calls to addresses that somebody else chose.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// https, and what mail servers listen at.
const PORTS: [u16; 6] = [443, 8443, 25, 465, 587, 2525];
const HOST_MAX: usize = 253;

/// Calls to addresses that tenants enter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundSettings {
    /// Private networks that may be called all the same, also without TLS, whatever the host and the port.
    pub allowed_networks: Vec<IpNet>,
    /// The hosts of the open internet that may be called; all of them when there is none.
    pub allowed_hosts: Vec<HostPattern>,
    /// The ports of the open internet that may be called.
    pub allowed_ports: Vec<u16>,
    /// Where the names in those addresses are looked up; the system's resolver when absent.
    pub dns_server: Option<SocketAddr>,
    pub connect_ms: u64,
    /// From the first byte that is sent to the last one that comes back.
    pub timeout_ms: u64,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_ports: PORTS.to_vec(),
            dns_server: None,
            connect_ms: 5_000,
            timeout_ms: 20_000,
        }
    }
}

impl OutboundSettings {
    /// This machine, for development and tests.
    pub fn on_this_machine() -> Self {
        let here = [IpAddr::from([127, 0, 0, 0]), IpAddr::from(Ipv6Addr::LOCALHOST)];
        let network = |address: IpAddr| IpNet::new_assert(address, if address.is_ipv4() { 8 } else { 128 });
        Self { allowed_networks: here.map(network).to_vec(), ..Self::default() }
    }
}

/// A host by its name, `api.example.com`, or every one below a name, `*.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    is_below: bool,
}

impl HostPattern {
    /// Whether a host in lower case, without a last dot, is meant.
    pub fn fits(&self, host: &str) -> bool {
        if self.is_below {
            host.strip_suffix(self.name.as_str())
                .is_some_and(|before| before.len() > 1 && before.ends_with('.'))
        } else {
            host == self.name
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let (name, is_below) = text.strip_prefix("*.").map_or((text.as_str(), false), |name| (name, true));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() <= HOST_MAX && name.contains('.') && name.split('.').all(is_label) {
            Ok(Self { name: name.to_owned(), is_below })
        } else {
            Err(format!("{text:?} is neither a host such as api.example.com nor *.example.com"))
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_below { "*." } else { "" }, self.name)
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_one_host_or_those_below_a_name() {
        let one: HostPattern = "API.Example.com".parse().unwrap();
        assert!(one.fits("api.example.com"));
        assert!(!one.fits("x.api.example.com") && !one.fits("example.com"));
        let below: HostPattern = "*.example.com".parse().unwrap();
        assert!(below.fits("api.example.com") && below.fits("a.b.example.com"));
        for other in ["example.com", ".example.com", "badexample.com", "example.com.evil.net"] {
            assert!(!below.fits(other), "{other}");
        }
        assert_eq!(below.to_string(), "*.example.com");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for odd in
            ["", "*", "*.", "localhost", "a..b", "-a.com", "https://a.com", "a.com/x", "a.com:443", "a.*.com"]
        {
            assert!(odd.parse::<HostPattern>().is_err(), "{odd}");
        }
    }
}
