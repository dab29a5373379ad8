//! Settings of certificates for tenants' own domains.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::error::{Error, Result};

/// The authority (RFC 8555) that certificates come from, and where they are laid down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeSettings {
    /// `https://acme-v02.api.letsencrypt.org/directory`. To name one is to agree to its terms; without one nothing is ordered.
    pub directory: Option<String>,
    /// An address that the authority may write to.
    pub contact: Option<String>,
    /// A PEM file of certificate authorities to trust besides the machine's own: the directory of a private authority.
    pub ca_certificates: Option<PathBuf>,
    /// The account that an authority binds ours to, where it asks for one.
    pub external_account: Option<ExternalAccount>,
    /// The folder that the proxy of this machine reads certificates from. Kept as it should be by the process that has it set.
    pub folder: Option<PathBuf>,
}

/// An account at the authority that exists already (RFC 8555, 7.3.4).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccount {
    pub key_id: String,
    /// In base64url, as the authority shows it.
    #[serde(serialize_with = "hidden")]
    pub key: SecretString,
}

fn hidden<S: Serializer>(_secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

impl AcmeSettings {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |name: &'static str, code, detail: &str| {
            Err(Error::invalid(name, code, format!("{name} {detail}.")))
        };
        match self.directory.as_deref().map(Url::parse) {
            Some(url) if !url.as_ref().is_ok_and(|url| url.scheme() == "https" && url.has_host()) => {
                return refuse("acme.directory", "not_https", "is an https address");
            }
            None if self.folder.is_some() => {
                return refuse("acme.directory", "required", "is needed where acme.folder is set");
            }
            _ => {}
        }
        if self.contact.as_deref().is_some_and(|address| !email_address::EmailAddress::is_valid(address)) {
            return refuse("acme.contact", "not_an_address", "is an e-mail address");
        }
        Ok(())
    }
}
