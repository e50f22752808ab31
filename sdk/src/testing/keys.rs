//! The keys of a host in memory: kept and rolled back like its storage, and computed with as a server does.

use super::Host;
use super::state::check_key;
use crate::{Error, Result};
use coffer_keys::KeyError;

fn refused(error: &KeyError) -> Error {
    Error::invalid(error.to_string())
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
        .and_then(|algorithm| coffer_keys::Key::generate(algorithm, &mut random));
    keep(name, &made.map_err(|error| refused(&error))?)
}

pub fn import(name: &str, algorithm: &str, material: &[u8]) -> Result<()> {
    let made = algorithm
        .parse()
        .and_then(|algorithm| coffer_keys::Key::import(algorithm, material));
    keep(name, &made.map_err(|error| refused(&error))?)
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

    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.0.public_key()
    }

    pub fn derive(&self, context: &[u8]) -> Result<Self> {
        let derived = self.0.derive(context);
        derived.map(Self).map_err(|error| refused(&error))
    }

    pub fn encrypt(&self, plaintext: &[u8], aad: &[u8], nonce: Option<&[u8]>) -> Result<Vec<u8>> {
        let made = self.0.encrypt(plaintext, aad, nonce, &mut random);
        made.map_err(|error| refused(&error))
    }

    pub fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        let plain = self.0.decrypt(ciphertext, aad);
        plain
            .map(|plain| plain.to_vec())
            .map_err(|error| refused(&error))
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.0.sign(message).map_err(|error| refused(&error))
    }

    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool> {
        let verified = self.0.verify(message, signature);
        verified.map_err(|error| refused(&error))
    }

    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.0.mac(data).map_err(|error| refused(&error))
    }

    pub fn export(&self) -> Result<Vec<u8>> {
        Ok(self.0.export().to_vec())
    }
}
