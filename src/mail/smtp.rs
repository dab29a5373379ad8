//! A mail server, spoken to step by step: only so is it known whether a failure came before the letter was in its hands.
//!
//! lettre speaks the protocol; its own transport puts all steps into one call, which cannot tell.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt},
    extension::{ClientId, Extension, MailParameter},
};
use secrecy::{ExposeSecret, SecretString};
use tracing::{Span, field::Empty};
use url::Url;

use super::letter::Envelope;
use crate::{
    error::{Error, Result},
    outbound::{Failure, Outbound},
    trace::span,
};

/// Greeting, encryption, signing in, and the envelope: all that comes before the letter itself.
const BEFORE_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers look for spam and viruses before they answer.
const LETTER_TIMEOUT: Duration = Duration::from_secs(120);
const IDLE_MAX: usize = 4;
/// Servers hang up on those who say nothing; after this we do.
const IDLE_FOR: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte.
    FromTheStart,
    /// STARTTLS, or no letter.
    Required,
    /// STARTTLS where the server offers it.
    IfOffered,
    /// For a relay on the same machine.
    Never,
}

/// Which server, and how to be let in.
pub struct Server {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// User and password.
    pub credentials: Option<(String, String)>,
}

impl Server {
    /// Whether it is a part of this machine, so that nothing travels.
    pub fn is_here(&self) -> bool {
        is_here(&self.host)
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A mail server and the connections to it that are idle.
pub struct Smtp {
    server: Server,
    hello: ClientId,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// How far things had come when they failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The address may not be called at all.
    NotAllowed,
    Connecting,
    SigningIn,
    Sender,
    Recipient,
    Letter,
}

/// What a server said when it took no letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub step: Step,
    /// `550`, where the server answered at all.
    pub code: Option<u16>,
    /// `5.1.1`, where its answer begins with such a code.
    pub enhanced: Option<String>,
    pub text: String,
}

/// What became of a letter, with the server's codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    Accepted,
    /// The server will never take it.
    Refused(Said),
    /// The server surely has not taken it, and may do so later.
    NotTaken(Said),
    /// The connection went while the server had the letter in its hands.
    Unknown(String),
}

impl Handed {
    fn tell(&self, span: &Span) {
        let (outcome, code) = match self {
            Self::Accepted => ("accepted", None),
            Self::Refused(said) => ("refused", said.code),
            Self::NotTaken(said) => ("not_taken", said.code),
            Self::Unknown(_) => ("unknown", None),
        };
        span.record("lastmile.outcome", outcome).record("smtp.response.code", code.map(i64::from));
        if !matches!(self, Self::Accepted) {
            span.record("otel.status_code", "ERROR");
        }
    }
}

impl Said {
    fn of(step: Step, error: &SmtpError) -> Self {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let is_code = |text: &&str| {
            let numbers: Vec<&str> = text.split('.').collect();
            matches!(numbers.as_slice(), [class, rest @ ..] if matches!(*class, "2" | "4" | "5") && rest.len() == 2
                && rest.iter().all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit())))
        };
        let first = source.split_whitespace().next().map(|word| word.trim_matches(['#', ':', '-']));
        let enhanced = first.filter(is_code).map(str::to_owned);
        Self { step, code: error.status().map(u16::from), enhanced, text: error_text(error) }
    }

    fn without_code(step: Step, text: impl Into<String>) -> Self {
        Self { step, code: None, enhanced: None, text: text.into() }
    }

    fn late(step: Step) -> Self {
        Self::without_code(step, "The server did not answer in time.")
    }
}

/// A failure before the letter was given away.
struct Early {
    said: Said,
    is_final: bool,
}

impl Early {
    fn not_yet(said: Said) -> Self {
        Self { said, is_final: false }
    }
}

impl Smtp {
    pub fn new(server: Server) -> Self {
        Self { server, hello: ClientId::default(), idle: Mutex::new(Vec::new()) }
    }

    /// `smtps://user:password@host:465`, or `smtp://host:25` with `?tls=required`, `?tls=none`; without it STARTTLS is used
    /// where it is offered, and a password is never sent in the clear to another machine.
    pub fn from_url(url: &SecretString) -> Result<Self> {
        let bad = |detail: &str| Error::invalid("mail.url", "not_a_mail_url", detail.to_owned());
        let url = Url::parse(url.expose_secret())
            .map_err(|_quotes| bad("mail.url is not a URL such as smtps://user:password@host:465."))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| bad("mail.url names no host."))?.trim_matches(['[', ']']).to_owned();
        let credentials = match (decoded(url.username()), url.password().map(decoded)) {
            (user, Some(password)) if !user.is_empty() => Some((user, password)),
            (user, None) if user.is_empty() => None,
            _ => return Err(bad("mail.url needs both a user and a password, or neither.")),
        };
        let wanted = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let is_here = is_here(&host);
        let (encryption, default_port) = match (url.scheme(), wanted.as_deref()) {
            ("smtps", None) => (Encryption::FromTheStart, 465),
            ("smtp", Some("required")) => (Encryption::Required, 587),
            ("smtp", None) if credentials.is_some() && !is_here => (Encryption::Required, 587),
            ("smtp", None) => (Encryption::IfOffered, 25),
            ("smtp", Some("none")) if credentials.is_none() || is_here => (Encryption::Never, 25),
            ("smtp", Some("none")) => return Err(bad("mail.url would send the password in the clear.")),
            ("smtp" | "smtps", _) => return Err(bad("mail.url may have tls=required or tls=none.")),
            _ => return Err(bad("mail.url begins with smtp:// or smtps://.")),
        };
        let port = url.port().unwrap_or(default_port);
        Ok(Self::new(Server { host, port, encryption, credentials }))
    }

    pub fn describe(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// Whether the server lets us in. `guard` says which addresses may be called; none for a server of this deployment's own.
    pub async fn greet_by(&self, guard: Option<&Outbound>) -> std::result::Result<(), Said> {
        let connection =
            within(BEFORE_TIMEOUT, Box::pin(self.connect(guard))).await.map_err(|early| early.said)?;
        self.park(connection);
        Ok(())
    }

    pub async fn check(&self) -> Result<()> {
        self.greet_by(None).await.map_err(|said| {
            Error::unavailable("mail_unavailable", format!("{}: {}", self.describe(), said.text))
        })
    }

    /// Hands one letter over.
    pub async fn carry(&self, envelope: &Envelope) -> Handed {
        self.carry_by(None, envelope).await
    }

    /// The same with a guard over the addresses that are called.
    pub async fn carry_by(&self, guard: Option<&Outbound>, envelope: &Envelope) -> Handed {
        let span = span!(
            "smtp",
            otel.name = "smtp.send",
            otel.kind = "client",
            otel.status_code = Empty,
            server.address = self.server.host.as_str(),
            server.port = i64::from(self.server.port),
            lastmile.outcome = Empty,
            smtp.response.code = Empty,
        );
        let handed = self.hand_over(guard, envelope).await;
        handed.tell(&span);
        handed
    }

    async fn hand_over(&self, guard: Option<&Outbound>, envelope: &Envelope) -> Handed {
        let ready = async {
            let mut connection = self.connection(guard).await?;
            announce(&mut connection, envelope).await?;
            Ok(connection)
        };
        let mut connection = match within(BEFORE_TIMEOUT, ready).await {
            Ok(connection) => connection,
            Err(Early { said, is_final: true }) => return Handed::Refused(said),
            Err(Early { said, is_final: false }) => return Handed::NotTaken(said),
        };
        // From here on the server has the letter, whole or in part.
        match tokio::time::timeout(LETTER_TIMEOUT, connection.message(&envelope.bytes)).await {
            Ok(Ok(_taken)) => {
                self.park(connection);
                Handed::Accepted
            }
            Ok(Err(error)) if error.is_permanent() => Handed::Refused(Said::of(Step::Letter, &error)),
            Ok(Err(error)) if error.is_transient() => Handed::NotTaken(Said::of(Step::Letter, &error)),
            Ok(Err(error)) => Handed::Unknown(error_text(&error)),
            Err(_late) => Handed::Unknown("The server did not answer in time.".into()),
        }
    }

    /// An idle connection that still answers, or a new one.
    async fn connection(&self, guard: Option<&Outbound>) -> std::result::Result<AsyncSmtpConnection, Early> {
        while let Some((mut idle, since)) = self.unpark() {
            if since.elapsed() < IDLE_FOR && idle.test_connected().await {
                return Ok(idle);
            }
            idle.abort().await;
        }
        Box::pin(self.connect(guard)).await
    }

    /// Whatever fails here is between this program and its mail server: no letter is to blame.
    async fn connect(&self, guard: Option<&Outbound>) -> std::result::Result<AsyncSmtpConnection, Early> {
        let not_yet = |error: SmtpError| Early::not_yet(Said::of(Step::Connecting, &error));
        let Server { host, port, encryption, credentials } = &self.server;
        let tls = || TlsParameters::new(host.clone()).map_err(not_yet);
        let at_once = match encryption {
            Encryption::FromTheStart => Some(tls()?),
            _ => None,
        };
        let limit = Some(CONNECT_TIMEOUT);
        let connected = match guard {
            None => {
                let server = (host.as_str(), *port);
                AsyncSmtpConnection::connect_tokio1(server, limit, &self.hello, at_once, None).await
            }
            Some(guard) => {
                let addresses = guard.addresses(host, *port).await.map_err(|failure| {
                    let is_forbidden = matches!(failure, Failure::Forbidden(_));
                    let step = if is_forbidden { Step::NotAllowed } else { Step::Connecting };
                    Early::not_yet(Said::without_code(step, failure.detail()))
                })?;
                let servers = addresses.as_slice();
                AsyncSmtpConnection::connect_tokio1(servers, limit, &self.hello, at_once, None).await
            }
        };
        let mut connection = connected.map_err(not_yet)?;
        let starts = match encryption {
            Encryption::Required => true,
            Encryption::IfOffered => connection.can_starttls(),
            Encryption::FromTheStart | Encryption::Never => false,
        };
        if starts {
            connection.starttls(tls()?, &self.hello).await.map_err(not_yet)?;
        }
        if let Some((user, password)) = credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            connection
                .auth(DEFAULT_MECHANISMS, &credentials)
                .await
                .map_err(|error| Early::not_yet(Said::of(Step::SigningIn, &error)))?;
        }
        Ok(connection)
    }

    fn unpark(&self) -> Option<(AsyncSmtpConnection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn park(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.has_broken() {
            idle.push((connection, Instant::now()));
        }
    }
}

/// Sender, recipient, and the word that the letter follows.
async fn announce(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
) -> std::result::Result<(), Early> {
    let early = |step: Step| {
        move |error: SmtpError| Early {
            is_final: error.is_permanent() || error.is_client(),
            said: Said::of(step, &error),
        }
    };
    let mut options = Vec::new();
    let beyond_ascii = |address: &lettre::Address| !AsRef::<str>::as_ref(address).is_ascii();
    if beyond_ascii(&envelope.to) || beyond_ascii(&envelope.from) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let text = "The mail server takes no such address (no SMTPUTF8).";
            return Err(Early { said: Said::without_code(Step::Letter, text), is_final: true });
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    connection.command(Mail::new(Some(envelope.from.clone()), options)).await.map_err(early(Step::Sender))?;
    connection.command(Rcpt::new(envelope.to.clone(), Vec::new())).await.map_err(early(Step::Recipient))?;
    connection.command(Data).await.map_err(early(Step::Letter))?;
    Ok(())
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = std::result::Result<T, Early>>,
) -> std::result::Result<T, Early> {
    tokio::time::timeout(limit, step)
        .await
        .unwrap_or_else(|_late| Err(Early::not_yet(Said::late(Step::Connecting))))
}

/// The server's own words, with what lies beneath them.
fn error_text(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn decoded(text: &str) -> String {
    let plus_kept = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("v={plus_kept}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
