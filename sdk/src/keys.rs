//! Keys that the host holds: a plugin names one, and the host computes with it. Their bytes stay with the host, but where the
//! plugin was granted `export`.
//!
//! The manifest says which operations are needed, in `coffer.toml`:
//!
//! ```toml
//! [needs]
//! keys = ["encrypt", "sign"]   # derive, encrypt, export, import, mac, sign
//! ```
//!
//! In `cargo test` all of them are there.

use crate::Result;
#[cfg(target_family = "wasm")]
use crate::bindings::plugin::coffer::plugin::keys as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::keys as host;

/// AES-128 in GCM with a nonce of 96 bits.
pub const AES128_GCM96: &str = "aes128-gcm96";
/// AES-256 in GCM with a nonce of 96 bits.
pub const AES256_GCM96: &str = "aes256-gcm96";
/// ChaCha20-Poly1305 (RFC 8439).
pub const CHACHA20_POLY1305: &str = "chacha20-poly1305";
/// Ed25519 (RFC 8032).
pub const ED25519: &str = "ed25519";
/// ECDSA on P-256 over SHA-256.
pub const ECDSA_P256: &str = "ecdsa-p256";
/// ECDSA on P-384 over SHA-384.
pub const ECDSA_P384: &str = "ecdsa-p384";
/// HMAC with SHA-256 (RFC 2104).
pub const HMAC: &str = "hmac";

/// Makes a key for this algorithm, under a name that follows the rules for keys of [`storage`](crate::storage).
///
/// # Errors
/// Conflict if the name is taken; invalid if there is no such algorithm.
pub fn generate(name: &str, algorithm: &str) -> Result<()> {
    host::generate(name, algorithm)
}

/// Takes in a key from elsewhere, as [`Key::export`] gives it out. Needs `import`.
///
/// # Errors
/// Conflict if the name is taken; invalid if that is no key of this algorithm.
pub fn import(name: &str, algorithm: &str, material: &[u8]) -> Result<()> {
    host::import(name, algorithm, material)
}

/// The key of this name.
///
/// # Errors
/// Invalid if nothing can have this name.
pub fn open(name: &str) -> Result<Option<Key>> {
    Ok(host::open(name)?.map(Key))
}

/// Deletes the key, if there is one.
///
/// # Errors
/// Invalid if nothing can have this name.
pub fn delete(name: &str) -> Result<()> {
    host::delete(name)
}

/// A key, for the call that opened it: kept any longer it is no good.
pub struct Key(host::Key);

impl Key {
    /// What it computes with.
    pub fn algorithm(&self) -> String {
        self.0.algorithm()
    }

    /// `SubjectPublicKeyInfo` in DER (RFC 5280); None of a symmetric key.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.0.public_key()
    }

    /// Another key for the same algorithm, the same for the same context, which is stored nowhere. Needs `derive`.
    ///
    /// # Errors
    /// Invalid for ECDSA.
    pub fn derive(&self, context: &[u8]) -> Result<Self> {
        self.0.derive(context).map(Self)
    }

    /// Nonce, ciphertext and tag, under a random nonce. The associated data is not in it. Needs `encrypt`.
    ///
    /// # Errors
    /// Invalid if the algorithm does not encrypt.
    pub fn encrypt(&self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
        self.0.encrypt(plaintext, associated_data, None)
    }

    /// The same under this nonce, which must never come twice for two texts.
    ///
    /// # Errors
    /// Invalid if the algorithm does not encrypt, or if the nonce has another length.
    pub fn encrypt_with_nonce(
        &self,
        plaintext: &[u8],
        associated_data: &[u8],
        nonce: &[u8],
    ) -> Result<Vec<u8>> {
        self.0.encrypt(plaintext, associated_data, Some(nonce))
    }

    /// What was encrypted. Needs `encrypt`.
    ///
    /// # Errors
    /// Invalid if the key did not make this, with this associated data.
    pub fn decrypt(&self, ciphertext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
        self.0.decrypt(ciphertext, associated_data)
    }

    /// 64 bytes of Ed25519, ASN.1 in DER of ECDSA. Needs `sign`.
    ///
    /// # Errors
    /// Invalid if the algorithm does not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.0.sign(message)
    }

    /// Whether the key made this signature of this message. Needs `sign`.
    ///
    /// # Errors
    /// Invalid if the algorithm does not sign.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool> {
        self.0.verify(message, signature)
    }

    /// HMAC with SHA-256: 32 bytes. Needs `mac`.
    ///
    /// # Errors
    /// Invalid if the key is not for that.
    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.0.mac(data)
    }

    /// The key itself: raw bytes of a symmetric one, PKCS#8 in DER (RFC 5958) of any other. Needs `export`, which an operator
    /// grants.
    ///
    /// # Errors
    /// Permission denied without that.
    pub fn export(&self) -> Result<Vec<u8>> {
        self.0.export()
    }
}
