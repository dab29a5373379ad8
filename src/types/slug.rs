//! A tenant's short name: the first label of its host.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Wrong;
use crate::words::say;

const MIN_CHARS: usize = 3;
const MAX_CHARS: usize = 40;

/// Labels that are ours, or that would let a tenant pose as us.
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "app",
    "apps",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "beta",
    "billing",
    "blog",
    "careers",
    "cdn",
    "console",
    "contact",
    "dashboard",
    "demo-platform",
    "dev",
    "developer",
    "developers",
    "docs",
    "download",
    "email",
    "events",
    "example",
    "files",
    "ftp",
    "git",
    "graphql",
    "grafana",
    "health",
    "help",
    "home",
    "hooks",
    "host",
    "hostmaster",
    "http",
    "https",
    "imap",
    "info",
    "internal",
    "invalid",
    "isatap",
    "jobs",
    "lastmile",
    "legal",
    "live",
    "local",
    "localhost",
    "login",
    "logout",
    "mail",
    "media",
    "metrics",
    "mobile",
    "monitor",
    "monitoring",
    "mta-sts",
    "mx",
    "news",
    "noc",
    "noreply",
    "ns",
    "ns1",
    "ns2",
    "ntp",
    "oauth",
    "openapi",
    "owner",
    "partner",
    "partners",
    "pay",
    "payment",
    "payments",
    "platform",
    "pop",
    "pop3",
    "portal",
    "postmaster",
    "press",
    "private",
    "proxy",
    "public",
    "register",
    "root",
    "sales",
    "security",
    "self",
    "server",
    "service",
    "services",
    "setup",
    "sign-in",
    "sign-up",
    "signin",
    "signup",
    "smtp",
    "sso",
    "staff",
    "staging",
    "static",
    "stats",
    "status",
    "store",
    "support",
    "system",
    "team",
    "tenant",
    "tenants",
    "terms",
    "test",
    "testing",
    "token",
    "tools",
    "trust",
    "undefined",
    "upload",
    "user",
    "users",
    "vpn",
    "webhook",
    "webhooks",
    "webmail",
    "webmaster",
    "wildcard",
    "wpad",
    "www",
    "www1",
    "www2",
];

/// Why a text is no slug. `as_str` is the wire's `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlugProblem {
    TooShort,
    TooLong,
    Characters,
    Hyphens,
    Punycode,
    Reserved,
}

impl SlugProblem {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Characters => "characters",
            Self::Hyphens => "hyphens",
            Self::Punycode => "punycode",
            Self::Reserved => "reserved",
        }
    }

    pub fn detail(self) -> &'static str {
        match self {
            Self::TooShort => say("A web address needs at least 3 characters."),
            Self::TooLong => say("A web address has at most 40 characters."),
            Self::Characters => say("A web address has only the letters a-z, digits and hyphens."),
            Self::Hyphens => say("A web address has no hyphen at its ends and no two in a row."),
            Self::Punycode => say("A web address may not begin with xn--."),
            Self::Reserved => say("This web address is reserved."),
        }
    }
}

/// 3-40 characters of a-z, 0-9 and single inner hyphens; not punycode; not reserved. Upper case is folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    pub fn parse(text: &str) -> Result<Self, SlugProblem> {
        let slug = text.trim().to_ascii_lowercase();
        if slug.starts_with("xn--") {
            return Err(SlugProblem::Punycode);
        }
        if !slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(SlugProblem::Characters);
        }
        match slug.len() {
            n if n < MIN_CHARS => return Err(SlugProblem::TooShort),
            n if n > MAX_CHARS => return Err(SlugProblem::TooLong),
            _ => {}
        }
        if slug.starts_with('-') || slug.ends_with('-') || slug.contains("--") {
            return Err(SlugProblem::Hyphens);
        }
        if RESERVED.binary_search(&slug.as_str()).is_ok() {
            return Err(SlugProblem::Reserved);
        }
        Ok(Self(slug))
    }

    /// The same as a [`Wrong`] for a field.
    pub fn parse_field(text: &str) -> Result<Self, Wrong> {
        Self::parse(text).map_err(|problem| Wrong::new(problem.as_str(), problem.detail()))
    }

    /// A slug read back from the registry, which holds only checked ones.
    pub fn from_registry(text: String) -> Self {
        Self(text)
    }

    /// A slug made from a company's name: "Acme Fiber, Inc." becomes `acme-fiber-inc`.
    /// Names that leave too little become `isp-` and what is left.
    pub fn propose(company_name: &str) -> Self {
        let mut slug = String::new();
        for c in company_name.chars().map(fold).flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= MAX_CHARS - 4 {
                break;
            }
        }
        let slug = slug.trim_matches('-').to_owned();
        Self::parse(&slug).unwrap_or_else(|_| {
            let padded = format!("isp-{}", slug.trim_start_matches("xn-").trim_matches('-'));
            Self::parse(&padded).unwrap_or_else(|_| Self("isp-one".into()))
        })
    }

    /// The `n`th alternative to a slug that is taken: `acme-2`.
    pub fn numbered(&self, n: u32) -> Self {
        let suffix = format!("-{n}");
        let stem: String = self.0.chars().take(MAX_CHARS - suffix.len()).collect();
        Self(format!("{}{suffix}", stem.trim_end_matches('-')))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The plain letter behind the accented ones that Latin company names use.
fn fold(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'Á' | 'À' | 'Â' | 'Ä' | 'Ã' | 'Å' => 'a',
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' | 'Ê' | 'Ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' | 'Í' | 'Ì' | 'Î' | 'Ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'Ó' | 'Ò' | 'Ô' | 'Ö' | 'Õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' | 'Ú' | 'Ù' | 'Û' | 'Ü' => 'u',
        'ñ' | 'Ñ' => 'n',
        'ç' | 'Ç' => 'c',
        other => other,
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
