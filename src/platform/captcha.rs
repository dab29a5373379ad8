//! Whether somebody who signs up is a person, as a service of others sees it: Turnstile, hCaptcha or reCAPTCHA, which speak alike.

use std::sync::Arc;

use poem::http::HeaderValue;
use secrecy::ExposeSecret;
use serde::Serialize;
use url::Url;

use crate::{
    config::{CaptchaKind, CaptchaSettings},
    error::{Error, Result},
    outbound::{Outbound, Request},
    web::{ContentPolicy, Origin},
    words::say,
};

const TOKEN_MAX_BYTES: usize = 4_096;

/// What differs between the services.
struct Service {
    script: &'static str,
    /// Where its scripts and frames come from.
    sources: &'static str,
    class: &'static str,
    field: &'static str,
    verify_url: &'static str,
}

fn service_of(kind: CaptchaKind) -> Service {
    match kind {
        CaptchaKind::Turnstile => Service {
            script: "https://challenges.cloudflare.com/turnstile/v0/api.js",
            sources: "https://challenges.cloudflare.com",
            class: "cf-turnstile",
            field: "cf-turnstile-response",
            verify_url: "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        },
        CaptchaKind::Hcaptcha => Service {
            script: "https://js.hcaptcha.com/1/api.js",
            sources: "https://hcaptcha.com https://*.hcaptcha.com",
            class: "h-captcha",
            field: "h-captcha-response",
            verify_url: "https://api.hcaptcha.com/siteverify",
        },
        CaptchaKind::Recaptcha => Service {
            script: "https://www.google.com/recaptcha/api.js",
            sources: "https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/",
            class: "g-recaptcha",
            field: "g-recaptcha-response",
            verify_url: "https://www.google.com/recaptcha/api/siteverify",
        },
    }
}

/// The service that this deployment asks. Cheap to clone.
#[derive(Clone)]
pub struct Captcha(Arc<Inner>);

struct Inner {
    settings: CaptchaSettings,
    service: Service,
    verify_url: Url,
    outbound: Outbound,
}

/// What a page shows of it.
#[derive(Serialize)]
pub struct Widget {
    script: &'static str,
    class: &'static str,
    site_key: String,
}

impl Captcha {
    pub fn open(settings: &CaptchaSettings, outbound: Outbound) -> Result<Self> {
        let service = service_of(settings.kind);
        let url = settings.verify_url.as_deref().unwrap_or(service.verify_url);
        let verify_url = Url::parse(url).map_err(|_odd| {
            let key = "signups.captcha.verify_url";
            Error::invalid(key, "not_an_address", say!("{} is not an address.", key))
        })?;
        Ok(Self(Arc::new(Inner { settings: settings.clone(), service, verify_url, outbound })))
    }

    pub fn widget(&self) -> Widget {
        let service = &self.0.service;
        Widget { script: service.script, class: service.class, site_key: self.0.settings.site_key.clone() }
    }

    /// The name of the field that its script adds to a form.
    pub fn field(&self) -> &'static str {
        self.0.service.field
    }

    /// The policy of a page with the widget: it may load that, and is otherwise what `base` says.
    pub fn policy(&self, base: ContentPolicy<'_>) -> HeaderValue {
        let sources = self.0.service.sources;
        let both = format!("'self' {sources}");
        ContentPolicy { scripts: &both, styles: &both, connections: &both, frames: sources, ..base }.header()
    }

    /// Asks whether the token is a person's. 422 when it is not, 503 when the service does not say.
    pub async fn check(&self, token: &str, origin: Option<&Origin>) -> Result<()> {
        let refused =
            || Error::invalid("captcha_token", "not_proved", "Show that you are a person, and try again.");
        if token.is_empty() || token.len() > TOKEN_MAX_BYTES {
            return Err(refused());
        }
        let address = origin.map(|origin| origin.address.to_string()).unwrap_or_default();
        let fields = [
            ("secret", self.0.settings.secret.expose_secret()),
            ("response", token),
            ("remoteip", address.as_str()),
        ];
        let answer = self.0.outbound.send(Request::post(self.0.verify_url.clone()).form(fields)).await;
        let said = answer.ok().filter(crate::outbound::Answer::is_success).map(|answer| answer.json());
        match said.as_ref().and_then(|said| said.get("success")) {
            Some(serde_json::Value::Bool(true)) => Ok(()),
            Some(serde_json::Value::Bool(false)) => Err(refused()),
            _ => {
                tracing::warn!("the captcha service does not answer");
                Err(Error::unavailable(
                    "captcha_unavailable",
                    "It cannot be seen right now whether you are a person. Try again in a moment.",
                ))
            }
        }
    }
}
