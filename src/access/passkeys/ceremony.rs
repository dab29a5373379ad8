//! What is asked of a device, and whether its answer is right: the protocol, which knows neither tenants nor tables.

use std::time::Duration;

use poem::{FromRequest, Request, RequestBody};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs::{
    DEFAULT_AUTHENTICATOR_TIMEOUT, Webauthn, WebauthnBuilder,
    prelude::{
        DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
        RegisterPublicKeyCredential, WebauthnError,
    },
};

use crate::{
    access::gate::Access,
    error::{Error, OrInternal, Result},
    tenancy::Tenant,
    web::Host,
};

/// A device's answer is a kilobyte or two.
const ANSWER_MAX_BYTES: usize = 16 * 1_024;
/// How long a person may look for their key: as the protocol's authors recommend, and as long as a challenge counts.
pub const ANSWER_WITHIN: Duration = DEFAULT_AUTHENTICATOR_TIMEOUT;

/// The host that passkeys are asked for at, as the devices know it.
pub struct RelyingParty {
    webauthn: Webauthn,
    host: String,
}

/// Something that is asked of a device: what the browser is given, and what is kept to judge the answer by.
pub struct Question {
    pub options: Value,
    pub state: Value,
}

/// How an answer was judged.
pub enum Verdict {
    /// The key as it is to be kept from now on.
    Right(Box<Passkey>),
    /// Its counter did not go on: there may be a copy of it.
    Copied,
    Wrong,
}

/// A device's answer to a question of who is there.
pub struct Reply(PublicKeyCredential);

impl Reply {
    pub fn parse(json: &str) -> Option<Self> {
        let fits = json.len() <= ANSWER_MAX_BYTES;
        fits.then(|| serde_json::from_str(json).ok().map(Self)).flatten()
    }

    pub fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }

    /// Whom the device says that the key is of. Only keys that can be found without a name say so.
    pub fn person(&self) -> Option<Uuid> {
        self.0.get_user_unique_id().and_then(|bytes| Uuid::from_slice(bytes).ok())
    }
}

impl RelyingParty {
    /// `origin` is the address of that host as browsers name it.
    pub fn new(host: &Host, origin: &str, name: &str) -> Result<Self> {
        let origin = Url::parse(origin).internal()?;
        let webauthn = WebauthnBuilder::new(host.as_str(), &origin)
            .map(|builder| builder.rp_name(name).timeout(ANSWER_WITHIN))
            .and_then(WebauthnBuilder::build)
            .map_err(|_no_domain| {
                Error::conflict("no_passkeys_here", "Passkeys need a host with a name; this one has none.")
            })?;
        Ok(Self { webauthn, host: host.as_str().to_owned() })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// Asks a device for a new key of this person, unless it holds one of those.
    pub fn ask_for_new(
        &self,
        person: Uuid,
        (email, name): (&str, &str),
        has: Vec<Vec<u8>>,
    ) -> Result<Question> {
        let (asked, state) =
            self.webauthn.start_passkey_registration(person, email, name, Some(has)).internal()?;
        let mut options = serde_json::to_value(&asked.public_key).internal()?;
        // Where a device can keep it so that it is found without a name, it is to: then nothing needs to be typed to sign in.
        if let Some(selection) = options.get_mut("authenticatorSelection").and_then(Value::as_object_mut) {
            selection.insert("residentKey".into(), json!("preferred"));
        }
        Ok(Question { options, state: serde_json::to_value(&state).internal()? })
    }

    /// The new key, when the answer is right.
    pub fn new_key(&self, json: &str, state: Value) -> Option<Passkey> {
        let state: PasskeyRegistration = serde_json::from_value(state).ok()?;
        let fits = json.len() <= ANSWER_MAX_BYTES;
        let answer: RegisterPublicKeyCredential = serde_json::from_str(json).ok().filter(|_| fits)?;
        self.webauthn.finish_passkey_registration(&answer, &state).ok()
    }

    /// Asks whoever is there to show a key: one of those, or any that the device keeps for this host.
    pub fn ask(&self, among: &[Vec<u8>]) -> Result<Question> {
        let (asked, state) = self.webauthn.start_discoverable_authentication().internal()?;
        let mut options = serde_json::to_value(&asked.public_key).internal()?;
        let list: Vec<Value> = among
            .iter()
            .map(|id| json!({"type": "public-key", "id": data_encoding::BASE64URL_NOPAD.encode(id)}))
            .collect();
        if let Some(options) = options.as_object_mut() {
            options.insert("allowCredentials".into(), list.into());
        }
        Ok(Question { options, state: serde_json::to_value(&state).internal()? })
    }

    /// Holds an answer against the question and the key as it is kept. The person was verified by the device, or it is wrong.
    pub fn judge(&self, reply: &Reply, state: Value, key: &Value) -> Result<Verdict> {
        let mut key: Passkey = serde_json::from_value(key.clone()).internal()?;
        let state: DiscoverableAuthentication = serde_json::from_value(state).internal()?;
        match self.webauthn.finish_discoverable_authentication_v2(&reply.0, state, &key) {
            Ok(shown) if shown.user_verified() => {
                key.update_credential(&shown);
                Ok(Verdict::Right(Box::new(key)))
            }
            Err(WebauthnError::CredentialPossibleCompromise) => Ok(Verdict::Copied),
            Ok(_) | Err(_) => Ok(Verdict::Wrong),
        }
    }
}

impl<'a> FromRequest<'a> for RelyingParty {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let access = request.extensions().get::<Access>().ok_or_else(|| Error::internal("no access"))?;
        let tenant = request.extensions().get::<Tenant>().ok_or(Error::not_found("page"))?;
        let host = Host::of(request)?;
        Ok(Self::new(&host, &access.0.settings.url_of(host.as_str()), &tenant.name)?)
    }
}
