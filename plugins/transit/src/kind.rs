//! The types of keys.

use coffer_sdk::keys::{self, Hash};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[serde(rename = "aes128-gcm96")]
    Aes128Gcm96,
    #[serde(rename = "aes256-gcm96")]
    Aes256Gcm96,
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
    #[serde(rename = "xchacha20-poly1305")]
    XChaCha20Poly1305,
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    #[serde(rename = "ecdsa-p521")]
    EcdsaP521,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    #[serde(rename = "hmac")]
    Hmac,
}

impl Kind {
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

    /// As clients write it, and the host.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm96 => keys::AES128_GCM96,
            Self::Aes256Gcm96 => keys::AES256_GCM96,
            Self::ChaCha20Poly1305 => keys::CHACHA20_POLY1305,
            Self::XChaCha20Poly1305 => keys::XCHACHA20_POLY1305,
            Self::Ed25519 => keys::ED25519,
            Self::EcdsaP256 => keys::ECDSA_P256,
            Self::EcdsaP384 => keys::ECDSA_P384,
            Self::EcdsaP521 => keys::ECDSA_P521,
            Self::Rsa2048 => keys::RSA_2048,
            Self::Rsa3072 => keys::RSA_3072,
            Self::Rsa4096 => keys::RSA_4096,
            Self::Hmac => keys::HMAC,
        }
    }

    pub fn named(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Error::invalid(format!("unknown key type {name}")))
    }

    /// The one that a request asks for, or that it gets if it asks for none.
    pub fn asked(name: Option<&str>) -> Result<Self> {
        name.map_or(Ok(Self::Aes256Gcm96), Self::named)
    }

    /// What the key is called among the versions of a key that has a public half.
    pub fn public_name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "P-256",
            Self::EcdsaP384 => "P-384",
            Self::EcdsaP521 => "P-521",
            other => other.name(),
        }
    }

    /// Encrypts under a nonce, with associated data.
    pub fn is_aead(self) -> bool {
        matches!(
            self,
            Self::Aes128Gcm96
                | Self::Aes256Gcm96
                | Self::ChaCha20Poly1305
                | Self::XChaCha20Poly1305
        )
    }

    pub fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    pub fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521)
    }

    pub fn encrypts(self) -> bool {
        self.is_aead() || self.is_rsa()
    }

    pub fn signs(self) -> bool {
        self.is_rsa() || self.is_ecdsa() || self == Self::Ed25519
    }

    pub fn derives(self) -> bool {
        self.is_aead() || self == Self::Ed25519
    }

    /// Over which a certificate request is signed. Ed25519 hashes by itself.
    pub fn hash(self) -> Hash {
        match self {
            Self::EcdsaP384 => Hash::Sha2B384,
            Self::EcdsaP521 => Hash::Sha2B512,
            _ => Hash::Sha2B256,
        }
    }

    /// Half of an ECDSA signature, in bytes.
    pub fn field_len(self) -> usize {
        match self {
            Self::EcdsaP384 => 48,
            Self::EcdsaP521 => 66,
            _ => 32,
        }
    }
}
