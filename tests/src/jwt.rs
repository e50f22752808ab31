//! An issuer of JSON web tokens: its keys, and what it signs.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use coffer_keys::{Algorithm, Key, Signing};
use coffer_sdk::keys::fixed_signature;
use serde_json::{Value, json};

/// A key that signs tokens with ES256.
pub struct Signer {
    key: Key,
    /// Its name.
    pub id: String,
}

/// Now, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Signer {
    /// A new key.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn new(id: &str) -> Self {
        Self {
            key: Key::generate(Algorithm::EcdsaP256, None, &mut |_| {}).expect("a key"),
            id: id.to_owned(),
        }
    }

    /// `SubjectPublicKeyInfo` in DER.
    ///
    /// # Panics
    /// Never.
    pub fn der(&self) -> Vec<u8> {
        self.key.public_key().expect("a public half")
    }

    /// The public key in PEM.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// The public key as issuers publish it.
    pub fn jwk(&self) -> Value {
        let der = self.der();
        let (x, y) = der.split_at(der.len() - 32);
        let (_, x) = x.split_at(x.len() - 32);
        let coordinate = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": coordinate(x), "y": coordinate(y),
        })
    }

    /// A token that claims this.
    pub fn token(&self, claims: &Value) -> String {
        self.with_header(
            &json!({"alg": "ES256", "typ": "JWT", "kid": self.id}),
            claims,
        )
    }

    /// The same with a header of one's own. It is signed with ES256, whatever that says.
    ///
    /// # Panics
    /// Never.
    pub fn with_header(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let how = Signing::message(Algorithm::EcdsaP256);
        let der = self.key.sign(signed.as_bytes(), how).expect("a signature");
        let fixed = fixed_signature(&der, 32).expect("two numbers");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(fixed))
    }
}
