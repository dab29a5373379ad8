//! Proofs of who calls. Compared in constant time, and always over the bytes as they came.

use aws_lc_rs::{hmac, signature};
use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

pub(super) fn is_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

pub(super) fn hmac_sha256(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    mac(hmac::HMAC_SHA256, secret, parts)
}

/// For Twilio, which has no other.
pub(super) fn hmac_sha1(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, parts)
}

fn mac(algorithm: hmac::Algorithm, secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret));
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

/// Whether a hexadecimal HMAC-SHA256, in either case, with or without `sha256=`, is that of the body.
pub(super) fn is_hex_hmac_sha256(secret: &str, body: &[u8], given: &str) -> bool {
    let hex = given.strip_prefix("sha256=").unwrap_or(given);
    let Ok(given) = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) else { return false };
    hmac_sha256(secret.as_bytes(), &[body]).ct_eq(&given).into()
}

/// Whether a base64 HMAC is this one.
pub(super) fn is_base64(expected: &[u8], given: &str) -> bool {
    STANDARD.decode(given).is_ok_and(|given| expected.ct_eq(&given).into())
}

/// An ECDSA P-256 key as vendors hand it out: base64 of a `SubjectPublicKeyInfo`, with or without PEM's lines around it.
pub(super) struct EcdsaKey(Vec<u8>);

impl EcdsaKey {
    /// What stands before the point in every such key.
    const PREFIX: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    const POINT_BYTES: usize = 65;

    pub fn parse(text: &str) -> Option<Self> {
        let base64: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = STANDARD.decode(base64).ok()?;
        let point = der.strip_prefix(Self::PREFIX)?;
        (point.len() == Self::POINT_BYTES).then(|| Self(point.to_vec()))
    }

    /// Whether this DER signature, in base64, is over these parts.
    pub fn verifies(&self, parts: &[&[u8]], given: &str) -> bool {
        let Ok(given) = STANDARD.decode(given) else { return false };
        let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, &self.0);
        key.verify(&parts.concat(), &given).is_ok()
    }
}
