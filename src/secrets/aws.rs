//! Secrets in AWS Secrets Manager.
//!
//! The service has no compare-and-set. What it has is the client request token, which becomes the version's id: a second
//! write under the same token with another value is refused. So every write here uses a token computed from the version
//! it replaces: two writers that saw the same version ask for the same token, and one of them is told no. (Versions stay
//! known for at least a day after they were replaced, far longer than any of our writes takes.)

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_secretsmanager::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        create_secret::CreateSecretError, delete_secret::DeleteSecretError,
        describe_secret::DescribeSecretError, get_secret_value::GetSecretValueError,
        restore_secret::RestoreSecretError,
    },
    primitives::Blob,
};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::store::{
    SecretBytes, SecretName, SecretStore, deleted_secret, parse_prefix, refused_by_store, unreachable_store,
};
use crate::error::{Error, Result};

const STORE: &str = "aws";

/// How long a deleted secret can be brought back: the shortest time that AWS offers. A slip of an operator must not be
/// the end of every tenant's data, so nothing is ever deleted without this window.
const RECOVERY_DAYS: i64 = 7;

/// A write that meets another writer looks again; more often than this they do not meet.
const ROUNDS: usize = 5;

/// The secrets below one prefix of one account and region.
pub struct AwsStore {
    client: Client,
    prefix: String,
    place: String,
}

/// A version as it was read.
struct Current {
    version: String,
    value: SecretBytes,
}

/// What was found under a name.
enum Found {
    Nothing,
    /// Deleted, and to be had back.
    Deleted,
    Current(Current),
}

/// What became of an attempt to write.
enum Written {
    Done,
    /// Somebody else was first.
    Lost,
}

impl AwsStore {
    /// With the credentials of the usual chain: environment, profile, web identity, container, instance.
    pub async fn open(region: Option<&str>, endpoint: Option<&str>, prefix: &str) -> Result<Self> {
        Self::open_with(aws_config::defaults(BehaviorVersion::latest()), region, endpoint, prefix).await
    }

    pub(super) async fn open_with(
        loader: ConfigLoader,
        region: Option<&str>,
        endpoint: Option<&str>,
        prefix: &str,
    ) -> Result<Self> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(Duration::from_secs(12))
            .build();
        let mut loader =
            loader.timeout_config(timeouts).retry_config(RetryConfig::standard().with_max_attempts(3));
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = endpoint {
            if url::Url::parse(endpoint).is_err() {
                return Err(Error::invalid("endpoint", "not_a_url", "The endpoint must be an absolute URL."));
            }
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        let Some(region) = config.region() else {
            return Err(Error::invalid(
                "region",
                "required",
                "No AWS region is known: set it here, in AWS_REGION or in the profile.",
            ));
        };
        let prefix = parse_prefix("prefix", prefix)?;
        let place = endpoint.map_or_else(|| region.to_string(), |at| format!("{region} at {at}"));
        Ok(Self { client: Client::new(&config), prefix, place })
    }

    async fn find(&self, name: &SecretName) -> Result<Found> {
        let answer = self.client.get_secret_value().secret_id(name.below(&self.prefix)).send().await;
        match answer {
            Ok(got) => {
                let Some(version) = got.version_id else {
                    return Err(unreachable_store(STORE, name, "an answer without a version id"));
                };
                let value = match (got.secret_binary, got.secret_string) {
                    (Some(blob), _) => blob.into_inner(),
                    // Written by an operator, in the console.
                    (None, Some(text)) => text.into_bytes(),
                    (None, None) => Vec::new(),
                };
                Ok(Found::Current(Current { version, value: value.into() }))
            }
            Err(e)
                if e.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(Found::Nothing)
            }
            Err(e) if e.as_service_error().is_some_and(GetSecretValueError::is_invalid_request_exception) => {
                self.find_deleted(name).await
            }
            Err(e) => Err(failure(name, &e)),
        }
    }

    /// "Invalid request" has several reasons, told apart by an English sentence only; the description says it in a field.
    async fn find_deleted(&self, name: &SecretName) -> Result<Found> {
        let answer = self.client.describe_secret().secret_id(name.below(&self.prefix)).send().await;
        match answer {
            Ok(described) if described.deleted_date().is_some() => Ok(Found::Deleted),
            Ok(_) => Err(unreachable_store(STORE, name, "the secret can be described and not be read")),
            Err(e)
                if e.as_service_error().is_some_and(DescribeSecretError::is_resource_not_found_exception) =>
            {
                Ok(Found::Nothing)
            }
            Err(e) => Err(failure(name, &e)),
        }
    }

    async fn create(&self, name: &SecretName, value: &SecretBytes) -> Result<Written> {
        let answer = self
            .client
            .create_secret()
            .name(name.below(&self.prefix))
            .secret_binary(Blob::new(value.expose()))
            .client_request_token(Uuid::new_v4().to_string())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Written::Done),
            Err(e) if e.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception) => {
                Ok(Written::Lost)
            }
            // Deleted in the very moment since we looked: look again, it will be seen as that.
            Err(e) if e.as_service_error().is_some_and(CreateSecretError::is_invalid_request_exception) => {
                Ok(Written::Lost)
            }
            Err(e) => Err(failure(name, &e)),
        }
    }

    async fn succeed(&self, name: &SecretName, version: &str, value: &SecretBytes) -> Result<Written> {
        let answer = self
            .client
            .put_secret_value()
            .secret_id(name.below(&self.prefix))
            .secret_binary(Blob::new(value.expose()))
            .client_request_token(successor(version))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Written::Done),
            Err(e)
                if e.as_service_error().is_some_and(|s| {
                    s.is_resource_exists_exception()
                        || s.is_resource_not_found_exception()
                        || s.is_invalid_request_exception()
                }) =>
            {
                Ok(Written::Lost)
            }
            Err(e) => Err(failure(name, &e)),
        }
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        let answer = self.client.restore_secret().secret_id(name.below(&self.prefix)).send().await;
        match answer {
            Ok(_) => Ok(()),
            Err(e)
                if e.as_service_error().is_some_and(RestoreSecretError::is_resource_not_found_exception) =>
            {
                Ok(())
            }
            Err(e) => Err(failure(name, &e)),
        }
    }
}

impl SecretStore for AwsStore {
    fn get<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Option<SecretBytes>>> {
        Box::pin(async move {
            Ok(match self.find(name).await? {
                Found::Current(current) => Some(current.value),
                Found::Nothing | Found::Deleted => None,
            })
        })
    }

    fn put<'a>(&'a self, name: &'a SecretName, value: &'a SecretBytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for round in 0..ROUNDS {
                let written = match self.find(name).await? {
                    Found::Nothing => self.create(name, value).await?,
                    Found::Current(current) => self.succeed(name, &current.version, value).await?,
                    Found::Deleted => {
                        self.restore(name).await?;
                        Written::Lost
                    }
                };
                if matches!(written, Written::Done) {
                    return Ok(());
                }
                pause(round).await;
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
            for round in 0..ROUNDS {
                match self.find(name).await? {
                    Found::Current(current) => return Ok(current.value),
                    Found::Deleted => return Err(deleted_secret(name)),
                    Found::Nothing => {}
                }
                if matches!(self.create(name, value).await?, Written::Done) {
                    return Ok(value.clone());
                }
                // Made by another a moment ago; it may take one more to be seen everywhere.
                pause(round).await;
            }
            Err(unreachable_store(STORE, name, "the secret exists and cannot be read"))
        })
    }

    fn replace<'a>(
        &'a self,
        name: &'a SecretName,
        expected: &'a SecretBytes,
        new: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            match self.find(name).await? {
                Found::Current(current) if current.value == *expected => {
                    Ok(matches!(self.succeed(name, &current.version, new).await?, Written::Done))
                }
                _ => Ok(false),
            }
        })
    }

    fn delete<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let answer = self
                .client
                .delete_secret()
                .secret_id(name.below(&self.prefix))
                .recovery_window_in_days(RECOVERY_DAYS)
                .send()
                .await;
            match answer {
                Ok(_) => Ok(()),
                Err(e)
                    if e.as_service_error()
                        .is_some_and(DeleteSecretError::is_resource_not_found_exception) =>
                {
                    Ok(())
                }
                Err(e)
                    if e.as_service_error().is_some_and(DeleteSecretError::is_invalid_request_exception) =>
                {
                    // Deleted already, or not to be deleted at all: only the first is what was asked for.
                    match self.find(name).await? {
                        Found::Nothing | Found::Deleted => Ok(()),
                        Found::Current(_) => Err(failure(name, &e)),
                    }
                }
                Err(e) => Err(failure(name, &e)),
            }
        })
    }

    fn describe(&self) -> String {
        format!("AWS Secrets Manager in {}, below {:?}", self.place, self.prefix)
    }
}

/// The id of the version that comes after `version`, whoever writes it.
fn successor(version: &str) -> String {
    let digest = Sha256::new().chain_update(b"lastmile:version-after:").chain_update(version).finalize();
    let mut id = [0_u8; 16];
    for (to, from) in id.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    Builder::from_custom_bytes(id).into_uuid().to_string()
}

/// 20, 40, 80 ... milliseconds: whoever was first is done by then.
async fn pause(round: usize) {
    let doublings = u32::try_from(round).unwrap_or(0).min(6);
    tokio::time::sleep(Duration::from_millis(20_u64.saturating_mul(2_u64.saturating_pow(doublings)))).await;
}

/// Sorts what went wrong into "not reachable" and "not let in". The log gets AWS's own code and sentence, which carry
/// names and never values.
fn failure<E: ProvideErrorMetadata>(name: &SecretName, error: &SdkError<E>) -> Error {
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("unknown");
            let reason = format!("{code}: {}", answer.err().message().unwrap_or("no message"));
            if matches!(answer.raw().status().as_u16(), 429 | 500..) || code.contains("Throttling") {
                unreachable_store(STORE, name, &reason)
            } else {
                refused_by_store(STORE, name, &reason)
            }
        }
        SdkError::TimeoutError(_) => unreachable_store(STORE, name, "no answer in time"),
        SdkError::DispatchFailure(failed) if failed.is_timeout() => {
            unreachable_store(STORE, name, "no connection in time")
        }
        SdkError::DispatchFailure(failed) if failed.is_io() => {
            unreachable_store(STORE, name, "no connection")
        }
        // The chain of credentials came up empty, or none of its sources answered.
        SdkError::DispatchFailure(_) => refused_by_store(STORE, name, "no usable credentials"),
        SdkError::ConstructionFailure(_) => refused_by_store(STORE, name, "the request could not be built"),
        _ => unreachable_store(STORE, name, "an answer that makes no sense"),
    }
}
