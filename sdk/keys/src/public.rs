//! Signatures of others: only their public key is known, and nothing is held.

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::evp::{Kind, Pkey};
use crate::{KeyError, Signing, der};

/// The sizes of RSA keys, in bits. A larger one only costs time.
const RSA: std::ops::RangeInclusive<u16> = 2048..=8192;

/// Whether whoever has the private half of this key (`SubjectPublicKeyInfo` in DER: RSA, ECDSA or Ed25519) made this signature.
///
/// # Errors
/// If that is no such key, or a digest does not fit.
pub fn verify(
    public_key: &[u8],
    input: &[u8],
    signature: &[u8],
    how: Signing,
) -> Result<bool, KeyError> {
    if let Some(point) = public_key.strip_prefix(&der::ED25519_PUBLIC) {
        let key = UnparsedPublicKey::new(&ED25519, point);
        return Ok(key.verify(input, signature).is_ok());
    }
    let key = Pkey::from_spki(public_key).ok_or(KeyError::NoPublicKey("it cannot be read"))?;
    let is_rsa = match key.kind() {
        Kind::Rsa(bits) if RSA.contains(&bits) => true,
        Kind::Rsa(_) => return Err(KeyError::NoPublicKey("RSA has 2048 to 8192 bits")),
        Kind::Ec(_) => false,
        Kind::Other => {
            return Err(KeyError::NoPublicKey(
                "it is neither RSA, ECDSA nor Ed25519",
            ));
        }
    };
    let input = how.hashed(input, is_rsa)?;
    Ok(key.verify(&input, signature, how.hash, how.padding))
}
