//! The keys that values are sealed with: one for each term, the newest for writing.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use coffer_clock::{Random, UnixMillis};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::BarrierError;
use crate::seal::KEYRING;

const FORMAT: u8 = 1;
const NONCE: usize = 12;
const HEADER: usize = 1 + 4 + NONCE;
const TAG: usize = 16;
/// What sealing adds to a value, in bytes.
pub(crate) const OVERHEAD: usize = HEADER + TAG;

/// 32 secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn random(random: &Random) -> Self {
        Self(random.bytes())
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Ready for use. What is computed from the key is wiped with it.
    fn aead(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Term {
    term: u32,
    key: Key,
    /// When it was made, in milliseconds; 0 if that is not known.
    #[serde(default)]
    installed: u64,
}

/// The key ring, ready for use.
pub(crate) struct KeyRing {
    /// Ascending; never empty.
    terms: Vec<(u32, Aes256Gcm)>,
    stored: Vec<Term>,
    /// How much was sealed with the newest key and not noted anywhere yet.
    sealed: AtomicU64,
}

impl KeyRing {
    /// One new key, of term 1.
    pub(crate) fn generate(random: &Random, now: UnixMillis) -> Option<Self> {
        Self::of(vec![Term {
            term: 1,
            key: Key::random(random),
            installed: now.0,
        }])
    }

    /// The same with a new key, of the next term.
    pub(crate) fn grown(&self, random: &Random, now: UnixMillis) -> Option<Self> {
        let mut terms = self.stored.clone();
        terms.push(Term {
            term: self.newest().0.checked_add(1)?,
            key: Key::random(random),
            installed: now.0,
        });
        Self::of(terms)
    }

    /// The newest term, and when its key was made.
    pub(crate) fn newest(&self) -> (u32, UnixMillis) {
        self.stored.last().map_or((0, UnixMillis(0)), |term| {
            (term.term, UnixMillis(term.installed))
        })
    }

    /// How much was sealed with the newest key and not noted anywhere yet.
    pub(crate) fn unnoted(&self) -> &AtomicU64 {
        &self.sealed
    }

    /// Itself, as it is stored.
    pub(crate) fn sealed_under(
        &self,
        random: &Random,
        root: &Key,
    ) -> Result<Vec<u8>, BarrierError> {
        let corrupt = || BarrierError::Corrupt(KEYRING.to_owned());
        let encoded = self.encode().ok_or_else(corrupt)?;
        let wrapping = Self::of_key(root).ok_or_else(corrupt)?;
        wrapping.seal(random, KEYRING, &encoded)
    }

    /// The reverse of [`KeyRing::sealed_under`].
    pub(crate) fn opened_with(root: &Key, sealed: &[u8]) -> Result<Self, BarrierError> {
        let corrupt = || BarrierError::Corrupt(KEYRING.to_owned());
        let wrapping = Self::of_key(root).ok_or_else(corrupt)?;
        Self::decode(&wrapping.open(KEYRING, sealed)?).ok_or_else(corrupt)
    }

    /// A ring of one known key: what seals the key ring itself, and the root key.
    pub(crate) fn of_key(key: &Key) -> Option<Self> {
        Self::of(vec![Term {
            term: 0,
            key: key.clone(),
            installed: 0,
        }])
    }

    fn of(stored: Vec<Term>) -> Option<Self> {
        let terms: Vec<_> = stored
            .iter()
            .map(|term| (term.term, term.key.aead()))
            .collect();
        let sealed = AtomicU64::new(0);
        (!terms.is_empty()).then_some(Self {
            terms,
            stored,
            sealed,
        })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::of(serde_json::from_slice(bytes).ok()?)
    }

    fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(&self.stored).ok().map(Zeroizing::new)
    }

    /// Seals a value that will be stored under `key`.
    pub(crate) fn seal(
        &self,
        random: &Random,
        key: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, BarrierError> {
        let corrupt = || BarrierError::Corrupt(key.to_owned());
        let (term, aead) = self.terms.last().ok_or_else(corrupt)?;
        let nonce: [u8; NONCE] = random.bytes();
        let mut out = Vec::with_capacity(HEADER + value.len() + TAG);
        out.push(FORMAT);
        out.extend_from_slice(&term.to_be_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(value);
        let (_, body) = out.split_at_mut(HEADER);
        let tag = aead
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), key.as_bytes(), body)
            .map_err(|_| corrupt())?;
        out.extend_from_slice(&tag);
        self.sealed.fetch_add(1, Ordering::Relaxed);
        Ok(out)
    }

    /// Opens what [`KeyRing::seal`] made for the same key.
    pub(crate) fn open(
        &self,
        key: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BarrierError> {
        self.try_open(key, sealed)
            .ok_or_else(|| BarrierError::Corrupt(key.to_owned()))
    }

    fn try_open(&self, key: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (header, body) = sealed.split_at_checked(HEADER)?;
        let (format, rest) = header.split_first()?;
        let (term, nonce) = rest.split_first_chunk::<4>()?;
        let term = u32::from_be_bytes(*term);
        if *format != FORMAT {
            return None;
        }
        let (_, aead) = self.terms.iter().rev().find(|(have, _)| *have == term)?;
        let (body, tag) = body.split_at_checked(body.len().checked_sub(TAG)?)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
        aead.decrypt_in_place_detached(nonce, key.as_bytes(), &mut plain, tag)
            .ok()?;
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_value_opens_only_whole_and_in_its_place() {
        let random = Random::seeded(1);
        let ring = KeyRing::generate(&random, UnixMillis(5)).unwrap();
        let sealed = ring.seal(&random, "a/b", b"secret").unwrap();
        assert_eq!(&ring.open("a/b", &sealed).unwrap()[..], b"secret");
        assert_eq!(
            ring.open("a/c", &sealed),
            Err(BarrierError::Corrupt("a/c".into()))
        );
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(ring.open("a/b", &bad).is_err(), "flipped bit in byte {at}");
            assert!(ring.open("a/b", &sealed[..at]).is_err(), "cut at {at}");
        }
        let other = KeyRing::generate(&random, UnixMillis(5)).unwrap();
        assert!(other.open("a/b", &sealed).is_err());
        let again = KeyRing::decode(&ring.encode().unwrap()).unwrap();
        assert_eq!(&again.open("a/b", &sealed).unwrap()[..], b"secret");
        let grown = ring.grown(&random, UnixMillis(7)).unwrap();
        assert_eq!(grown.newest(), (2, UnixMillis(7)));
        assert_eq!(&grown.open("a/b", &sealed).unwrap()[..], b"secret");
        let newer = grown.seal(&random, "a/b", b"secret").unwrap();
        assert!(ring.open("a/b", &newer).is_err());
    }
}
