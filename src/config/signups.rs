//! Settings of the door for those who sign up.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::redacted;

/// What is asked of those who sign up at the base domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignupSettings {
    /// Whether owners may come with an address of a provider of throw-away mail.
    pub allow_disposable: bool,
    /// Whom to ask whether somebody is a person; nobody when absent.
    pub captcha: Option<CaptchaSettings>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptchaKind {
    Turnstile,
    Hcaptcha,
    Recaptcha,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptchaSettings {
    pub kind: CaptchaKind,
    /// The public half.
    pub site_key: String,
    #[serde(serialize_with = "redacted")]
    pub secret: SecretString,
    /// Another address than the service's own, for one that speaks alike.
    #[serde(default)]
    pub verify_url: Option<String>,
}
