//! The platform's API for those who sign up.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Serialize;

use super::signup::{NewSignup, SignedUp, SignupInput, Signups};
use crate::{
    error::{Error, Result},
    web::{Body, Created, Json, Origin, RateLimits, StandingNote},
};

const KEY_MAX_CHARS: usize = 255;

/// Somebody who signs their company up.
#[derive(Debug, Clone, Object)]
struct SignupBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    company_name: String,
    /// The first label of the portal's host; proposed from the company's name when absent.
    #[oai(validator(min_length = 3, max_length = 40, pattern = "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$"))]
    slug: Option<String>,
    owner: OwnerBody,
    /// IANA name; `Asia/Manila` when absent.
    time_zone: Option<String>,
    /// ISO 4217 code; `PHP` when absent.
    #[oai(validator(min_length = 3, max_length = 3))]
    currency: Option<String>,
    /// ISO 3166-1 alpha-2 code; `PH` when absent.
    #[oai(validator(min_length = 2, max_length = 2))]
    country: Option<String>,
    /// What the captcha's script gave, where the platform asks for one.
    #[oai(validator(max_length = 4096))]
    captcha_token: Option<String>,
}

#[derive(Debug, Clone, Object)]
struct OwnerBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    /// At least 10 characters, and none that everybody uses.
    #[oai(validator(min_length = 10, max_length = 200))]
    password: String,
}

impl From<SignupBody> for SignupInput {
    fn from(body: SignupBody) -> Self {
        Self {
            company_name: body.company_name,
            slug: body.slug,
            owner_name: body.owner.name,
            owner_email: body.owner.email,
            password: body.owner.password,
            time_zone: body.time_zone,
            currency: body.currency,
            country: body.country,
        }
    }
}

/// Whether a slug can be had.
#[derive(Debug, Clone, Serialize, Object)]
struct SlugView {
    available: bool,
    /// `taken`, `reserved`, `too_short`, `too_long`, `characters`, `hyphens` or `punycode`.
    reason: Option<String>,
}

/// Operations of the base domain.
pub struct SignupApi {
    signups: Arc<Signups>,
}

impl SignupApi {
    pub fn new(signups: Arc<Signups>) -> Self {
        Self { signups }
    }
}

#[OpenApi]
impl SignupApi {
    /// Sign a provider up: its portal, its schema and its owner, all or nothing.
    ///
    /// With an `Idempotency-Key` the same request again gets the same answer. Where the platform approves sign-ups first, the
    /// status of the tenant is `pending` and its owner has no id yet; the applicant is told by letter.
    #[oai(path = "/signups", method = "post")]
    async fn create_signup(&self, request: &Request, body: Body<SignupBody>) -> Result<Created<SignedUp>> {
        let origin = request.extensions().get::<Origin>();
        let key = idempotency_key(request)?;
        let captcha = body.0.captcha_token.clone().unwrap_or_default();
        let new = NewSignup::parse(body.0.into())?;
        if let (Some(limits), Some(note), Some(origin)) = (
            request.extensions().get::<Arc<RateLimits>>(),
            request.extensions().get::<StandingNote>(),
            origin,
        ) {
            limits.signup(origin.address, note)?;
        }
        let done = self.signups.ask(new, key, &captcha, origin).await?;
        Ok(Created(done.answer))
    }

    /// Say whether a slug can be had.
    #[oai(path = "/slugs/:slug", method = "get")]
    async fn get_slug(&self, slug: Path<String>) -> Result<Json<SlugView>> {
        let reason = self.signups.availability(&slug.0).await?;
        Ok(Json(SlugView { available: reason.is_none(), reason: reason.map(str::to_owned) }))
    }
}

/// The one `Idempotency-Key` of a request: 1-255 visible characters.
fn idempotency_key(request: &Request) -> Result<Option<&str>> {
    let mut given = request.headers().get_all("idempotency-key").iter();
    let Some(value) = given.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_MAX_CHARS);
    match (key, given.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Error::malformed("bad_idempotency_key", "An Idempotency-Key has 1 to 255 characters.")),
    }
}
