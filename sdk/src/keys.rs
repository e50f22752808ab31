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
use crate::bindings::plugin::coffer::plugin::keys as contract;
#[cfg(target_family = "wasm")]
use crate::bindings::plugin::coffer::plugin::keys as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::keys as host;

pub use contract::{Hash, Padding, Salt, Signing};

/// AES-128 in GCM with a nonce of 96 bits.
pub const AES128_GCM96: &str = "aes128-gcm96";
/// AES-256 in GCM with a nonce of 96 bits.
pub const AES256_GCM96: &str = "aes256-gcm96";
/// ChaCha20-Poly1305 (RFC 8439).
pub const CHACHA20_POLY1305: &str = "chacha20-poly1305";
/// XChaCha20-Poly1305, with a nonce of 192 bits.
pub const XCHACHA20_POLY1305: &str = "xchacha20-poly1305";
/// Ed25519 (RFC 8032).
pub const ED25519: &str = "ed25519";
/// ECDSA on P-256.
pub const ECDSA_P256: &str = "ecdsa-p256";
/// ECDSA on P-384.
pub const ECDSA_P384: &str = "ecdsa-p384";
/// ECDSA on P-521.
pub const ECDSA_P521: &str = "ecdsa-p521";
/// RSA with a modulus of 2048 bits (RFC 8017).
pub const RSA_2048: &str = "rsa-2048";
/// RSA with a modulus of 3072 bits.
pub const RSA_3072: &str = "rsa-3072";
/// RSA with a modulus of 4096 bits.
pub const RSA_4096: &str = "rsa-4096";
/// HMAC (RFC 2104).
pub const HMAC: &str = "hmac";

/// Makes a key for this algorithm, under a name that follows the rules for keys of [`storage`](crate::storage).
///
/// # Errors
/// Conflict if the name is taken; invalid if there is no such algorithm.
pub fn generate(name: &str, algorithm: &str) -> Result<()> {
    host::generate(name, algorithm)
}

/// Makes a key for HMAC of so many bytes, 16 to 4096.
///
/// # Errors
/// Conflict if the name is taken; invalid if there are no keys of this size.
pub fn generate_hmac(name: &str, size: u32) -> Result<()> {
    host::generate_hmac(name, size)
}

/// Takes in a key from elsewhere, as [`Key::export`] gives it out. Needs `import`.
///
/// # Errors
/// Conflict if the name is taken; invalid if that is no key of this algorithm.
pub fn import(name: &str, algorithm: &str, material: &[u8]) -> Result<()> {
    host::import(name, algorithm, material)
}

/// Takes in the public half of a key, `SubjectPublicKeyInfo` in DER. Needs `import`.
///
/// # Errors
/// Conflict if the name is taken; invalid if that is no public key for this algorithm.
pub fn import_public(name: &str, algorithm: &str, public_key: &[u8]) -> Result<()> {
    host::import_public(name, algorithm, public_key)
}

/// Whether whoever has the private half of this public key (`SubjectPublicKeyInfo` in DER: RSA, ECDSA or Ed25519) made this
/// signature of this input. Needs nothing.
///
/// # Errors
/// Invalid if that is no such key.
pub fn verify(public_key: &[u8], input: &[u8], signature: &[u8], how: Signing) -> Result<bool> {
    host::verify(public_key, input, signature, how)
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

/// An ECDSA signature as JSON web tokens have it (RFC 7518, 3.4), both numbers `len` bytes long, of what it is in DER; None if it
/// is none, or does not fit.
pub fn fixed_signature(der: &[u8], len: usize) -> Option<Vec<u8>> {
    let (inside, behind) = der_element(der, 0x30)?;
    let (r, rest) = der_element(inside, 0x02)?;
    let (s, rest) = der_element(rest, 0x02)?;
    if !behind.is_empty() || !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(2 * len);
    for number in [r, s] {
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.resize(out.len() + len.checked_sub(number.len())?, 0);
        out.extend_from_slice(number);
    }
    Some(out)
}

/// The same signature in DER, of both numbers one behind the other.
pub fn der_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let mut inside = Vec::with_capacity(fixed.len() + 8);
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = number.get(zeros..).unwrap_or_default();
        // A number whose first bit is set would be negative; and 0 is a number.
        let padded = number.first().is_none_or(|first| *first >= 0x80);
        inside.push(0x02);
        der_len(&mut inside, number.len() + usize::from(padded));
        inside.extend(padded.then_some(0));
        inside.extend_from_slice(number);
    }
    let mut out = vec![0x30];
    der_len(&mut out, inside.len());
    out.extend(inside);
    out
}

fn der_len(out: &mut Vec<u8>, len: usize) {
    let bytes = len.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    if len >= 0x80 {
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    } else {
        out.push(len as u8);
    }
}

/// What an element of less than 256 bytes has inside, and what is behind it.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match der {
        [first, 0x81, len, rest @ ..] if *first == tag && *len >= 0x80 => (*len, rest),
        [first, len, rest @ ..] if *first == tag && *len < 0x80 => (*len, rest),
        _ => return None,
    };
    rest.split_at_checked(len.into())
}

/// A key, for the call that opened it: kept any longer it is no good.
pub struct Key(host::Key);

impl Signing {
    /// A message over this hash. RSA signs by PSS with the longest salt.
    pub fn message(hash: Hash) -> Self {
        Self {
            hash: Some(hash),
            prehashed: false,
            padding: Padding::Pss(Salt::Longest),
        }
    }
}

impl Key {
    /// What it computes with.
    pub fn algorithm(&self) -> String {
        self.0.algorithm()
    }

    /// How long it is: its bytes, if it is symmetric, else the modulus or the curve's field.
    pub fn bits(&self) -> u32 {
        self.0.bits()
    }

    /// `SubjectPublicKeyInfo` in DER (RFC 5280); None of a symmetric key.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.0.public_key()
    }

    /// Whether only the public half is there.
    pub fn is_public(&self) -> bool {
        self.0.is_public()
    }

    /// Another key for the same algorithm, the same for the same context, which is stored nowhere. Needs `derive`.
    ///
    /// # Errors
    /// Invalid for RSA and ECDSA.
    pub fn derive(&self, context: &[u8]) -> Result<Self> {
        self.0.derive(context).map(Self)
    }

    /// Makes a key, under a name, that whoever holds the private half of `peer` (`SubjectPublicKeyInfo` in DER, on the same
    /// curve) makes just so of this key's public half. Needs `derive`.
    ///
    /// # Errors
    /// Conflict if the name is taken; invalid if one of them is no key on a curve.
    pub fn agree(&self, peer: &[u8], name: &str, algorithm: &str) -> Result<()> {
        self.0.agree(peer, name, algorithm)
    }

    /// Nonce, ciphertext and tag, under a random nonce; the associated data is not in it. Of RSA: OAEP over SHA-256. Needs
    /// `encrypt`.
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

    /// The same under a nonce that is made of the text: the same text gives the same ciphertext again.
    ///
    /// # Errors
    /// Invalid if the key was not [derived](Self::derive), or does not encrypt.
    pub fn encrypt_convergent(&self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
        self.0.encrypt_convergent(plaintext, associated_data)
    }

    /// What was encrypted. Needs `encrypt`.
    ///
    /// # Errors
    /// Invalid if the key did not make this, with this associated data.
    pub fn decrypt(&self, ciphertext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
        self.0.decrypt(ciphertext, associated_data)
    }

    /// 64 bytes of Ed25519, ASN.1 in DER of ECDSA, a block of RSA. Needs `sign`.
    ///
    /// # Errors
    /// Invalid if the algorithm does not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.0.sign(message)
    }

    /// The same, as is said.
    ///
    /// # Errors
    /// Invalid if the algorithm does not sign, or not so.
    pub fn sign_with(&self, input: &[u8], how: Signing) -> Result<Vec<u8>> {
        self.0.sign_as(input, how)
    }

    /// Whether the key made this signature of this message. Needs `sign`.
    ///
    /// # Errors
    /// Invalid if the algorithm does not sign.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool> {
        self.0.verify(message, signature)
    }

    /// The same, as is said.
    ///
    /// # Errors
    /// Invalid if the algorithm does not sign, or not so.
    pub fn verify_with(&self, input: &[u8], signature: &[u8], how: Signing) -> Result<bool> {
        self.0.verify_as(input, signature, how)
    }

    /// HMAC with SHA-256: 32 bytes. Needs `mac`.
    ///
    /// # Errors
    /// Invalid if the key is not for that.
    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.0.mac(data)
    }

    /// HMAC with this hash. Needs `mac`.
    ///
    /// # Errors
    /// Invalid if the key is not for that.
    pub fn mac_with(&self, data: &[u8], hash: Hash) -> Result<Vec<u8>> {
        self.0.mac_with(data, hash)
    }

    /// The key itself: raw bytes of a symmetric one, PKCS#8 in DER (RFC 5958) of any other. Needs `export`, which an operator
    /// grants.
    ///
    /// # Errors
    /// Permission denied without that.
    pub fn export(&self) -> Result<Vec<u8>> {
        self.0.export()
    }

    /// Another key, for whoever has the private half of this RSA key, as PKCS#11 wraps one (`CKM_RSA_AES_KEY_WRAP`). Needs
    /// `export`.
    ///
    /// # Errors
    /// Invalid if this is no RSA key.
    pub fn wrap(&self, other: &Self, hash: Hash) -> Result<Vec<u8>> {
        self.0.wrap(&other.0, hash)
    }

    /// Takes in, under a name, a key that was wrapped for this one. Needs `import`.
    ///
    /// # Errors
    /// Conflict if the name is taken; invalid if it was not wrapped for this key, or is none of this algorithm.
    pub fn unwrap(&self, wrapped: &[u8], hash: Hash, name: &str, algorithm: &str) -> Result<()> {
        self.0.unwrap(wrapped, hash, name, algorithm)
    }
}
