//! Where a request came from: its id, the caller's address, the program it names itself.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::{Request, http::header};

use crate::types::RequestId;

const USER_AGENT_MAX_CHARS: usize = 300;

/// What every request is remembered by.
#[derive(Debug, Clone)]
pub struct Origin {
    pub request_id: RequestId,
    /// The caller's address. `X-Forwarded-For` counts only behind a trusted proxy.
    pub address: IpAddr,
    pub user_agent: Option<String>,
    /// Whether the connection itself comes from this machine, whatever the headers say.
    pub is_loopback: bool,
}

/// The proxies whose word about the caller's address is taken.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether the connection itself comes from one of them, so that what it says of a trace is believed.
    pub fn sent(&self, request: &Request) -> bool {
        peer_of(request).is_some_and(|peer| self.trusts(peer))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Walks `X-Forwarded-For` from the nearest hop outwards, as long as each hop is trusted.
    fn caller(&self, peer: IpAddr, forwarded: &[&str]) -> IpAddr {
        let mut address = peer;
        for hop in forwarded.iter().flat_map(|line| line.split(',')).rev() {
            if !self.trusts(address) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(hop) => address = hop.to_canonical(),
                Err(_) => break,
            }
        }
        address
    }
}

impl Origin {
    pub fn of(request: &Request, proxies: &TrustedProxies) -> Self {
        let peer = peer_of(request).unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let forwarded: Vec<&str> = request
            .headers()
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|line| line.to_str().ok())
            .collect();
        let user_agent = request
            .headers()
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|text| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX_CHARS).collect());
        Self {
            request_id: RequestId::new(),
            address: proxies.caller(peer, &forwarded),
            user_agent,
            is_loopback: peer.is_loopback() && forwarded.is_empty(),
        }
    }
}

/// Who is at the other end of the connection.
fn peer_of(request: &Request) -> Option<IpAddr> {
    Some(request.remote_addr().as_socket_addr()?.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_may_claim_an_address_but_a_trusted_proxy() {
        let none = TrustedProxies::default();
        assert_eq!(none.caller(ip("203.0.113.9"), &["198.51.100.1"]), ip("203.0.113.9"));
        let some = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(some.caller(ip("10.0.0.1"), &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(some.caller(ip("10.0.0.1"), &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), ip("198.51.100.1"));
        assert_eq!(some.caller(ip("10.0.0.1"), &["spoofed"]), ip("10.0.0.1"));
    }
}
