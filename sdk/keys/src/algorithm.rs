//! The algorithms, by the names that Vault's transit engine gives them.

use std::fmt;
use std::str::FromStr;

use crate::{Hash, KeyError};

/// What a key is for, and how it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES-128 in GCM with a nonce of 96 bits.
    Aes128Gcm96,
    /// AES-256 in GCM with a nonce of 96 bits.
    Aes256Gcm96,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
    /// XChaCha20-Poly1305, which has a nonce of 192 bits.
    XChaCha20Poly1305,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// HMAC (RFC 2104).
    Hmac,
}

/// How an algorithm's keys are made, kept and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Authenticated encryption with a key of so many bytes.
    Aead(usize),
    /// A seed of 32 bytes.
    Ed25519,
    /// A key on a curve.
    Ec(Curve),
    /// A modulus of so many bits.
    Rsa(u16),
    /// Any bytes.
    Hmac,
}

/// The curves of NIST (FIPS 186-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub fn bits(self) -> usize {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Aes128Gcm96,
        Self::Aes256Gcm96,
        Self::ChaCha20Poly1305,
        Self::XChaCha20Poly1305,
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::Hmac,
    ];

    /// As the contract writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm96 => "aes128-gcm96",
            Self::Aes256Gcm96 => "aes256-gcm96",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Hmac => "hmac",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Aes128Gcm96 => Family::Aead(16),
            Self::Aes256Gcm96 | Self::ChaCha20Poly1305 | Self::XChaCha20Poly1305 => {
                Family::Aead(32)
            }
            Self::Ed25519 => Family::Ed25519,
            Self::EcdsaP256 => Family::Ec(Curve::P256),
            Self::EcdsaP384 => Family::Ec(Curve::P384),
            Self::EcdsaP521 => Family::Ec(Curve::P521),
            Self::Rsa2048 => Family::Rsa(2048),
            Self::Rsa3072 => Family::Rsa(3072),
            Self::Rsa4096 => Family::Rsa(4096),
            Self::Hmac => Family::Hmac,
        }
    }

    /// Whether making a key takes so long that nothing else should wait for it.
    pub fn is_slow_to_make(self) -> bool {
        matches!(self.family(), Family::Rsa(_))
    }

    /// The hash that a message is signed over if nobody says another: as strong as the key (RFC 7518, 3.4). None where the
    /// algorithm hashes by itself, or does not sign.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::EcdsaP256 | Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => Some(Hash::Sha2_256),
            Self::EcdsaP384 => Some(Hash::Sha2_384),
            Self::EcdsaP521 => Some(Hash::Sha2_512),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let found = Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text);
        found.ok_or_else(|| {
            let shown = text.chars().take(64).collect();
            KeyError::Unknown(shown, Self::ALL.map(Self::name).join(", "))
        })
    }
}
