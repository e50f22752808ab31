//! The keys that plugins are signed with: Ed25519 or ECDSA P-256, in PKCS#8 and PEM, as `openssl genpkey` writes them too.
//! The server's side, and what a signature is, is in the core's `catalog/signature.rs`.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::{AuthorError, files};

/// What a PKCS#8 document (RFC 5958, RFC 8410) has before the 32 bytes of an Ed25519 key.
const ED25519_PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// What a SubjectPublicKeyInfo (RFC 8410, RFC 5480) has before the key itself.
const ED25519_INFO: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const P256_INFO: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// A private key.
pub(super) enum SigningKey {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// A new one, and what its file holds.
    pub(super) fn generate() -> Result<(Self, Zeroizing<String>), AuthorError> {
        let mut document = Zeroizing::new([0u8; ED25519_PKCS8.len() + 32]);
        let (start, seed) = document.split_at_mut(ED25519_PKCS8.len());
        start.copy_from_slice(ED25519_PKCS8);
        coffer_clock::Random::system().fill(seed);
        let key = Self::parse(document.as_slice()).map_err(AuthorError::Host)?;
        Ok((key, pem("PRIVATE KEY", document.as_slice())))
    }

    /// From a file.
    pub(super) fn load(path: &Path) -> Result<Self, AuthorError> {
        let text = files::secret(path)?;
        let document = decode(&text).map_err(AuthorError::malformed(path))?;
        Self::parse(&document).map_err(AuthorError::malformed(path))
    }

    fn parse(document: &[u8]) -> Result<Self, String> {
        // OpenSSL leaves the public key out, which ring would rather compare with.
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document) {
            return Ok(Self::Ed25519(key));
        }
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document, &random)
            .map(Self::P256)
            .map_err(|_| {
                "the key is neither Ed25519 nor ECDSA P-256; `coffer plugin keygen` makes one"
                    .to_owned()
            })
    }

    /// A signature over these bytes.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthorError> {
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::P256(key) => key
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| AuthorError::Host("The key does not sign".to_owned())),
        }
    }

    /// The public key, in PEM.
    pub(super) fn public(&self) -> String {
        let info = match self {
            Self::Ed25519(key) => [ED25519_INFO, key.public_key().as_ref()].concat(),
            Self::P256(key) => [P256_INFO, key.public_key().as_ref()].concat(),
        };
        pem("PUBLIC KEY", &info).to_string()
    }
}

fn pem(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(BASE64_STANDARD.encode(bytes));
    // Room for all of it at once: growing would leave a copy behind.
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 2 + 2 * label.len() + 64));
    let ends = |out: &mut String, word: &str| {
        for part in ["-----", word, " ", label, "-----\n"] {
            out.push_str(part);
        }
    };
    ends(&mut out, "BEGIN");
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out.push('\n');
    ends(&mut out, "END");
    out
}

/// The document in a PEM file of a private key.
fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let Some((_, rest)) = text.split_once(BEGIN) else {
        return Err(what_it_is(text).to_owned());
    };
    let (body, _) = rest
        .split_once(END)
        .ok_or_else(|| "the key is cut short".to_owned())?;
    let mut packed = Zeroizing::new(String::with_capacity(body.len()));
    packed.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
    BASE64_STANDARD
        .decode(packed.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| "the key is not base64".to_owned())
}

/// What people have instead of a PKCS#8 key.
fn what_it_is(text: &str) -> &'static str {
    let begins = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
    if begins("PUBLIC KEY") {
        "this is a public key; signing takes the private one"
    } else if begins("ENCRYPTED PRIVATE KEY") {
        "the key is encrypted; write it in clear with `openssl pkcs8`"
    } else if begins("EC PRIVATE KEY") {
        "the key is not in PKCS#8; convert it with `openssl pkcs8 -topk8 -nocrypt`"
    } else if begins("ENCRYPTED SIGSTORE PRIVATE KEY") || begins("ENCRYPTED COSIGN PRIVATE KEY") {
        "this is cosign's key; sign with `cosign sign-blob`, whose signatures are understood too"
    } else {
        "it has no private key in PEM (\"BEGIN PRIVATE KEY\")"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn checked(key: &SigningKey) {
        let signature = coffer_core::Signature {
            signature: BASE64_STANDARD.encode(key.sign(b"it").unwrap()),
            payload: None,
            manifest: None,
        };
        let print = coffer_core::fingerprint(&key.public()).unwrap();
        let signer = |bytes: &[u8]| {
            coffer_core::signer(bytes, std::slice::from_ref(&signature), &[key.public()]).unwrap()
        };
        assert_eq!(signer(b"it"), Some(print));
        assert_eq!(signer(b"something else"), None);
    }

    #[test]
    fn what_was_written_is_read_back_and_the_server_understands_it() {
        let (key, text) = SigningKey::generate().unwrap();
        let again = SigningKey::parse(&decode(&text).unwrap()).unwrap();
        assert_eq!(key.public(), again.public());
        assert!(text.lines().all(|line| line.len() <= 64));
        checked(&again);
        let p256 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .unwrap();
        let text = pem("PRIVATE KEY", p256.as_ref());
        checked(&SigningKey::parse(&decode(&text).unwrap()).unwrap());
    }

    #[test]
    fn what_is_no_key_says_what_it_is() {
        let begin = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n");
        #[rustfmt::skip]
        let table = [
            (String::new(), "no private key in PEM"),
            (begin("PUBLIC KEY"), "the private one"),
            (begin("ENCRYPTED PRIVATE KEY"), "encrypted"),
            (begin("EC PRIVATE KEY"), "-topk8"),
            (begin("PRIVATE KEY"), "cut short"),
            (begin("PRIVATE KEY") + "!-----END PRIVATE KEY-----", "not base64"),
            (begin("PRIVATE KEY") + "-----END PRIVATE KEY-----", "neither Ed25519 nor ECDSA P-256"),
        ];
        for (text, expected) in table {
            let error = decode(&text).and_then(|document| SigningKey::parse(&document).map(drop));
            let error = error.unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
