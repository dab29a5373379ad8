//! Secrets in a Vault server: the KV engine, version 2.

use std::{path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use rustify::errors::ClientError as HttpError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use vaultrs::{
    api::{
        self,
        kv2::requests::{ReadSecretRequest, SetSecretRequestOptions},
    },
    client::{VaultClient, VaultClientSettingsBuilder},
    error::ClientError,
    kv2,
};

use super::store::{
    SecretBytes, SecretName, SecretStore, deleted_secret, parse_prefix, refused_by_store, unreachable_store,
};
use crate::error::{Error, Result};

const STORE: &str = "vault";

/// One attempt, connecting included.
const TIMEOUT: Duration = Duration::from_secs(4);

/// What fails for a passing reason (a new leader, a lost connection) is tried this often.
const ATTEMPTS: u32 = 3;

/// A write that meets another writer looks again; more often than this they do not meet.
const ROUNDS: usize = 5;

/// The field of the KV entry that holds our value, base64: KV holds JSON, and ours are bytes.
const FIELD: &str = "value";

/// The secrets below one path of one KV mount.
pub struct VaultStore {
    client: VaultClient,
    mount: String,
    prefix: String,
    address: String,
}

/// What was found under a name.
enum Found {
    /// Never written; a first write says `cas=0`.
    Nothing,
    /// The newest version was deleted or destroyed, its number still counts.
    Deleted {
        version: u64,
    },
    Current {
        version: u64,
        value: SecretBytes,
    },
}

/// What the server made of a request.
enum Answer {
    /// Never written, or wiped with all its versions.
    Missing,
    /// There were versions; this is the newest and it was deleted.
    Deleted { version: u64 },
    /// The newest version is not the one that `cas` named.
    Mismatch,
    /// A passing trouble: worth another attempt.
    Passing(String),
    /// Lasting: the token, the policy, the mount.
    Refused(String),
}

impl VaultStore {
    pub fn open(
        address: &str,
        mount: &str,
        prefix: &str,
        token: &SecretString,
        namespace: Option<&str>,
        ca_file: Option<&Path>,
    ) -> Result<Self> {
        // The client's own builders panic on what is refused here.
        let url = url::Url::parse(address)
            .ok()
            .filter(|url| {
                matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none()
            })
            .ok_or_else(|| {
                Error::invalid("address", "not_a_url", "The address must be an http or https URL.")
            })?;
        let token = token.expose_secret().trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::invalid(
                "token",
                "not_a_token",
                "The token must be printable ASCII without blanks.",
            ));
        }
        if namespace.is_some_and(|ns| ns.is_empty() || !ns.chars().all(|c| c.is_ascii_graphic())) {
            return Err(Error::invalid(
                "namespace",
                "not_a_namespace",
                "The namespace must be printable ASCII.",
            ));
        }
        let mount = parse_prefix("mount", mount)?;
        if mount.is_empty() {
            return Err(Error::invalid("mount", "required", "The mount of the KV engine must be named."));
        }
        let mut settings = VaultClientSettingsBuilder::default();
        // Everything that the builder would else take from the environment is said, so that the settings are the truth.
        settings
            .address(url.as_str())
            .token(token)
            .timeout(Some(TIMEOUT))
            .verify(true)
            .identity(None)
            .ca_certs(ca_file.map(|path| path.display().to_string()).into_iter().collect::<Vec<_>>());
        if let Some(namespace) = namespace {
            settings.set_namespace(namespace.to_owned());
        }
        // Neither error is passed on: they would be shown, and the settings hold the token.
        let settings = settings
            .build()
            .map_err(|_lost| Error::internal("the settings of the Vault client do not fit together"))?;
        let client = VaultClient::new(settings).map_err(|e| match e {
            ClientError::FileReadError { path, source } => {
                Error::internal(format!("cannot read {path}: {source}"))
            }
            ClientError::ParseCertificateError { path, .. } => {
                Error::internal(format!("{path} is not a bundle of PEM certificates"))
            }
            _ => Error::internal("the Vault client cannot be built"),
        })?;
        Ok(Self {
            client,
            mount,
            prefix: parse_prefix("prefix", prefix)?,
            address: url.origin().ascii_serialization(),
        })
    }

    async fn find(&self, name: &SecretName) -> Result<Found> {
        let path = name.below(&self.prefix);
        let ask = async || {
            let request = ReadSecretRequest::builder().mount(&self.mount).path(&path).build();
            // The builder has all it asks for; should a later one ask for more, that is a request that went nowhere.
            let request = request.map_err(|_lost| ClientError::ResponseEmptyError)?;
            api::exec_with_result(&self.client, request).await
        };
        let answer = attempt(name, || Box::pin(ask())).await?;
        match answer {
            Ok(read) => {
                let encoded = read.data.get(FIELD).and_then(Value::as_str).ok_or_else(|| not_ours(name))?;
                let value = STANDARD.decode(encoded).map_err(|_lost| not_ours(name))?;
                Ok(Found::Current { version: read.metadata.version, value: value.into() })
            }
            Err(Answer::Missing) => Ok(Found::Nothing),
            Err(Answer::Deleted { version }) => Ok(Found::Deleted { version }),
            Err(other) => Err(failure(name, other)),
        }
    }

    /// Writes on top of that version (0: of none). False: another writer was first.
    async fn write(&self, name: &SecretName, value: &SecretBytes, version: u64) -> Result<bool> {
        let path = name.below(&self.prefix);
        let cas = u32::try_from(version).map_err(|_lost| not_ours(name))?;
        let data = json!({ FIELD: STANDARD.encode(value.expose()) });
        let answer = attempt(name, || {
            let options = SetSecretRequestOptions { cas };
            Box::pin(kv2::set_with_options(&self.client, &self.mount, &path, &data, options))
        })
        .await?;
        match answer {
            Ok(_) => Ok(true),
            Err(Answer::Mismatch) => Ok(false),
            Err(other) => Err(failure(name, other)),
        }
    }
}

impl SecretStore for VaultStore {
    fn get<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Option<SecretBytes>>> {
        Box::pin(async move {
            Ok(match self.find(name).await? {
                Found::Current { value, .. } => Some(value),
                Found::Nothing | Found::Deleted { .. } => None,
            })
        })
    }

    fn put<'a>(&'a self, name: &'a SecretName, value: &'a SecretBytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // With `cas` although any version may be replaced: a mount can be told to demand it.
            for _ in 0..ROUNDS {
                let version = match self.find(name).await? {
                    Found::Nothing => 0,
                    Found::Deleted { version } | Found::Current { version, .. } => version,
                };
                if self.write(name, value, version).await? {
                    return Ok(());
                }
            }
            Err(unreachable_store(STORE, name, "other writers were first each time"))
        })
    }

    fn put_if_absent<'a>(
        &'a self,
        name: &'a SecretName,
        value: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SecretBytes>> {
        Box::pin(async move {
            match self.find(name).await? {
                Found::Current { value, .. } => return Ok(value),
                Found::Deleted { .. } => return Err(deleted_secret(name)),
                Found::Nothing => {}
            }
            if self.write(name, value, 0).await? {
                return Ok(value.clone());
            }
            // Another was first. (Or we were, and the answer got lost: then the winner's value is ours.)
            match self.find(name).await? {
                Found::Current { value, .. } => Ok(value),
                Found::Deleted { .. } => Err(deleted_secret(name)),
                Found::Nothing => Err(unreachable_store(STORE, name, "the secret exists and cannot be read")),
            }
        })
    }

    fn replace<'a>(
        &'a self,
        name: &'a SecretName,
        expected: &'a SecretBytes,
        new: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let Found::Current { version, value } = self.find(name).await? else { return Ok(false) };
            if value != *expected {
                return Ok(false);
            }
            if self.write(name, new, version).await? {
                return Ok(true);
            }
            // The one version after ours holds our value: it was us, and the first answer got lost.
            Ok(match self.find(name).await? {
                Found::Current { version: now, value } => now == version.saturating_add(1) && value == *new,
                Found::Nothing | Found::Deleted { .. } => false,
            })
        })
    }

    fn delete<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let path = name.below(&self.prefix);
            let answer =
                attempt(name, || Box::pin(kv2::delete_latest(&self.client, &self.mount, &path))).await?;
            match answer {
                Ok(()) | Err(Answer::Missing | Answer::Deleted { .. }) => Ok(()),
                Err(other) => Err(failure(name, other)),
            }
        })
    }

    fn describe(&self) -> String {
        format!("Vault at {}, below {}/{}", self.address, self.mount, self.prefix)
    }
}

/// Asks up to [`ATTEMPTS`] times while the trouble is a passing one. Every request here may be repeated: a write carries
/// `cas`, so that it cannot happen twice.
async fn attempt<'a, T>(
    name: &SecretName,
    ask: impl Fn() -> BoxFuture<'a, Result<T, ClientError>> + Send,
) -> Result<Result<T, Answer>> {
    let mut tried = 1_u32;
    loop {
        let reason = match ask().await {
            Ok(answer) => return Ok(Ok(answer)),
            Err(e) => match read_answer(&e) {
                Answer::Passing(reason) => reason,
                lasting => return Ok(Err(lasting)),
            },
        };
        if tried >= ATTEMPTS {
            return Err(unreachable_store(STORE, name, &reason));
        }
        tokio::time::sleep(Duration::from_millis(u64::from(tried).saturating_mul(100))).await;
        tried = tried.saturating_add(1);
    }
}

/// Sorts the client's errors. Those that carry an answer's body are never shown: it may hold the value.
fn read_answer(error: &ClientError) -> Answer {
    match error {
        ClientError::APIError { code, errors } => by_status(*code, errors),
        ClientError::RestClientError { source } => match source {
            HttpError::ServerResponseError { code: 404, content: Some(body) } => deleted_version(body),
            HttpError::ServerResponseError { code, .. } => by_status(*code, &[]),
            HttpError::RequestError { .. } | HttpError::ResponseError { .. } => {
                Answer::Passing("no connection, or no answer in time".to_owned())
            }
            _ => Answer::Refused("an answer that makes no sense: is this a KV version 2 mount?".to_owned()),
        },
        _ => Answer::Refused(
            "an answer without the expected content: is this a KV version 2 mount?".to_owned(),
        ),
    }
}

fn by_status(code: u16, errors: &[String]) -> Answer {
    let reason = format!("{code} {}", errors.join("; "));
    match code {
        // With a reason it is the mount that is unknown, not the secret: that must not pass for "make a new one".
        404 if errors.is_empty() => Answer::Missing,
        400 if errors.iter().any(|e| e.contains("check-and-set parameter did not match")) => Answer::Mismatch,
        // 412: a replica that has not seen our last write yet.
        408 | 412 | 429 | 500.. => Answer::Passing(reason),
        _ => Answer::Refused(reason),
    }
}

/// Of a deleted version the server says 404 and still tells its number.
fn deleted_version(body: &str) -> Answer {
    #[derive(Deserialize)]
    struct Body {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        version: u64,
    }
    match serde_json::from_str::<Body>(body) {
        Ok(body) => Answer::Deleted { version: body.data.metadata.version },
        Err(_) => Answer::Refused("404 from something that is not Vault".to_owned()),
    }
}

fn failure(name: &SecretName, answer: Answer) -> Error {
    match answer {
        Answer::Passing(reason) => unreachable_store(STORE, name, &reason),
        Answer::Refused(reason) => refused_by_store(STORE, name, &reason),
        Answer::Missing | Answer::Deleted { .. } => refused_by_store(STORE, name, "404: no such mount"),
        Answer::Mismatch => unreachable_store(STORE, name, "another writer was first"),
    }
}

/// An entry without our field: made by hand or by another program. It is neither used nor written over.
fn not_ours(name: &SecretName) -> Error {
    Error::internal(format!(
        "the Vault entry {name} was not written by this program (no base64 field {FIELD:?})"
    ))
}
