//! The algorithms that an issuer's public key verifies (RFC 7518, 3.1; RFC 8037).

use coffer_sdk::keys::{self, Hash, Padding, Salt, Signing};

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they have names")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// All of them. Those with a shared secret are not among them: a public key must never be taken for one.
pub const ALGORITHMS: [Algorithm; 10] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
];

/// The kinds of keys that verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Algorithm {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALGORITHMS
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The kind of keys that it is for, and no other.
    pub(crate) fn key_kind(self) -> KeyKind {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 => KeyKind::Rsa,
            Self::PS256 | Self::PS384 | Self::PS512 => KeyKind::Rsa,
            Self::ES256 => KeyKind::P256,
            Self::ES384 => KeyKind::P384,
            Self::ES512 => KeyKind::P521,
            Self::EdDSA => KeyKind::Ed25519,
        }
    }

    /// Whether the holder of this key (`SubjectPublicKeyInfo` in DER) has signed this.
    pub(crate) fn verify(self, key: &[u8], signed: &str, signature: &[u8]) -> bool {
        let (hash, padding) = match self {
            Self::RS256 => (Hash::Sha2B256, Padding::Pkcs1),
            Self::RS384 => (Hash::Sha2B384, Padding::Pkcs1),
            Self::RS512 => (Hash::Sha2B512, Padding::Pkcs1),
            // The salt is as long as the hash.
            Self::PS256 => (Hash::Sha2B256, Padding::Pss(Salt::Hash)),
            Self::PS384 => (Hash::Sha2B384, Padding::Pss(Salt::Hash)),
            Self::PS512 => (Hash::Sha2B512, Padding::Pss(Salt::Hash)),
            Self::ES256 | Self::EdDSA => (Hash::Sha2B256, Padding::Pkcs1),
            Self::ES384 => (Hash::Sha2B384, Padding::Pkcs1),
            Self::ES512 => (Hash::Sha2B512, Padding::Pkcs1),
        };
        let how = Signing {
            hash: Some(hash),
            prehashed: false,
            padding,
        };
        let number = match self {
            Self::ES256 => Some(32),
            Self::ES384 => Some(48),
            Self::ES512 => Some(66),
            _ => None,
        };
        let signed = signed.as_bytes();
        let verified = match number {
            Some(len) if signature.len() != 2 * len => return false,
            Some(_) => keys::verify(key, signed, &keys::der_signature(signature), how),
            None => keys::verify(key, signed, signature, how),
        };
        verified.unwrap_or(false)
    }
}
