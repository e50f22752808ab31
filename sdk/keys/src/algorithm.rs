//! The algorithms, by the names that Vault's transit engine gives them.

use std::fmt;
use std::str::FromStr;

use crate::KeyError;

/// What a key is for, and how it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES-128 in GCM with a nonce of 96 bits.
    Aes128Gcm96,
    /// AES-256 in GCM with a nonce of 96 bits.
    Aes256Gcm96,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256 over SHA-256.
    EcdsaP256,
    /// ECDSA on P-384 over SHA-384.
    EcdsaP384,
    /// HMAC with SHA-256 (RFC 2104).
    Hmac,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Aes128Gcm96,
        Self::Aes256Gcm96,
        Self::ChaCha20Poly1305,
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Hmac,
    ];

    /// As the contract writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm96 => "aes128-gcm96",
            Self::Aes256Gcm96 => "aes256-gcm96",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Hmac => "hmac",
        }
    }

    /// How many bytes of randomness a new key is; None where it has a structure.
    pub(crate) fn len(self) -> Option<usize> {
        match self {
            Self::Aes128Gcm96 => Some(16),
            Self::Aes256Gcm96 | Self::ChaCha20Poly1305 | Self::Ed25519 | Self::Hmac => Some(32),
            Self::EcdsaP256 | Self::EcdsaP384 => None,
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
