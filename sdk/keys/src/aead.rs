//! Authenticated encryption. A ciphertext is the nonce, what was encrypted, and the tag.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN};
use ring::aead::{Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{Algorithm, KeyError, Random};

/// A key that encrypts; None for any other algorithm.
pub(crate) fn key(algorithm: Algorithm, material: &[u8]) -> Option<Result<LessSafeKey, KeyError>> {
    let method = match algorithm {
        Algorithm::Aes128Gcm96 => &AES_128_GCM,
        Algorithm::Aes256Gcm96 => &AES_256_GCM,
        Algorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        Algorithm::Ed25519 | Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::Hmac => {
            return None;
        }
    };
    let key = UnboundKey::new(method, material).map_err(|_| {
        let (expected, got) = (method.key_len(), material.len());
        KeyError::NoKey(algorithm, format!("it has {got} bytes, not {expected}"))
    });
    Some(key.map(LessSafeKey::new))
}

pub(crate) fn encrypt(
    key: &LessSafeKey,
    algorithm: Algorithm,
    plaintext: &[u8],
    associated: &[u8],
    nonce: Option<&[u8]>,
    random: Random<'_>,
) -> Result<Vec<u8>, KeyError> {
    let mut nonce_bytes = [0; NONCE_LEN];
    match nonce {
        None => random(&mut nonce_bytes),
        Some(given) => {
            nonce_bytes = given.try_into().map_err(|_| KeyError::Nonce {
                algorithm,
                expected: NONCE_LEN,
                got: given.len(),
            })?;
        }
    }
    let mut out = Vec::with_capacity(NONCE_LEN + plaintext.len() + key.algorithm().tag_len());
    out.extend_from_slice(&nonce_bytes);
    out.extend_from_slice(plaintext);
    let (_, text) = out.split_at_mut(NONCE_LEN);
    let nonce = Nonce::assume_unique_for_key(nonce_bytes);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(associated), text)
        .map_err(|_| KeyError::Failed("encrypting"))?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

pub(crate) fn decrypt(
    key: &LessSafeKey,
    ciphertext: &[u8],
    associated: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (nonce, text) = ciphertext
        .split_at_checked(NONCE_LEN)
        .ok_or(KeyError::Sealed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Sealed)?;
    let mut text = Zeroizing::new(text.to_vec());
    let plain = key
        .open_in_place(nonce, Aad::from(associated), &mut text)
        .map_err(|_| KeyError::Sealed)?;
    let len = plain.len();
    text.truncate(len);
    Ok(text)
}
