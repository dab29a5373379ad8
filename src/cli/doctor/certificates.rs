//! The certificates that browsers are shown: of the base domain, a name below it, the API's, and every custom domain.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{Findings, PATIENCE};
use crate::{
    app::Parts,
    error::{OrInternal, Result},
};

const CHECK: &str = "certificates";
/// A certificate that ends within this is told of: whoever renews it should have done so.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);
const AT_ONCE: usize = 16;
const MEND: &str = "Look at the proxy's log of certificates, and at docs/operations.md under Custom domains.";

/// How a name stands.
enum Standing {
    Good,
    EndsSoon,
    /// What a browser would say.
    Refused(String),
    /// Nobody answered there.
    Silent(String),
}

pub(super) async fn look(findings: &mut Findings, parts: &Parts, proxy: Option<SocketAddr>) {
    if !parts.settings.is_https() {
        return;
    }
    let (names, verifier) = match (names(parts).await, verifier()) {
        (Ok(names), Ok(verifier)) => (names, verifier),
        (Err(error), _) | (_, Err(error)) => {
            return findings.warning(CHECK, error.to_string(), "Without it no certificate can be looked at.");
        }
    };
    let looks = names.into_iter().map(|name| {
        let verifier = verifier.clone();
        async move { (standing(&name, proxy, verifier).await, name) }
    });
    let all: Vec<(Standing, String)> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
    tell(findings, &all);
}

fn tell(findings: &mut Findings, all: &[(Standing, String)]) {
    let (mut good, mut refused, mut silent) = (0, Vec::new(), Vec::new());
    for (standing, name) in all {
        match standing {
            Standing::Good => good += 1,
            Standing::EndsSoon => {
                let days = SOON.as_secs() / 86_400;
                findings.warning(CHECK, format!("that of {name} ends within {days} days"), MEND);
            }
            Standing::Refused(reason) => {
                refused.push((format!("that of {name} is refused: {reason}"), MEND.to_owned()));
            }
            Standing::Silent(reason) => silent.push(format!("{name} ({reason})")),
        }
    }
    findings.problems(CHECK, &refused, MEND);
    if !silent.is_empty() {
        silent.sort();
        silent.truncate(10);
        let detail = format!("not asked, because nobody answers: {}", silent.join(", "));
        findings.warning(CHECK, detail, "Point the names at the proxy, or ask it by --proxy ADDRESS:PORT.");
    }
    if good > 0 {
        findings.ok(CHECK, format!("{good} are good for two weeks and more"));
    }
}

/// A name below the base domain stands for all of them: they share a certificate.
async fn names(parts: &Parts) -> Result<Vec<String>> {
    let base = &parts.settings.base_domain;
    let mut names = vec![base.clone(), format!("api.{base}"), format!("any-provider.{base}")];
    let rows = parts
        .db
        .read_public(async |tx| {
            tx.query(
                "SELECT d.domain FROM public.tenant_domain d JOIN public.tenant t ON t.id = d.tenant_id
                 WHERE d.status = 'active' AND t.status = 'active' ORDER BY d.domain",
                &[],
            )
            .await
        })
        .await?;
    names.extend(rows.iter().map(|row| row.get::<_, String>("domain")));
    Ok(names)
}

fn verifier() -> Result<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(aws_lc_rs::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().internal()
}

async fn standing(name: &str, proxy: Option<SocketAddr>, verifier: Arc<WebPkiServerVerifier>) -> Standing {
    let silent = |reason: &dyn std::fmt::Display| Standing::Silent(reason.to_string());
    let Ok(server) = ServerName::try_from(name.to_owned()) else { return silent(&"no name") };
    let connected = match proxy {
        Some(proxy) => timeout(PATIENCE, TcpStream::connect(proxy)).await,
        None => timeout(PATIENCE, TcpStream::connect((name, 443))).await,
    };
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return silent(&error),
        Err(_late) => return silent(&"no answer"),
    };
    let ahead = Arc::new(Ahead { verifier, ends_soon: AtomicBool::new(false) });
    let connector = match client(ahead.clone()) {
        Ok(config) => TlsConnector::from(Arc::new(config)),
        Err(error) => return silent(&error),
    };
    match timeout(PATIENCE, connector.connect(server, stream)).await {
        Ok(Ok(_spoken)) if ahead.ends_soon.load(Ordering::Relaxed) => Standing::EndsSoon,
        Ok(Ok(_spoken)) => Standing::Good,
        Ok(Err(error)) => Standing::Refused(error.to_string()),
        Err(_late) => silent(&"no answer"),
    }
}

fn client(verifier: Arc<Ahead>) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Takes what the usual verifier takes, and asks it once more as of two weeks from now.
#[derive(Debug)]
struct Ahead {
    verifier: Arc<WebPkiServerVerifier>,
    ends_soon: AtomicBool,
}

impl ServerCertVerifier for Ahead {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let at = |when| self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp, when);
        let verified = at(now)?;
        let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
        self.ends_soon.store(at(later).is_err(), Ordering::Relaxed);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
