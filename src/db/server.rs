//! The PostgreSQL server: where it is, and how it is spoken to.
//!
//! `sslmode=require` in the URL means TLS with a certificate that is looked at: its chain, and that it is for this host. It may also
//! be written `verify-full`; a connection that only seems safe is not offered. Everything else is plain text.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{Client, Config, Socket, config::SslMode, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    config::Settings,
    error::{Error, OrInternal, Result},
};

/// What drives a connection; ends with it.
pub type Driver = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Where PostgreSQL is, and what its certificate is held against.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Server {
    /// The server that the settings name.
    pub fn of(settings: &Settings) -> Result<Self> {
        Self::parse(settings.database_url()?, settings.database.ca_certificates.as_deref())
    }

    /// `ca_certificates` is a PEM file of certificate authorities to trust instead of the machine's own.
    fn parse(url: &str, ca_certificates: Option<&Path>) -> Result<Self> {
        let wrong = || Error::invalid("database.url", "not_a_url", "database.url is not a postgres:// URL.");
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        if url.contains("sslmode=verify-ca") {
            return Err(Error::invalid(
                "database.url",
                "weak_tls",
                "database.url: sslmode=verify-ca lets any host of that authority answer; use verify-full.",
            ));
        }
        let mut config: Config = url.parse().map_err(|_odd| wrong())?;
        let is_tls = config.get_ssl_mode() == SslMode::Require;
        if !is_tls {
            config.ssl_mode(SslMode::Disable);
        }
        let roots = if is_tls { roots(ca_certificates)? } else { RootCertStore::empty() };
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .internal()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config, tls: MakeRustlsConnect::new(client) })
    }

    /// With the user and password of the URL.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// A connection outside of every pool, for the few who need one of their own. Whoever asks drives it.
    pub async fn connect(&self, config: &Config) -> Result<(Client, Driver), tokio_postgres::Error> {
        #[expect(clippy::disallowed_methods, reason = "whoever calls this is held to a reason")]
        config.connect(self.tls()).await
    }
}

fn roots(ca_certificates: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_certificates else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let unreadable = |reason: String| {
        Error::invalid("database.ca_certificates", "not_readable", format!("{}: {reason}.", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it holds no certificate".into()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        Server::parse(url, None).unwrap().config().get_ssl_mode()
    }

    #[test]
    fn what_is_asked_for_is_what_there_is() {
        assert_eq!(mode("postgres://u@h/db"), SslMode::Disable);
        assert_eq!(mode("postgres://u@h/db?sslmode=prefer"), SslMode::Disable);
        assert_eq!(mode("postgres://u@h/db?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://u@h/db?sslmode=verify-full"), SslMode::Require);
        assert!(Server::parse("postgres://u@h/db?sslmode=verify-ca", None).is_err());
        assert!(Server::parse("mysql://u@h/db", None).is_err());
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let url = "postgres://u@h/db?sslmode=verify-full";
        assert!(Server::parse(url, Some(Path::new("Cargo.toml"))).is_err());
        assert!(Server::parse(url, Some(Path::new("no/such/file"))).is_err());
    }
}
