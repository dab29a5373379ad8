//! Keys that vendors would hold. Made anew for each process: a key in a repository is one too many.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};

pub struct ServiceAccount {
    pub private_pem: String,
    /// As PKCS #1 has it.
    pub public_der: Vec<u8>,
}

/// The key of a project's service account.
pub fn service_account() -> &'static ServiceAccount {
    static KEY: OnceLock<ServiceAccount> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let base64 = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let private_pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        ServiceAccount { private_pem, public_der: pair.public_key().as_ref().to_vec() }
    })
}

pub struct Events {
    pair: EcdsaKeyPair,
    pub public: String,
}

impl Events {
    pub fn sign(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&SystemRandom::new(), bytes).unwrap().as_ref())
    }
}

/// The key that mail events are signed with.
pub fn events() -> &'static Events {
    static KEY: OnceLock<Events> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let prefix =
            data_encoding::HEXLOWER.decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        let public = STANDARD.encode([prefix.as_slice(), pair.public_key().as_ref()].concat());
        Events { pair, public }
    })
}
