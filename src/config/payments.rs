//! Settings of those who take the platform's money.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::redacted;

/// Who takes the platform's money from providers. Without any, invoices are paid otherwise and marked at the console.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentSettings {
    pub paystack: Option<PaystackSettings>,
    pub paymongo: Option<PaymongoSettings>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaystackSettings {
    /// Calls are made with it, and webhooks are signed with it.
    #[serde(serialize_with = "redacted")]
    pub secret_key: SecretString,
    #[serde(default = "paystack_url")]
    pub base_url: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymongoSettings {
    #[serde(serialize_with = "redacted")]
    pub secret_key: SecretString,
    /// The webhook's own: `whsk_…`.
    #[serde(serialize_with = "redacted")]
    pub webhook_secret: SecretString,
    #[serde(default = "paymongo_url")]
    pub base_url: String,
}

fn paystack_url() -> String {
    "https://api.paystack.co".to_owned()
}

fn paymongo_url() -> String {
    "https://api.paymongo.com".to_owned()
}
