//! Which addresses may be called. Names are looked up here and nowhere else, so what was checked is what is connected to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use ipnet::IpNet;
use reqwest::dns::{Name, Resolve, Resolving};
use url::{Host, Url};

use super::Failure;
use crate::{
    config::{HostPattern, OutboundSettings},
    error::{OrInternal, Result},
};

const NAME_SERVER_TIMEOUT: Duration = Duration::from_secs(3);

/// What is not public, RFC 6890 and its successors: this machine, private and shared networks, link-local (where clouds keep
/// their metadata), protocol assignments, documentation, benchmarks, multicast, reserved. The last one is public by number, and
/// Azure's own door by use.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Of the one block that is routed at all: protocol assignments with Teredo, documentation, 6to4.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one of the open internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|(net, bits)| is_within(v4.into(), (*net).into(), *bits)),
        IpAddr::V6(v6) => match v6.segments() {
            // NAT64: what stands behind it is an IPv4 address.
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                is_public(Ipv4Addr::new(a, b, c, d).into())
            }
            [0x2000..=0x3fff, ..] => {
                !NOT_PUBLIC_V6.iter().any(|(net, bits)| is_within(v6.into(), (*net).into(), *bits))
            }
            _ => false,
        },
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    IpNet::new(network, bits).is_ok_and(|network| network.contains(&address))
}

/// The answer to a name or an address that may not be called.
#[derive(Debug)]
pub(super) struct NotAllowed(&'static str);

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotAllowed {}

/// How far a call may go, by its scheme, host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the open internet, and to allowed networks.
    Far,
    /// Without TLS: to allowed networks.
    Plain,
    /// To a host or a port that is not on the lists: to allowed networks.
    Unlisted,
}

impl Reach {
    /// Why an address beyond it is not called.
    fn reason(self) -> NotAllowed {
        NotAllowed(match self {
            Self::Far => "This address belongs to a private network and is not called.",
            Self::Plain => "This address is called over https only.",
            Self::Unlisted => "This host or port is not among those that are called from here.",
        })
    }

    /// A refusal by a client that several kinds of calls share, with the reason of this one.
    pub fn named(self, failure: Failure) -> Failure {
        match failure {
            Failure::Forbidden(_) => Failure::Forbidden(self.reason().to_string()),
            other => other,
        }
    }
}

pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Who turns a name into addresses.
pub(super) trait Names: Send + Sync {
    fn look_up(&self, name: String) -> BoxFuture<'_, std::result::Result<Vec<IpAddr>, AnyError>>;
}

struct Dns(TokioResolver);

impl Names for Dns {
    fn look_up(&self, name: String) -> BoxFuture<'_, std::result::Result<Vec<IpAddr>, AnyError>> {
        Box::pin(async move {
            // With the last dot, so that no search domain of this machine is tried.
            let found = self.0.lookup_ip(format!("{}.", name.trim_end_matches('.'))).await?;
            Ok(found.iter().collect())
        })
    }
}

/// A resolver of names: the system's, or one server that the settings name.
pub fn resolver(server: Option<SocketAddr>) -> Result<ResolverBuilder<TokioRuntimeProvider>> {
    let Some(address) = server else { return TokioResolver::builder_tokio().internal() };
    let mut named = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut named.connections {
        connection.port = address.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![named]);
    Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
}

/// Looks names up and lets through what may be called.
#[derive(Clone)]
pub(super) struct Guard {
    lists: Arc<Lists>,
    reach: Reach,
    names: Arc<dyn Names>,
}

/// What the settings allow.
struct Lists {
    networks: Vec<IpNet>,
    hosts: Vec<HostPattern>,
    ports: Vec<u16>,
}

impl Lists {
    /// Whether a host of the open internet may be called at this port.
    fn name(&self, host: &str, port: u16) -> bool {
        self.ports.contains(&port)
            && (self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.fits(&plain_name(host))))
    }
}

impl Guard {
    pub fn new(settings: &OutboundSettings) -> Result<Self> {
        let mut builder = resolver(settings.dns_server)?;
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = NAME_SERVER_TIMEOUT;
        Ok(Self::with_names(settings, Arc::new(Dns(builder.build().internal()?))))
    }

    pub fn with_names(settings: &OutboundSettings, names: Arc<dyn Names>) -> Self {
        let lists = Lists {
            networks: settings.allowed_networks.clone(),
            hosts: settings.allowed_hosts.clone(),
            ports: settings.allowed_ports.clone(),
        };
        Self { lists: Arc::new(lists), reach: Reach::Far, names }
    }

    /// The same for calls that go less far.
    pub fn within(&self, reach: Reach) -> Self {
        Self { reach, ..self.clone() }
    }

    /// How far a call of this address may go.
    pub fn reach_of(&self, url: &Url) -> Reach {
        if url.scheme() == "https" {
            self.reach_to(url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
        } else {
            Reach::Plain
        }
    }

    /// How far a connection that is secured later may go.
    pub fn reach_to(&self, host: &str, port: u16) -> Reach {
        if self.lists.name(host, port) { Reach::Far } else { Reach::Unlisted }
    }

    fn may_call(&self, address: IpAddr) -> bool {
        self.lists.networks.iter().any(|network| network.contains(&address))
            || (self.reach == Reach::Far && is_public(address))
    }

    /// A literal address never reaches a resolver, so it is looked at before the call.
    pub fn check_literal(&self, url: &Url) -> std::result::Result<(), Failure> {
        let guard = self.within(self.reach_of(url));
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::from(v4),
            Some(Host::Ipv6(v6)) => IpAddr::from(v6),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if guard.may_call(address) {
            Ok(())
        } else {
            Err(Failure::Forbidden(guard.reach.reason().to_string()))
        }
    }

    /// The addresses of a host, or of a literal, that may be called. A name with both kinds keeps the good ones.
    pub async fn addresses(&self, host: &str) -> std::result::Result<Vec<IpAddr>, AnyError> {
        let bare = plain_name(host);
        let found = if let Some(literal) = literal(&bare) {
            vec![literal]
        } else if bare == "localhost" || bare.ends_with(".localhost") {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        } else {
            self.names.look_up(bare).await?
        };
        let good: Vec<IpAddr> = found.into_iter().filter(|address| self.may_call(*address)).collect();
        if good.is_empty() { Err(Box::new(self.reach.reason())) } else { Ok(good) }
    }
}

/// A host in lower case, without brackets or a last dot.
fn plain_name(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

/// An address in any of its spellings: `127.1` and `2130706433` are one, too.
fn literal(host: &str) -> Option<IpAddr> {
    match Host::parse(host) {
        Ok(Host::Ipv4(v4)) => Some(v4.into()),
        _ => host.parse().ok(),
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let good = guard.addresses(name.as_str()).await?;
            let at_any_port = good.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(at_any_port.collect::<Vec<_>>().into_iter()) as reqwest::dns::Addrs)
        })
    }
}
