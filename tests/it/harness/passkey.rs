//! A device that keeps passkeys, as a browser speaks to it: makes keys for a host, and signs what a page asks.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Browser;

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const HAS_KEY: u8 = 0x40;

/// One passkey in a device.
pub struct Device {
    /// As the browser would say it; a test may lie.
    pub origin: String,
    pub host: String,
    pub counter: u32,
    /// Those that are kept in a cloud have no counter.
    pub counts: bool,
    /// Whether the device makes sure of the person.
    pub verifies: bool,
    /// What it says when it is asked whose key it is.
    pub person: Vec<u8>,
    id: Vec<u8>,
    pair: EcdsaKeyPair,
}

fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn client_data(kind: &str, challenge: &str, origin: &str) -> Vec<u8> {
    json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
        .to_string()
        .into_bytes()
}

/// CBOR's head of a byte string.
fn bytes_head(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(short @ 0..24) => vec![0x40 | short],
        Ok(short) => vec![0x58, short],
        Err(_) => [&[0x59][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    }
}

impl Device {
    /// A new key for a host, which has signed nothing yet.
    pub fn new(host: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            origin: format!("https://{host}"),
            host: host.to_owned(),
            counter: 1,
            counts: true,
            verifies: true,
            person: Vec::new(),
            id: rand::random::<[u8; 16]>().to_vec(),
            pair,
        }
    }

    fn flags(&self) -> u8 {
        if self.verifies { PRESENT | VERIFIED } else { PRESENT }
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.host.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The answer to a page that asks for a new key: what stands in `answer`.
    pub fn created(&mut self, options: &Value) -> String {
        self.person = BASE64URL_NOPAD.decode(options["user"]["id"].as_str().unwrap().as_bytes()).unwrap();
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let mut data = self.head(self.flags() | HAS_KEY);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt");
        object.extend(b"\x64none\x67attStmt\xa0\x68authData");
        object.extend(bytes_head(data.len()));
        object.extend(data);
        let told = client_data("webauthn.create", options["challenge"].as_str().unwrap(), &self.origin);
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key", "extensions": {},
            "response": {"attestationObject": encoded(&object), "clientDataJSON": encoded(&told), "transports": ["internal"]},
        })
        .to_string()
    }

    /// The answer to a page that asks who is there. The counter goes on.
    pub fn shown(&mut self, options: &Value) -> String {
        if self.counts {
            self.counter += 1;
        }
        let data = self.head(self.flags());
        let told = client_data("webauthn.get", options["challenge"].as_str().unwrap(), &self.origin);
        let signed = [&data[..], &Sha256::digest(&told)].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key", "extensions": {},
            "response": {
                "authenticatorData": encoded(&data), "clientDataJSON": encoded(&told),
                "signature": encoded(signature.as_ref()), "userHandle": encoded(&self.person),
            },
        })
        .to_string()
    }
}

/// What a page asks of a device.
pub struct Question {
    pub challenge: String,
    pub options: Value,
}

impl Browser {
    /// What the page's script does first.
    pub async fn asks(&mut self, path: &str, fields: &[(&str, &str)]) -> Question {
        let asked = self.post(path, fields).await.expect(200);
        Question {
            challenge: asked["challenge"].as_str().unwrap().to_owned(),
            options: asked["options"].clone(),
        }
    }

    /// Adds a passkey of this host to the account that is signed in here.
    pub async fn add_passkey(&mut self, host: &str, name: &str) -> Device {
        self.add_device(Device::new(host), name).await
    }

    pub async fn add_device(&mut self, mut device: Device, name: &str) -> Device {
        self.get("/account/mfa").await.expect_status(200);
        let asked = self.asks("/account/passkeys/begin", &[]).await;
        let answer = device.created(&asked.options);
        let fields = [("challenge", asked.challenge.as_str()), ("answer", &answer), ("name", name)];
        self.post("/account/passkeys", &fields).await.expect_status(303);
        let page = self.get("/account/mfa").await.text();
        assert!(page.contains("The passkey was added."), "{page}");
        device
    }

    /// Shows a passkey at a door whose script asks at `path`/begin, and answers what the form is answered.
    pub async fn show_passkey(&mut self, path: &str, device: &mut Device, next: &str) -> super::Answer {
        let asked = self.asks(&format!("{path}/begin"), &[]).await;
        let answer = device.shown(&asked.options);
        self.post(path, &[("challenge", &asked.challenge), ("answer", &answer), ("next", next)]).await
    }
}
