//! How a message becomes a signature.

use std::borrow::Cow;

use crate::algorithm::Family;
use crate::{Algorithm, Hash, KeyError};

/// What may be chosen when signing. Ed25519 leaves no choice, ECDSA that of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// None: the input is signed as it stands, and PKCS#1 v1.5 names no hash.
    pub hash: Option<Hash>,
    /// Whether the input is a digest already.
    pub prehashed: bool,
    /// Of RSA.
    pub padding: Padding,
}

/// How RSA pads what it signs (RFC 8017, 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// PSS, MGF1 with the same hash.
    Pss(Salt),
    /// PKCS#1 v1.5.
    Pkcs1,
}

/// How long the salt of PSS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Salt {
    /// As long as there is room; when verifying, however long it is.
    Longest,
    /// As long as a digest.
    Hash,
    /// So many bytes.
    Bytes(u32),
}

impl Signing {
    /// A message, over the hash that suits the algorithm; RSA by PSS with the longest salt.
    pub fn message(algorithm: Algorithm) -> Self {
        Self {
            hash: algorithm.hash(),
            prehashed: false,
            padding: Padding::Pss(Salt::Longest),
        }
    }

    /// What is signed in the end: the input of Ed25519, a digest for any other.
    pub(crate) fn input<'i>(
        &self,
        algorithm: Algorithm,
        input: &'i [u8],
    ) -> Result<Cow<'i, [u8]>, KeyError> {
        match algorithm.family() {
            Family::Ed25519 => Ok(Cow::Borrowed(input)),
            family => self.hashed(input, matches!(family, Family::Rsa(_))),
        }
    }

    /// The digest. RSA says which hash it is of, so it must be as long; ECDSA takes the leading bits of any.
    pub(crate) fn hashed<'i>(
        &self,
        input: &'i [u8],
        is_rsa: bool,
    ) -> Result<Cow<'i, [u8]>, KeyError> {
        match self.hash {
            Some(hash) if !self.prehashed => Ok(Cow::Owned(hash.digest(input))),
            Some(hash) if is_rsa && hash.output_len() != input.len() => Err(KeyError::Digest {
                expected: hash.output_len(),
                got: input.len(),
            }),
            _ => Ok(Cow::Borrowed(input)),
        }
    }
}
