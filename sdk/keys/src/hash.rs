//! Hash functions.

use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

use crate::KeyError;

/// A hash function, of FIPS 180-4 or FIPS 202.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their names say all")]
pub enum Hash {
    Sha1,
    Sha2_224,
    Sha2_256,
    Sha2_384,
    Sha2_512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

/// The same expression for whichever type it is.
macro_rules! with {
    ($hash:expr, $name:ident => $do:expr) => {
        match $hash {
            Hash::Sha1 => {
                type $name = Sha1;
                $do
            }
            Hash::Sha2_224 => {
                type $name = Sha224;
                $do
            }
            Hash::Sha2_256 => {
                type $name = Sha256;
                $do
            }
            Hash::Sha2_384 => {
                type $name = Sha384;
                $do
            }
            Hash::Sha2_512 => {
                type $name = Sha512;
                $do
            }
            Hash::Sha3_224 => {
                type $name = Sha3_224;
                $do
            }
            Hash::Sha3_256 => {
                type $name = Sha3_256;
                $do
            }
            Hash::Sha3_384 => {
                type $name = Sha3_384;
                $do
            }
            Hash::Sha3_512 => {
                type $name = Sha3_512;
                $do
            }
        }
    };
}

impl Hash {
    /// How long a digest is, in bytes.
    pub fn output_len(self) -> usize {
        with!(self, H => H::output_size())
    }

    /// The digest.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        with!(self, H => H::digest(data).to_vec())
    }

    /// HMAC with it (RFC 2104).
    pub(crate) fn mac(self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, KeyError> {
        with!(self, H => {
            let mac = Hmac::<H>::new_from_slice(key).map_err(|_| KeyError::Failed("HMAC"))?;
            Ok(mac.chain_update(data).finalize().into_bytes().to_vec())
        })
    }
}
