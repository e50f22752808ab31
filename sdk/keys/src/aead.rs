//! Authenticated encryption. A ciphertext is the nonce, what was encrypted, and the tag.

use chacha20poly1305::{AeadInPlace as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use crate::{Algorithm, Hash, KeyError, Random};

const TAG: usize = 16;

/// The nonce that a text is encrypted under.
#[derive(Clone, Copy, Debug)]
pub enum Nonce<'n> {
    /// Drawn anew.
    Random,
    /// This one, which must never come twice for two texts.
    Given(&'n [u8]),
    /// Made of the text: the same text under the same derived key gives the same ciphertext.
    Convergent,
}

/// A key that encrypts.
pub(crate) enum Cipher {
    Ring(Box<LessSafeKey>),
    XChaCha(Box<XChaCha20Poly1305>),
}

impl Cipher {
    pub fn new(algorithm: Algorithm, material: &[u8]) -> Result<Self, KeyError> {
        let method = match algorithm {
            Algorithm::Aes128Gcm96 => &AES_128_GCM,
            Algorithm::Aes256Gcm96 => &AES_256_GCM,
            Algorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Algorithm::XChaCha20Poly1305 => {
                return XChaCha20Poly1305::new_from_slice(material)
                    .map(|key| Self::XChaCha(Box::new(key)))
                    .map_err(|_| wrong_length(algorithm, 32, material));
            }
            _ => return Err(KeyError::Unsupported(algorithm, "encrypt")),
        };
        UnboundKey::new(method, material)
            .map(|key| Self::Ring(Box::new(LessSafeKey::new(key))))
            .map_err(|_| wrong_length(algorithm, method.key_len(), material))
    }

    fn nonce_len(&self) -> usize {
        match self {
            Self::Ring(_) => ring::aead::NONCE_LEN,
            Self::XChaCha(_) => 24,
        }
    }

    /// `convergent` is the key that makes a nonce of a text.
    pub fn encrypt(
        &self,
        algorithm: Algorithm,
        plaintext: &[u8],
        associated: &[u8],
        nonce: Nonce<'_>,
        convergent: Option<&[u8]>,
        random: Random<'_>,
    ) -> Result<Vec<u8>, KeyError> {
        let len = self.nonce_len();
        let mut out = Vec::with_capacity(len + plaintext.len() + TAG);
        match nonce {
            Nonce::Random => {
                out.resize(len, 0);
                random(&mut out);
            }
            Nonce::Given(given) if given.len() == len => out.extend_from_slice(given),
            Nonce::Given(given) => {
                return Err(KeyError::Nonce {
                    algorithm,
                    expected: len,
                    got: given.len(),
                });
            }
            Nonce::Convergent => {
                let key = convergent.ok_or(KeyError::NotDerived)?;
                out = Hash::Sha2_256.mac(key, plaintext)?;
                out.truncate(len);
            }
        }
        out.extend_from_slice(plaintext);
        let (nonce, text) = out.split_at_mut(len);
        let failed = KeyError::Failed("encrypting");
        let tag = match self {
            Self::Ring(key) => ring_nonce(nonce)
                .and_then(|nonce| {
                    key.seal_in_place_separate_tag(nonce, Aad::from(associated), text)
                        .ok()
                })
                .map(|tag| tag.as_ref().to_vec()),
            Self::XChaCha(key) => key
                .encrypt_in_place_detached(XNonce::from_slice(nonce), associated, text)
                .ok()
                .map(|tag| tag.to_vec()),
        };
        out.extend(tag.ok_or(failed)?);
        Ok(out)
    }

    pub fn decrypt(
        &self,
        ciphertext: &[u8],
        associated: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let split = ciphertext.split_at_checked(self.nonce_len());
        let (nonce, text) = split.ok_or(KeyError::Sealed)?;
        let len = text.len().checked_sub(TAG).ok_or(KeyError::Sealed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = match self {
            Self::Ring(key) => ring_nonce(nonce).and_then(|nonce| {
                let opened = key.open_in_place(nonce, Aad::from(associated), &mut text);
                opened.is_ok().then_some(())
            }),
            Self::XChaCha(key) => {
                let (body, tag) = text.split_at_mut(len);
                let nonce = XNonce::from_slice(nonce);
                key.decrypt_in_place_detached(nonce, associated, body, (&*tag).into())
                    .ok()
            }
        };
        opened.ok_or(KeyError::Sealed)?;
        text.truncate(len);
        Ok(text)
    }
}

fn ring_nonce(nonce: &[u8]) -> Option<ring::aead::Nonce> {
    ring::aead::Nonce::try_assume_unique_for_key(nonce).ok()
}

fn wrong_length(algorithm: Algorithm, expected: usize, material: &[u8]) -> KeyError {
    let got = material.len();
    KeyError::NoKey(algorithm, format!("it has {got} bytes, not {expected}"))
}
