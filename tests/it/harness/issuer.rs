//! An `OpenID` Connect issuer, whose words a test chooses: real HTTP, real RS256 signatures.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// The client that the issuer knows.
pub const CLIENT: &str = "lastmile-client";
pub const SECRET: &str = "s3cret of the client & more";

/// A key of the issuer's.
pub struct Key {
    pub kid: String,
    pub encoding: EncodingKey,
    modulus: Vec<u8>,
    told: Value,
}

impl Key {
    pub fn new(kid: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        // jsonwebtoken takes PKCS #1, which lies inside PKCS #8 behind its head.
        let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let at = pkcs8.as_ref().windows(4).skip(4).position(|four| four[..2] == [0x30, 0x82]).unwrap() + 4;
        let told = json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
            "n": BASE64URL_NOPAD.encode(&public.n), "e": BASE64URL_NOPAD.encode(&public.e),
        });
        Self {
            kid: kid.to_owned(),
            encoding: EncodingKey::from_rsa_der(&pkcs8.as_ref()[at..]),
            modulus: public.n,
            told,
        }
    }

    /// One for ES256.
    pub fn elliptic(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        // Uncompressed: a four, then both coordinates.
        let point = pair.public_key().as_ref()[1..].to_vec();
        let told = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid,
            "x": BASE64URL_NOPAD.encode(&point[..32]), "y": BASE64URL_NOPAD.encode(&point[32..]),
        });
        Self {
            kid: kid.to_owned(),
            encoding: EncodingKey::from_ec_der(pkcs8.as_ref()),
            modulus: Vec::new(),
            told,
        }
    }

    pub fn jwk(&self) -> Value {
        self.told.clone()
    }

    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }
}

/// What the issuer remembers of a browser that it sent back.
struct Given {
    redirect_uri: String,
    challenge: String,
    nonce: String,
}

/// What is done to a token before it is signed.
pub type Twist = Box<dyn Fn(&mut Header, &mut Value) + Send>;

#[derive(Default)]
struct State {
    codes: BTreeMap<String, Given>,
    /// What is told of whoever signs in next.
    person: Value,
    /// What of the next token is not as it should be.
    twist: Option<Twist>,
    /// A whole token in its place.
    token: Option<String>,
    /// The key that signs, when it is not the one that is told of.
    signer: Option<Arc<Key>>,
    told: Vec<Arc<Key>>,
    /// Told by its own address rather than in the token.
    by_userinfo: bool,
    name: Option<String>,
    is_dead: bool,
}

/// A running issuer.
pub struct Issuer {
    pub name: String,
    pub key: Arc<Key>,
    state: Arc<Mutex<State>>,
    keys_asked: Arc<AtomicUsize>,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = format!("http://{}", listener.local_addr().unwrap());
        let key = Arc::new(Key::new("first"));
        let state = State { told: vec![key.clone()], ..State::default() };
        let issuer = Self { name, key, state: Arc::new(Mutex::new(state)), keys_asked: Arc::default() };
        let (name, key) = (issuer.name.clone(), issuer.key.clone());
        let (state, keys_asked) = (issuer.state.clone(), issuer.keys_asked.clone());
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { break };
                let at = (name.clone(), key.clone(), state.clone(), keys_asked.clone());
                tokio::spawn(async move {
                    let answer = service_fn(|request| {
                        let at = at.clone();
                        async move { Ok::<_, Infallible>(answer(request, at).await) }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    drop(http.serve_connection(TokioIo::new(stream), answer).await);
                });
            }
        });
        issuer
    }

    /// Who signs in from now on.
    pub fn is(&self, subject: &str, email: &str) {
        let person = json!({"sub": subject, "email": email, "email_verified": true, "name": "Sam Single"});
        self.says(person);
    }

    pub fn says(&self, person: Value) {
        self.state.lock().unwrap().person = person;
    }

    /// What is wrong with tokens from now on.
    pub fn twists(&self, twist: impl Fn(&mut Header, &mut Value) + Send + 'static) {
        self.state.lock().unwrap().twist = Some(Box::new(twist));
    }

    pub fn gives(&self, token: String) {
        self.state.lock().unwrap().token = Some(token);
    }

    pub fn is_honest_again(&self) {
        let mut state = self.state.lock().unwrap();
        (state.twist, state.token, state.signer) = (None, None, None);
    }

    /// Signs with this key, and tells of it or does not.
    pub fn signs_with(&self, key: Arc<Key>, is_told: bool) {
        let mut state = self.state.lock().unwrap();
        if is_told {
            state.told.push(key.clone());
        }
        state.signer = Some(key);
    }

    /// From now on it answers with nothing but failures.
    pub fn dies(&self) {
        self.state.lock().unwrap().is_dead = true;
    }

    pub fn tells_apart(&self) {
        self.state.lock().unwrap().by_userinfo = true;
    }

    pub fn calls_itself(&self, name: &str) {
        self.state.lock().unwrap().name = Some(name.to_owned());
    }

    pub fn keys_asked(&self) -> usize {
        self.keys_asked.load(Ordering::Relaxed)
    }

    /// As the person at the issuer's page would: signs in, and is sent back with a code. The address that the browser goes to next.
    pub fn approve(&self, sent_to: &str) -> url::Url {
        let url = url::Url::parse(sent_to).unwrap();
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let code = uuid::Uuid::new_v4().to_string();
        let given = Given {
            redirect_uri: asked["redirect_uri"].clone(),
            challenge: asked["code_challenge"].clone(),
            nonce: asked["nonce"].clone(),
        };
        self.state.lock().unwrap().codes.insert(code.clone(), given);
        let mut back = url::Url::parse(&asked["redirect_uri"]).unwrap();
        back.query_pairs_mut().append_pair("state", &asked["state"]).append_pair("code", &code);
        back
    }
}

fn told(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let head = Response::builder().status(status).header("content-type", "application/json");
    head.body(Full::new(Bytes::from(body.to_string()))).unwrap()
}

async fn answer(
    request: Request<Incoming>,
    (name, key, state, keys_asked): (String, Arc<Key>, Arc<Mutex<State>>, Arc<AtomicUsize>),
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let credential = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut state = state.lock().unwrap();
    if state.is_dead {
        return told(500, &json!({}));
    }
    match path.as_str() {
        "/.well-known/openid-configuration" => told(
            200,
            &json!({
                "issuer": state.name.clone().unwrap_or_else(|| name.clone()),
                "authorization_endpoint": format!("{name}/authorize"), "token_endpoint": format!("{name}/token"),
                "jwks_uri": format!("{name}/jwks"), "userinfo_endpoint": format!("{name}/me"),
            }),
        ),
        "/jwks" => {
            keys_asked.fetch_add(1, Ordering::Relaxed);
            told(200, &json!({"keys": state.told.iter().map(|key| key.jwk()).collect::<Vec<_>>()}))
        }
        "/me" => told(200, &state.person),
        "/token" => {
            let fields: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
            let encoded =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = format!("{}:{}", encoded(CLIENT), encoded(SECRET));
            let basic = format!("Basic {}", data_encoding::BASE64.encode(both.as_bytes()));
            let given = state.codes.remove(fields.get("code").map_or("", String::as_str));
            let Some(given) = given.filter(|_| credential.as_deref() == Some(&basic)) else {
                return told(400, &json!({"error": "invalid_grant"}));
            };
            let proof = BASE64URL_NOPAD.encode(&Sha256::digest(fields["code_verifier"].as_bytes()));
            if proof != given.challenge || fields["redirect_uri"] != given.redirect_uri {
                return told(400, &json!({"error": "invalid_grant"}));
            }
            let now = chrono::Utc::now().timestamp();
            let mut claims =
                json!({"iss": name, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": given.nonce});
            let person = state.person.as_object().unwrap().clone();
            for (name, value) in person {
                if name == "sub" || !state.by_userinfo {
                    claims[name] = value;
                }
            }
            let signer = state.signer.clone().unwrap_or(key);
            let mut header = Header::new(Algorithm::RS256);
            header.kid = Some(signer.kid.clone());
            if let Some(twist) = &state.twist {
                twist(&mut header, &mut claims);
            }
            let token = state.token.clone();
            let token = token.unwrap_or_else(|| encode(&header, &claims, &signer.encoding).unwrap());
            told(200, &json!({"id_token": token, "access_token": "opaque", "token_type": "Bearer"}))
        }
        _ => told(404, &json!({})),
    }
}
