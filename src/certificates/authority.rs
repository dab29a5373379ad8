//! Speaks to the authority (RFC 8555), through the program's one HTTP client.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType,
    ExternalAccountKey, HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem,
    RetryPolicy,
};
use poem::http;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, zeroize::Zeroizing};
use url::Url;
use x509_parser::pem::parse_x509_pem;

use super::store::{self, Due};
use crate::{
    config::{AcmeSettings, OutboundSettings},
    db::Db,
    error::{Error, OrInternal, Result},
    outbound::{Outbound, Request},
    types::DomainId,
};

const DETAIL_MAX_CHARS: usize = 300;
/// How an order's next state is waited for.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));

/// A certificate as it came, and its key.
pub(super) struct Obtained {
    /// PEM, the domain's own first.
    pub chain: String,
    pub private_key: Zeroizing<String>,
    pub ends_at: DateTime<Utc>,
}

/// Why there is no certificate, in words that may be shown to the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// `not_reached`, `not_allowed`, `refused`, `rate_limited`, `authority_away` or `internal`.
    pub code: &'static str,
    pub detail: String,
}

impl Trouble {
    fn new(code: &'static str, detail: &str) -> Self {
        let plain = detail.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self { code, detail: plain.take(DETAIL_MAX_CHARS).collect() }
    }

    /// What is ours to mend: told to the log, not to the tenant.
    pub fn internal(error: &Error) -> Self {
        tracing::error!(%error, "a certificate could not be ordered");
        Self::new("internal", "Something went wrong on our side.")
    }

    fn of(error: instant_acme::Error) -> Self {
        match error {
            instant_acme::Error::Api(problem) => Self::of_problem(&problem),
            other => {
                tracing::warn!(error = %other, "the certificate authority did not answer as it should");
                Self::new("authority_away", "The certificate authority did not answer.")
            }
        }
    }

    /// RFC 8555, 6.7.
    fn of_problem(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let code = match kind.rsplit(':').next().unwrap_or_default() {
            "connection" | "dns" | "incorrectResponse" | "tls" | "unauthorized" => "not_reached",
            "caa" => "not_allowed",
            "rateLimited" => "rate_limited",
            "serverInternal" => "authority_away",
            _ => "refused",
        };
        Self::new(code, problem.detail.as_deref().unwrap_or("The authority gave no reason."))
    }
}

/// An authority, and how it is reached.
pub(super) struct Authority {
    pub directory: String,
    outbound: Outbound,
    contact: Option<String>,
    external: Option<(String, Vec<u8>)>,
}

impl Authority {
    /// None where the settings name no authority.
    pub fn open(settings: &AcmeSettings, outbound: &OutboundSettings) -> Result<Option<Self>> {
        let Some(directory) = settings.directory.clone() else { return Ok(None) };
        let outbound = match &settings.ca_certificates {
            None => Outbound::new(outbound)?,
            Some(path) => {
                let unreadable = |reason: &dyn std::fmt::Display| {
                    let detail = format!("{}: {reason}.", path.display());
                    Error::invalid("acme.ca_certificates", "not_readable", detail)
                };
                let pem = std::fs::read(path).map_err(|error| unreadable(&error))?;
                Outbound::trusting(outbound, &pem).map_err(|error| unreadable(&error))?
            }
        };
        let external = settings.external_account.as_ref().map(|account| {
            let key = data_encoding::BASE64URL_NOPAD
                .decode(account.key.expose_secret().trim_end_matches('=').as_bytes())
                .map_err(|_odd| {
                    Error::invalid(
                        "acme.external_account.key",
                        "not_base64url",
                        "acme.external_account.key is base64url.",
                    )
                })?;
            Ok::<_, Error>((account.key_id.clone(), key))
        });
        let contact = settings.contact.as_ref().map(|address| format!("mailto:{address}"));
        Ok(Some(Self { directory, outbound, contact, external: external.transpose()? }))
    }

    fn http(&self) -> Box<dyn HttpClient> {
        Box::new(Line(self.outbound.clone()))
    }

    /// A new account, and what it is opened with again.
    pub async fn make_account(&self) -> Result<(Account, Vec<u8>), Trouble> {
        let contact: Vec<&str> = self.contact.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.external.as_ref().map(|(id, key)| ExternalAccountKey::new(id.clone(), key));
        let (account, credentials) = Account::builder_with_http(self.http())
            .create(&wanted, self.directory.clone(), external.as_ref())
            .await
            .map_err(Trouble::of)?;
        let credentials =
            serde_json::to_vec(&credentials).internal().map_err(|error| Trouble::internal(&error))?;
        Ok((account, credentials))
    }

    pub async fn open_account(&self, credentials: &[u8]) -> Result<Account, Trouble> {
        let credentials: AccountCredentials =
            serde_json::from_slice(credentials).internal().map_err(|error| Trouble::internal(&error))?;
        Account::builder_with_http(self.http()).from_credentials(credentials).await.map_err(Trouble::of)
    }

    /// Orders a certificate.
    pub async fn obtain(&self, account: &Account, db: &Db, due: &Due) -> Result<Obtained, Trouble> {
        let names = [Identifier::Dns(due.name.clone())];
        let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(Trouble::of)?;
        prove(&mut order, db, due.domain).await?;
        match order.poll_ready(&PATIENCE).await {
            Ok(OrderStatus::Ready) => {}
            ended => return Err(reason(&mut order, ended.err()).await),
        }
        let private_key = Zeroizing::new(order.finalize().await.map_err(Trouble::of)?);
        let chain = order.poll_certificate(&PATIENCE).await.map_err(Trouble::of)?;
        let ends_at = end_of(&chain).map_err(|error| Trouble::internal(&error))?;
        Ok(Obtained { chain, private_key, ends_at })
    }
}

/// Whether the authority of the settings answers as one.
pub async fn reach(settings: &AcmeSettings, outbound: &OutboundSettings) -> Result<()> {
    let Some(authority) = Authority::open(settings, outbound)? else { return Ok(()) };
    let url = Url::parse(&authority.directory).internal()?;
    let answer = authority.outbound.send(Request::get(url)).await;
    let said = answer
        .map_err(|failure| Error::internal(format!("{}: {}", authority.directory, failure.detail())))?;
    match said.json().get("newOrder") {
        Some(_orders) => Ok(()),
        None => Err(Error::internal(format!("{} is no ACME directory", authority.directory))),
    }
}

/// Makes the answer be found at the domain, then has the authority look.
async fn prove(order: &mut Order, db: &Db, domain: DomainId) -> Result<(), Trouble> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(Trouble::of)?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::Http01)
            .ok_or_else(|| Trouble::new("refused", "The authority offers no proof over http."))?;
        let answer = challenge.key_authorization();
        let shown = store::show_answer(db, domain, &challenge.token, answer.as_str()).await;
        shown.map_err(|error| Trouble::internal(&error))?;
        challenge.set_ready().await.map_err(Trouble::of)?;
    }
    Ok(())
}

/// What the authority found wrong is said by the proof that failed; the order only says that one did.
async fn reason(order: &mut Order, ended: Option<instant_acme::Error>) -> Trouble {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await
            && let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
        {
            return Trouble::of_problem(problem);
        }
    }
    ended.map_or_else(|| Trouble::new("refused", "The authority refused the order."), Trouble::of)
}

fn end_of(chain: &str) -> Result<DateTime<Utc>> {
    let (_, pem) = parse_x509_pem(chain.as_bytes()).internal()?;
    let leaf = pem.parse_x509().internal()?;
    let seconds = leaf.validity().not_after.timestamp();
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| Error::internal("a certificate without an end"))
}

/// The program's client, as the library wants one.
struct Line(Outbound);

impl HttpClient for Line {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let outbound = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let url = Url::parse(&head.uri.to_string()).map_err(other)?;
            let body = body.collect().await.map_err(other)?.to_bytes();
            let wanted = match head.method {
                http::Method::HEAD => Request::head(url),
                http::Method::POST => {
                    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                    Request::post(url).bytes(kind.unwrap_or("application/jose+json"), body)
                }
                _ => Request::get(url),
            };
            let answer = outbound.send(wanted).await.map_err(|failure| other(failure.detail().to_owned()))?;
            let mut response = http::Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(name, value);
            }
            let (parts, body) = response.body(answer.body)?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> instant_acme::Error {
    instant_acme::Error::Other(error.into())
}
