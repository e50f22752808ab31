//! A key on its way from one holder to another, as PKCS#11 wraps it (`CKM_RSA_AES_KEY_WRAP`): an AES-256 key made for this
//! alone, encrypted with RSA-OAEP, and behind it the key itself in AES-KWP (RFC 5649).

use aes_kw::KekAes256;
use zeroize::Zeroizing;

use crate::{Hash, Key, KeyError, Random};

/// In bytes.
const EPHEMERAL: usize = 32;

impl Key {
    /// The other key, for whoever holds the private half of this one. Whoever that is has the other key.
    ///
    /// # Errors
    /// If this is no RSA key, or the other has no secret part.
    pub fn wrap(&self, other: &Self, hash: Hash, random: Random<'_>) -> Result<Vec<u8>, KeyError> {
        let mut ephemeral = Zeroizing::new([0; EPHEMERAL]);
        random(&mut *ephemeral);
        let mut out = self.encrypt_oaep(&*ephemeral, hash)?;
        let wrapped = KekAes256::from(*ephemeral)
            .wrap_with_padding_vec(&other.export()?)
            .map_err(|_| KeyError::Failed("wrapping a key"))?;
        out.extend(wrapped);
        Ok(out)
    }

    /// What was wrapped with this key: as [`import`](Self::import) takes it.
    ///
    /// # Errors
    /// [`KeyError::Sealed`] if that was not wrapped for this key.
    pub fn unwrap(&self, wrapped: &[u8], hash: Hash) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let len = self.block_len()?;
        let (ephemeral, wrapped) = wrapped.split_at_checked(len).ok_or(KeyError::Sealed)?;
        let ephemeral = self.decrypt_oaep(ephemeral, hash)?;
        let ephemeral = Zeroizing::new(
            <[u8; EPHEMERAL]>::try_from(&ephemeral[..]).map_err(|_| KeyError::Sealed)?,
        );
        KekAes256::from(*ephemeral)
            .unwrap_with_padding_vec(wrapped)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Sealed)
    }
}
