//! The keys of a host in memory: kept and rolled back like its storage, and computed with as a server does.

use super::Host;
use super::state::check_key;
use crate::bindings::plugin::coffer::plugin::keys as contract;
use crate::{Error, Result};
use coffer_keys::KeyError;
use contract::{Hash, Padding, Salt, Signing};

fn refused(error: &KeyError) -> Error {
    Error::invalid(error.to_string())
}

fn hash(hash: Hash) -> coffer_keys::Hash {
    match hash {
        Hash::Sha1 => coffer_keys::Hash::Sha1,
        Hash::Sha2B224 => coffer_keys::Hash::Sha2_224,
        Hash::Sha2B256 => coffer_keys::Hash::Sha2_256,
        Hash::Sha2B384 => coffer_keys::Hash::Sha2_384,
        Hash::Sha2B512 => coffer_keys::Hash::Sha2_512,
        Hash::Sha3B224 => coffer_keys::Hash::Sha3_224,
        Hash::Sha3B256 => coffer_keys::Hash::Sha3_256,
        Hash::Sha3B384 => coffer_keys::Hash::Sha3_384,
        Hash::Sha3B512 => coffer_keys::Hash::Sha3_512,
    }
}

fn signing(how: Signing) -> coffer_keys::Signing {
    coffer_keys::Signing {
        hash: how.hash.map(hash),
        prehashed: how.prehashed,
        padding: match how.padding {
            Padding::Pss(Salt::Longest) => coffer_keys::Padding::Pss(coffer_keys::Salt::Longest),
            Padding::Pss(Salt::Hash) => coffer_keys::Padding::Pss(coffer_keys::Salt::Hash),
            Padding::Pss(Salt::Bytes(len)) => {
                coffer_keys::Padding::Pss(coffer_keys::Salt::Bytes(len))
            }
            Padding::Pkcs1 => coffer_keys::Padding::Pkcs1,
        },
    }
}

fn random(out: &mut [u8]) {
    let len = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out.copy_from_slice(&Host::with(|host| host.random(len)));
}

fn keep(name: &str, key: &coffer_keys::Key) -> Result<()> {
    check_key(name)?;
    Host::with(|host| {
        if host.keys.contains_key(name) {
            let message = format!("there is a key {name:?} already");
            return Err(Error::conflict(message));
        }
        host.keys.insert(name.to_owned(), key.to_stored().to_vec());
        Ok(())
    })
}

pub fn generate(name: &str, algorithm: &str) -> Result<()> {
    let made = algorithm
        .parse()
        .and_then(|algorithm| coffer_keys::Key::generate(algorithm, None, &mut random));
    keep(name, &made.map_err(|error| refused(&error))?)
}

pub fn generate_hmac(name: &str, size: u32) -> Result<()> {
    let size = usize::try_from(size).ok();
    let made = coffer_keys::Key::generate(coffer_keys::Algorithm::Hmac, size, &mut random);
    keep(name, &made.map_err(|error| refused(&error))?)
}

pub fn import(name: &str, algorithm: &str, material: &[u8]) -> Result<()> {
    let made = algorithm
        .parse()
        .and_then(|algorithm| coffer_keys::Key::import(algorithm, material));
    keep(name, &made.map_err(|error| refused(&error))?)
}

pub fn import_public(name: &str, algorithm: &str, public_key: &[u8]) -> Result<()> {
    let made = algorithm
        .parse()
        .and_then(|algorithm| coffer_keys::Key::import_public(algorithm, public_key));
    keep(name, &made.map_err(|error| refused(&error))?)
}

pub fn verify(public_key: &[u8], input: &[u8], signature: &[u8], how: Signing) -> Result<bool> {
    let verified = coffer_keys::verify(public_key, input, signature, signing(how));
    verified.map_err(|error| refused(&error))
}

pub fn open(name: &str) -> Result<Option<Key>> {
    check_key(name)?;
    let stored = Host::with(|host| host.keys.get(name).cloned());
    let key = stored.map(|stored| coffer_keys::Key::from_stored(&stored));
    Ok(key.transpose().map_err(|error| refused(&error))?.map(Key))
}

pub fn delete(name: &str) -> Result<()> {
    check_key(name)?;
    Host::with(|host| host.keys.remove(name));
    Ok(())
}

pub struct Key(coffer_keys::Key);

impl Key {
    pub fn algorithm(&self) -> String {
        self.0.algorithm().name().to_owned()
    }

    pub fn bits(&self) -> u32 {
        self.0.bits()
    }

    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.0.public_key()
    }

    pub fn derive(&self, context: &[u8]) -> Result<Self> {
        let derived = self.0.derive(context);
        derived.map(Self).map_err(|error| refused(&error))
    }

    pub fn is_public(&self) -> bool {
        self.0.is_public()
    }

    pub fn agree(&self, peer: &[u8], name: &str, algorithm: &str) -> Result<()> {
        let made = algorithm
            .parse()
            .and_then(|algorithm| self.0.agree(peer, algorithm));
        keep(name, &made.map_err(|error| refused(&error))?)
    }

    fn seal(&self, text: &[u8], aad: &[u8], nonce: coffer_keys::Nonce<'_>) -> Result<Vec<u8>> {
        let made = self.0.encrypt(text, aad, nonce, &mut random);
        made.map_err(|error| refused(&error))
    }

    pub fn encrypt(&self, plaintext: &[u8], aad: &[u8], nonce: Option<&[u8]>) -> Result<Vec<u8>> {
        let nonce = nonce.map_or(coffer_keys::Nonce::Random, coffer_keys::Nonce::Given);
        self.seal(plaintext, aad, nonce)
    }

    pub fn encrypt_convergent(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        self.seal(plaintext, aad, coffer_keys::Nonce::Convergent)
    }

    pub fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        let plain = self.0.decrypt(ciphertext, aad);
        plain
            .map(|plain| plain.to_vec())
            .map_err(|error| refused(&error))
    }

    /// A message, as it is signed where nothing is said.
    fn message(&self) -> coffer_keys::Signing {
        coffer_keys::Signing::message(self.0.algorithm())
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signed = self.0.sign(message, self.message());
        signed.map_err(|error| refused(&error))
    }

    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool> {
        let verified = self.0.verify(message, signature, self.message());
        verified.map_err(|error| refused(&error))
    }

    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.mac_with(data, Hash::Sha2B256)
    }

    pub fn sign_as(&self, input: &[u8], how: Signing) -> Result<Vec<u8>> {
        let signed = self.0.sign(input, signing(how));
        signed.map_err(|error| refused(&error))
    }

    pub fn verify_as(&self, input: &[u8], signature: &[u8], how: Signing) -> Result<bool> {
        let verified = self.0.verify(input, signature, signing(how));
        verified.map_err(|error| refused(&error))
    }

    pub fn mac_with(&self, data: &[u8], by: Hash) -> Result<Vec<u8>> {
        let made = self.0.mac(data, hash(by));
        made.map_err(|error| refused(&error))
    }

    pub fn export(&self) -> Result<Vec<u8>> {
        let exported = self.0.export().map(|bytes| bytes.to_vec());
        exported.map_err(|error| refused(&error))
    }

    pub fn wrap(&self, other: &Self, by: Hash) -> Result<Vec<u8>> {
        let wrapped = self.0.wrap(&other.0, hash(by), &mut random);
        wrapped.map_err(|error| refused(&error))
    }

    pub fn unwrap(&self, wrapped: &[u8], by: Hash, name: &str, algorithm: &str) -> Result<()> {
        let material = self.0.unwrap(wrapped, hash(by));
        let material = material.map_err(|error| refused(&error))?;
        import(name, algorithm, &material)
    }
}
