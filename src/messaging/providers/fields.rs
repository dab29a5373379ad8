//! What a credential consists of. Forms, the API's schema and masked views are made of this; so is the check.

use std::{collections::BTreeMap, fmt, net::Ipv6Addr};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{About, fcm::KeyFile, generic::signing_key, signature::EcdsaKey};
use crate::{
    error::{Error, FieldError, OrInternal, Result},
    types::{EmailAddress, Wrong},
};

const TEXT_MAX_CHARS: usize = 500;
const FILE_MAX_BYTES: usize = 16 * 1024;
/// A secret shows its last characters only when so many more stay hidden.
const HIDDEN_MIN_CHARS: usize = 12;
const TAIL_CHARS: usize = 4;

/// One setting of a credential.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: FieldKind,
    /// Never shown again; an empty one in a change means that the old one stays.
    pub is_secret: bool,
    pub is_required: bool,
    pub default: Option<&'static str>,
    /// Where it is found, or what it is for.
    pub hint: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One line.
    Text,
    /// The address of a server; https, unless the deployment allows more.
    Url,
    Host,
    Port,
    Email,
    /// `on` or `off`.
    Flag,
    OneOf(&'static [&'static str]),
    /// A service account's JSON file.
    KeyFile,
    /// A public ECDSA key in base64.
    PublicKey,
    /// `whsec_` and base64 of 24 to 64 bytes, as Standard Webhooks has it.
    SigningSecret,
}

impl Field {
    pub(super) const fn required(
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        hint: &'static str,
    ) -> Self {
        Self { name, label, kind, is_secret: false, is_required: true, default: None, hint }
    }

    pub(super) const fn optional(
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        hint: &'static str,
    ) -> Self {
        Self { is_required: false, ..Self::required(name, label, kind, hint) }
    }

    pub(super) const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    pub(super) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), is_required: false, ..self }
    }

    /// Where the provider is called. Tests and private gateways are elsewhere.
    pub(super) const fn base_url(default: &'static str) -> Self {
        Self::optional(
            "base_url",
            "Address",
            FieldKind::Url,
            "Only for another address than the provider's own.",
        )
        .or(default)
    }

    fn checked(&self, text: &str) -> Result<String, Wrong> {
        let text = text.trim();
        let bad = |code, detail: &str| Err(Wrong::new(code, detail));
        let is_file = matches!(self.kind, FieldKind::KeyFile | FieldKind::PublicKey);
        if !is_file && text.chars().any(char::is_control) {
            return bad("control_characters", "This is one line without control characters.");
        }
        if is_file && text.len() > FILE_MAX_BYTES || !is_file && text.chars().count() > TEXT_MAX_CHARS {
            return bad("too_long", "This is too long.");
        }
        self.kind.checked(text).map(|()| match self.kind {
            FieldKind::Email => text.to_lowercase(),
            _ => text.to_owned(),
        })
    }
}

impl FieldKind {
    fn checked(self, text: &str) -> Result<(), Wrong> {
        let require = |is_good: bool, code, detail: &str| {
            if is_good { Ok(()) } else { Err(Wrong::new(code, detail)) }
        };
        match self {
            Self::Text => Ok(()),
            Self::Url => require(
                is_plain_url(text),
                "not_a_url",
                "This is an address such as https://api.example.com, without a password in it.",
            ),
            Self::Host => require(
                is_host(text),
                "not_a_host",
                "This is the name of a server, such as mail.example.com.",
            ),
            Self::Port => {
                let is_port = text.parse::<u16>().is_ok_and(|port| port > 0);
                require(is_port, "not_a_port", "A port is a number from 1 to 65535.")
            }
            Self::Email => EmailAddress::parse(text).map(|_email| ()),
            Self::Flag => require(matches!(text, "on" | "off"), "not_a_flag", "This is on or off."),
            Self::OneOf(words) => require(
                words.contains(&text),
                "unknown_choice",
                &format!("This is one of {}.", words.join(", ")),
            ),
            Self::KeyFile => {
                KeyFile::parse(text).map(|_file| ()).map_err(|detail| Wrong::new("not_a_key_file", detail))
            }
            Self::PublicKey => require(
                EcdsaKey::parse(text).is_some(),
                "not_a_public_key",
                "This is not the verification key that the provider shows.",
            ),
            Self::SigningSecret => require(
                signing_key(text).is_some(),
                "not_a_signing_secret",
                "This is whsec_ and the base64 of 24 to 64 random bytes.",
            ),
        }
    }
}

/// Only an address: a password in it would be shown with it.
fn is_plain_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn is_host(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok() || (!text.contains(['/', '@', ':']) && url::Host::parse(text).is_ok())
}

/// The checked values of a credential. Not shown by `Debug`.
#[derive(Clone)]
pub struct Values(BTreeMap<&'static str, SecretString>);

impl Values {
    /// Checks what was entered: every wrong field at once, unknown ones by name.
    pub fn parse(about: &About, given: &BTreeMap<String, String>) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut wrong: Vec<FieldError> = given
            .keys()
            .filter(|name| !about.fields.iter().any(|field| field.name == **name))
            .map(|name| FieldError::new(name.clone(), "unknown_field", "There is no such setting."))
            .collect();
        for field in about.fields {
            let text = given.get(field.name).map(|text| text.trim()).filter(|text| !text.is_empty());
            match (text.or(field.default), field.is_required) {
                (Some(text), _) => match field.checked(text) {
                    Ok(text) => {
                        values.insert(field.name, SecretString::from(text));
                    }
                    Err(odd) => wrong.push(odd.at(field.name)),
                },
                (None, true) => wrong.push(FieldError::new(field.name, "required", "This is needed.")),
                (None, false) => {}
            }
        }
        if wrong.is_empty() { Ok(Self(values)) } else { Err(Error::Invalid(wrong)) }
    }

    /// A change: what is left empty of the secrets stays as it was.
    pub fn changed(&self, about: &About, given: &BTreeMap<String, String>) -> Result<Self> {
        let mut whole = given.clone();
        for field in about.fields.iter().filter(|field| field.is_secret) {
            let is_empty = whole.get(field.name).is_none_or(|text| text.trim().is_empty());
            if is_empty && let Some(old) = self.0.get(field.name) {
                whole.insert(field.name.to_owned(), old.expose_secret().to_owned());
            }
        }
        Self::parse(about, &whole)
    }

    /// The bytes that are sealed and stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let plain: BTreeMap<&str, &str> =
            self.0.iter().map(|(name, value)| (*name, value.expose_secret())).collect();
        serde_json::to_vec(&plain).internal()
    }

    /// What was stored, checked again: a field may be stricter by now.
    pub fn from_bytes(about: &About, bytes: &[u8]) -> Result<Self> {
        let mut given: BTreeMap<String, String> = serde_json::from_slice(bytes).internal()?;
        given.retain(|name, _| about.fields.iter().any(|field| field.name == name));
        Self::parse(about, &given)
    }

    /// What may be shown: secrets by their last characters at most.
    pub fn masked(&self, about: &About) -> Vec<(&'static Field, Option<String>)> {
        let shown = |field: &'static Field| {
            let value = self.0.get(field.name)?.expose_secret();
            Some(if field.is_secret { tail(field, value) } else { value.to_owned() })
        };
        about.fields.iter().map(|field| (field, shown(field))).collect()
    }

    /// The servers that this credential leads to, with the field that names each.
    pub fn servers(&self, about: &About) -> Vec<(&'static str, Url)> {
        let server = |field: &Field| {
            let text = self.text(field.name);
            let url = match field.kind {
                FieldKind::Url => Url::parse(text),
                // A host that speaks no HTTP: the scheme stands for "public addresses only".
                FieldKind::Host if text.contains(':') => Url::parse(&format!("https://[{text}]")),
                FieldKind::Host => Url::parse(&format!("https://{text}")),
                _ => return None,
            };
            url.ok().map(|url| (field.name, url))
        };
        about.fields.iter().filter_map(server).collect()
    }

    /// A value; empty when it was left out.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(ExposeSecret::expose_secret).unwrap_or_default()
    }

    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub(super) fn secret(&self, name: &str) -> SecretString {
        self.text(name).into()
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name) == "on"
    }

    pub(super) fn url(&self, name: &'static str) -> Result<Url> {
        Url::parse(self.text(name))
            .map_err(|_odd| Error::invalid(name, "not_a_url", "This is not an address."))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values(hidden)")
    }
}

fn tail(field: &Field, value: &str) -> String {
    let count = value.chars().count();
    let shows_tail = count >= HIDDEN_MIN_CHARS + TAIL_CHARS && field.kind != FieldKind::KeyFile;
    let hidden = if shows_tail { count - TAIL_CHARS } else { count };
    format!("••••{}", value.chars().skip(hidden).collect::<String>())
}
