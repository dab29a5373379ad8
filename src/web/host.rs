//! The host that a request was sent to.

use poem::{Request, http::header};

use crate::error::{Error, Result};

const MAX_CHARS: usize = 253;

/// A host name, lower-cased, without port and trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Host {
    /// From `:authority` or the one `Host` header. No host, two hosts or an impossible one is 400.
    pub fn of(request: &Request) -> Result<Self> {
        let mut given = request.headers().get_all(header::HOST).iter();
        let header = given.next();
        if given.next().is_some() {
            return Err(bad("There are two Host headers."));
        }
        let authority = request.original_uri().authority().map(poem::http::uri::Authority::as_str);
        let text = match (authority, header) {
            (Some(authority), None) => authority,
            (Some(authority), Some(header)) if header.as_bytes() == authority.as_bytes() => authority,
            (Some(_), Some(_)) => return Err(bad("The Host header and the request's own host disagree.")),
            (None, Some(header)) => {
                header.to_str().map_err(|_odd| bad("The Host header is not a host name."))?
            }
            (None, None) => return Err(bad("There is no Host header.")),
        };
        Self::parse(text)
    }

    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, after)) => (address, after.strip_prefix(':').unwrap_or(after)),
            None => text.rsplit_once(':').unwrap_or((text, "")),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) || port.len() > 5 {
            return Err(bad("The Host header has no valid port."));
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_'));
        if name.is_empty()
            || name.len() > MAX_CHARS
            || !plain
            || name.split('.').any(|label| label.len() > 63)
        {
            return Err(bad("The Host header is not a host name."));
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before `.base_domain`, when this host lies under it: `acme` of `acme.isp.example`.
    pub fn label_under(&self, base_domain: &str) -> Option<&str> {
        self.0.strip_suffix(base_domain)?.strip_suffix('.')
    }
}

fn bad(detail: &str) -> Error {
    Error::malformed("bad_host", detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_dots_and_case_do_not_count() {
        for text in ["Acme.Isp.Example", "acme.isp.example:8443", "acme.isp.example."] {
            assert_eq!(Host::parse(text).unwrap().as_str(), "acme.isp.example");
        }
        assert_eq!(Host::parse("[::1]:80").unwrap().as_str(), "::1");
        for bad in ["", "a b", "a/b", "acme:port", "é.example", &"a".repeat(64), &"a.".repeat(200)] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_whole_labels_lie_under_the_base_domain() {
        let label = |host: &str| Host::parse(host).unwrap().label_under("isp.example").map(str::to_owned);
        assert_eq!(label("acme.isp.example").as_deref(), Some("acme"));
        assert_eq!(label("evil.acme.isp.example").as_deref(), Some("evil.acme"));
        assert_eq!(label("evilisp.example"), None);
        assert_eq!(label("isp.example"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_host_or_an_error(text in "\\PC{0,300}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert!(host.as_str().len() <= MAX_CHARS);
                prop_assert_eq!(host.as_str(), host.as_str().to_ascii_lowercase());
            }
        }
    }
}
