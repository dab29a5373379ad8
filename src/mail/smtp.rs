//! A mail server, spoken to step by step: only so is it known whether a failure came before the letter was in its hands.
//!
//! lettre speaks the protocol; its own transport puts all steps into one call, which cannot tell.

use std::{
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
use url::Url;

use super::{letter::Envelope, post::Outcome};
use crate::error::{Error, Result};

/// Greeting, encryption, signing in, and the envelope: all that comes before the letter itself.
const BEFORE_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers look for spam and viruses before they answer.
const LETTER_TIMEOUT: Duration = Duration::from_secs(120);
const IDLE_MAX: usize = 4;
/// Servers hang up on those who say nothing; after this we do.
const IDLE_FOR: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// TLS from the first byte.
    FromTheStart,
    /// STARTTLS, or no letter.
    Required,
    /// STARTTLS where the server offers it.
    IfOffered,
    /// For a relay on the same machine.
    Never,
}

/// A mail server and the connections to it that are idle.
pub(super) struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    hello: ClientId,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// A failure before the letter was given away.
enum Early {
    /// This letter will never be taken.
    Refused(String),
    NotYet(String),
}

impl Smtp {
    /// `smtps://user:password@host:465`, or `smtp://host:25` with `?tls=required`, `?tls=none`; without it STARTTLS is used
    /// where it is offered, and a password is never sent in the clear to another machine.
    pub fn from_url(url: &SecretString) -> Result<Self> {
        let bad = |detail: &str| Error::invalid("mail.url", "not_a_mail_url", detail.to_owned());
        let url = Url::parse(url.expose_secret())
            .map_err(|_quotes| bad("mail.url is not a URL such as smtps://user:password@host:465."))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| bad("mail.url names no host."))?.trim_matches(['[', ']']).to_owned();
        let credentials = match (decoded(url.username()), url.password().map(decoded)) {
            (user, Some(password)) if !user.is_empty() => Some(Credentials::new(user, password)),
            (user, None) if user.is_empty() => None,
            _ => return Err(bad("mail.url needs both a user and a password, or neither.")),
        };
        let wanted = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let is_here = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
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
        Ok(Self {
            port: url.port().unwrap_or(default_port),
            host,
            encryption,
            credentials,
            hello: ClientId::default(),
            idle: Mutex::new(Vec::new()),
        })
    }

    pub fn describe(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub async fn check(&self) -> Result<()> {
        let connection = self.connected_in_time().await.map_err(|early| match early {
            Early::Refused(reason) | Early::NotYet(reason) => {
                Error::unavailable("mail_unavailable", format!("{}: {reason}", self.describe()))
            }
        })?;
        self.park(connection);
        Ok(())
    }

    /// Hands one letter over.
    pub async fn carry(&self, envelope: &Envelope) -> Outcome {
        let ready = async {
            let mut connection = self.connection().await?;
            announce(&mut connection, envelope).await?;
            Ok(connection)
        };
        let mut connection = match within(BEFORE_TIMEOUT, ready).await {
            Ok(connection) => connection,
            Err(Early::Refused(reason)) => return Outcome::Refused(reason),
            Err(Early::NotYet(reason)) => return Outcome::NotTaken(reason),
        };
        // From here on the server has the letter, whole or in part.
        match tokio::time::timeout(LETTER_TIMEOUT, connection.message(&envelope.bytes)).await {
            Ok(Ok(_taken)) => {
                self.park(connection);
                Outcome::Accepted
            }
            Ok(Err(error)) if error.is_permanent() => Outcome::Refused(error_text(&error)),
            Ok(Err(error)) if error.is_transient() => Outcome::NotTaken(error_text(&error)),
            Ok(Err(error)) => Outcome::Unknown(error_text(&error)),
            Err(_late) => Outcome::Unknown("The server did not answer in time.".into()),
        }
    }

    /// An idle connection that still answers, or a new one.
    async fn connection(&self) -> std::result::Result<AsyncSmtpConnection, Early> {
        while let Some((mut idle, since)) = self.unpark() {
            if since.elapsed() < IDLE_FOR && idle.test_connected().await {
                return Ok(idle);
            }
            idle.abort().await;
        }
        self.connect().await
    }

    async fn connected_in_time(&self) -> std::result::Result<AsyncSmtpConnection, Early> {
        within(BEFORE_TIMEOUT, self.connect()).await
    }

    /// Whatever fails here is between this program and its mail server: no letter is to blame.
    async fn connect(&self) -> std::result::Result<AsyncSmtpConnection, Early> {
        let not_yet = |error: SmtpError| Early::NotYet(error_text(&error));
        let tls = || TlsParameters::new(self.host.clone()).map_err(not_yet);
        let at_once = match self.encryption {
            Encryption::FromTheStart => Some(tls()?),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_TIMEOUT), &self.hello, at_once, None)
                .await
                .map_err(not_yet)?;
        let starts = match self.encryption {
            Encryption::Required => true,
            Encryption::IfOffered => connection.can_starttls(),
            Encryption::FromTheStart | Encryption::Never => false,
        };
        if starts {
            connection.starttls(tls()?, &self.hello).await.map_err(not_yet)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(not_yet)?;
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
    let early = |error: SmtpError| match error.is_permanent() || error.is_client() {
        true => Early::Refused(error_text(&error)),
        false => Early::NotYet(error_text(&error)),
    };
    let mut options = Vec::new();
    let beyond_ascii = |address: &lettre::Address| !AsRef::<str>::as_ref(address).is_ascii();
    if beyond_ascii(&envelope.to) || beyond_ascii(&envelope.from) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Early::Refused("The mail server takes no such address (no SMTPUTF8).".into()));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    connection.command(Mail::new(Some(envelope.from.clone()), options)).await.map_err(early)?;
    connection.command(Rcpt::new(envelope.to.clone(), Vec::new())).await.map_err(early)?;
    connection.command(Data).await.map_err(early)?;
    Ok(())
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = std::result::Result<T, Early>>,
) -> std::result::Result<T, Early> {
    tokio::time::timeout(limit, step)
        .await
        .unwrap_or_else(|_late| Err(Early::NotYet("The server did not answer in time.".into())))
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
