//! Key shares and root tokens for one holder's eyes: encrypted to a public PGP key that the holder has sent. What comes out
//! is what `gpg --decrypt` reads. <https://developer.hashicorp.com/vault/docs/concepts/pgp-gpg-keybase>

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use coffer_clock::Random;
use pgp::composed::{Deserializable, MessageBuilder, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{EncryptionKey, KeyDetails};

use crate::Error;
use crate::source::Source;

/// Somebody whom something can be encrypted to.
#[derive(Clone, Debug)]
pub struct Recipient {
    key: Arc<SignedPublicKey>,
    fingerprint: String,
}

impl Recipient {
    /// A public key: in base64, as `gpg --export | base64` writes it, or armored. It is tried, so that nothing made later can
    /// fail to be handed out.
    ///
    /// # Errors
    /// If it is none, or none that can be encrypted to.
    pub fn parse(text: &str, random: &Random) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::invalid(format!("error parsing a PGP key: {error}"))
        };
        let text = text.trim();
        let armored = |text: &str| SignedPublicKey::from_string(text).map(|(key, _)| key);
        let key = if text.starts_with("-----BEGIN") {
            armored(text)
        } else {
            let words: String = text.split_whitespace().collect();
            let bytes = BASE64_STANDARD
                .decode(words)
                .map_err(|error| wrong(&error))?;
            match std::str::from_utf8(&bytes) {
                Ok(text) if text.starts_with("-----BEGIN") => armored(text),
                _ => SignedPublicKey::from_bytes(&*bytes),
            }
        };
        let key = key.map_err(|error| wrong(&error))?;
        key.verify_bindings().map_err(|error| wrong(&error))?;
        let recipient = Self {
            fingerprint: hex::encode(key.fingerprint().as_bytes()),
            key: Arc::new(key),
        };
        recipient.encrypt(b"", random)?;
        Ok(recipient)
    }

    /// Several of them.
    pub fn parse_all(texts: &[String], random: &Random) -> Result<Arc<[Self]>, Error> {
        texts.iter().map(|text| Self::parse(text, random)).collect()
    }

    /// Of the key, in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A message that only the key's owner can read.
    pub fn encrypt(&self, plain: &[u8], random: &Random) -> Result<Vec<u8>, Error> {
        match self
            .key
            .public_subkeys
            .iter()
            .find(|subkey| is_for_data(subkey))
        {
            Some(subkey) => self.encrypt_to(subkey, plain, random),
            None => self.encrypt_to(&self.key.primary_key, plain, random),
        }
    }

    fn encrypt_to(
        &self,
        key: &impl EncryptionKey,
        plain: &[u8],
        random: &Random,
    ) -> Result<Vec<u8>, Error> {
        let wrong = |error: pgp::errors::Error| {
            let fingerprint = &self.fingerprint;
            Error::invalid(format!(
                "nothing can be encrypted to the PGP key {fingerprint}: {error}"
            ))
        };
        let message = MessageBuilder::from_bytes("", plain.to_vec());
        let mut message = message.seipd_v1(Source(random), SymmetricKeyAlgorithm::AES256);
        message.encrypt_to_key(Source(random), key).map_err(wrong)?;
        message.to_vec(Source(random)).map_err(wrong)
    }
}

/// Whether a subkey is there to encrypt to, and was not taken back.
fn is_for_data(subkey: &SignedPublicSubKey) -> bool {
    let says = |signature: &Signature| {
        let flags = signature.key_flags();
        flags.encrypt_comms() || flags.encrypt_storage()
    };
    let revoked = |signature: &Signature| signature.typ() == Some(SignatureType::SubkeyRevocation);
    subkey.algorithm().can_encrypt()
        && subkey.signatures.iter().any(says)
        && !subkey.signatures.iter().any(revoked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused() {
        let random = Random::system();
        for text in [
            "",
            "x",
            "AAAA",
            "keybase:somebody",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        ] {
            let refused = Recipient::parse(text, &random);
            assert!(matches!(refused, Err(Error::Invalid(_))), "{text}");
        }
    }
}
