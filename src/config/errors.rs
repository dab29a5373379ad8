//! Settings of error reports.

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

/// Where errors of this program are reported to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorSettings {
    /// The DSN of a project at a Sentry: `https://KEY@sentry.example.net/7`. Nothing is reported without one.
    #[serde(serialize_with = "hidden")]
    pub dsn: Option<SecretString>,
}

fn hidden<S: Serializer>(dsn: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    dsn.as_ref().map(|_key_in_it| "***").serialize(serializer)
}
