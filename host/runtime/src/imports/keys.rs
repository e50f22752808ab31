//! `keys`: the host holds them, and computes with those that a guest names.

use std::collections::HashMap;
use std::sync::Arc;

use coffer_keys::{Algorithm, Hash, Key, KeyError, Nonce, Padding, Salt, Signing};
use coffer_manifest::KeyOperation;
use wasmtime::component::Resource;

use super::storage::check;
use crate::bindings::plugin::coffer::plugin::keys;
use crate::error::plugin_error;
use crate::state::State;
use crate::{CallError, ErrorKind, PluginError, limits};

type Answer<T> = wasmtime::Result<Result<T, PluginError>>;

/// What a guest has in its hands instead of a key.
pub struct KeyHandle;

/// The keys that the call under way has opened, by their handles' numbers. No number comes twice in an instance: a handle
/// that a guest has kept from an earlier call finds nothing.
#[derive(Default)]
pub(crate) struct OpenKeys {
    opened: u32,
    open: HashMap<u32, Arc<Key>>,
}

impl OpenKeys {
    /// None stays open when a call begins.
    pub fn close(&mut self) {
        self.open.clear();
    }
}

fn refused(error: &KeyError) -> PluginError {
    let kind = match error {
        KeyError::Failed(_) => ErrorKind::Internal,
        _ => ErrorKind::InvalidRequest,
    };
    plugin_error(kind, error.to_string())
}

fn hash(hash: keys::Hash) -> Hash {
    match hash {
        keys::Hash::Sha1 => Hash::Sha1,
        keys::Hash::Sha2B224 => Hash::Sha2_224,
        keys::Hash::Sha2B256 => Hash::Sha2_256,
        keys::Hash::Sha2B384 => Hash::Sha2_384,
        keys::Hash::Sha2B512 => Hash::Sha2_512,
        keys::Hash::Sha3B224 => Hash::Sha3_224,
        keys::Hash::Sha3B256 => Hash::Sha3_256,
        keys::Hash::Sha3B384 => Hash::Sha3_384,
        keys::Hash::Sha3B512 => Hash::Sha3_512,
    }
}

fn signing(how: keys::Signing) -> Signing {
    Signing {
        hash: how.hash.map(hash),
        prehashed: how.prehashed,
        padding: match how.padding {
            keys::Padding::Pss(keys::Salt::Longest) => Padding::Pss(Salt::Longest),
            keys::Padding::Pss(keys::Salt::Hash) => Padding::Pss(Salt::Hash),
            keys::Padding::Pss(keys::Salt::Bytes(len)) => Padding::Pss(Salt::Bytes(len)),
            keys::Padding::Pkcs1 => Padding::Pkcs1,
        },
    }
}

impl State {
    /// The key of a handle, if the plugin may do this with it.
    fn key(&mut self, handle: &Resource<KeyHandle>, operation: KeyOperation) -> Answer<Arc<Key>> {
        let key = self.open_key(handle)?;
        Ok(self.may(Some(operation))?.map(|()| key))
    }

    fn open_key(&self, handle: &Resource<KeyHandle>) -> wasmtime::Result<Arc<Key>> {
        let found = self.keys.open.get(&handle.rep()).cloned();
        found.ok_or_else(|| {
            wasmtime::format_err!("a key was used after the call that opened it had ended")
        })
    }

    /// Whether the plugin may do this with keys; None: anything at all.
    fn may(&mut self, operation: Option<KeyOperation>) -> Answer<()> {
        let granted = &self.call()?.mount.key_operations;
        let allowed = match operation {
            Some(operation) => granted.contains(&operation),
            None => !granted.is_empty(),
        };
        if allowed {
            return Ok(Ok(()));
        }
        let missing = match operation {
            Some(operation) => format!("the plugin was not granted keys:{operation}"),
            None => "the plugin has no keys: its manifest asks for no operation of them".to_owned(),
        };
        Ok(Err(plugin_error(ErrorKind::PermissionDenied, missing)))
    }

    fn seal(
        &mut self,
        handle: &Resource<KeyHandle>,
        plaintext: &[u8],
        associated_data: &[u8],
        nonce: Nonce<'_>,
    ) -> Answer<Vec<u8>> {
        let key = answer!(self.key(handle, KeyOperation::Encrypt)?);
        let random = &self.environment.random;
        let made = key.encrypt(plaintext, associated_data, nonce, &mut |out| {
            random.fill(out)
        });
        Ok(made.map_err(|error| refused(&error)))
    }

    fn opened(&mut self, key: Key) -> wasmtime::Result<Resource<KeyHandle>> {
        if self.keys.open.len() >= limits::OPEN_KEYS {
            wasmtime::bail!("more than {} keys open at a time", limits::OPEN_KEYS);
        }
        self.keys.opened = self.keys.opened.wrapping_add(1);
        let handle = self.keys.opened;
        self.keys.open.insert(handle, Arc::new(key));
        Ok(Resource::new_own(handle))
    }

    /// Stores a key under a name that nobody has.
    async fn keep(&mut self, name: &str, made: Result<Key, KeyError>) -> Answer<()> {
        answer!(check(name));
        let key = answer!(made.map_err(|error| refused(&error)));
        let stored = key.to_stored();
        self.spend(1, name.len() + stored.len())?;
        let call = self.call()?;
        let at = call.mount.held_key(name);
        let taken = call.txn.get(&at).await.map(|found| found.is_some());
        if answer!(self.barrier(taken)?) {
            let message = format!("there is a key {name:?} already");
            return Ok(Err(plugin_error(ErrorKind::Conflict, message)));
        }
        self.call()?.txn.put(at, stored.to_vec());
        Ok(Ok(()))
    }
}

impl keys::Host for State {
    async fn generate_hmac(&mut self, name: String, size: u32) -> Answer<()> {
        answer!(self.may(None)?);
        let random = &self.environment.random;
        let size = usize::try_from(size).ok();
        let made = Key::generate(Algorithm::Hmac, size, &mut |out| random.fill(out));
        self.keep(&name, made).await
    }

    async fn generate(&mut self, name: String, algorithm: String) -> Answer<()> {
        answer!(self.may(None)?);
        let random = self.environment.random.clone();
        let algorithm = answer!(algorithm.parse::<Algorithm>().map_err(|why| refused(&why)));
        let make = move || Key::generate(algorithm, None, &mut |out| random.fill(out));
        let made = if algorithm.is_slow_to_make() {
            tokio::task::spawn_blocking(make).await?
        } else {
            make()
        };
        self.keep(&name, made).await
    }

    async fn import(&mut self, name: String, algorithm: String, material: Vec<u8>) -> Answer<()> {
        answer!(self.may(Some(KeyOperation::Import))?);
        let material = zeroize::Zeroizing::new(material);
        let made = algorithm
            .parse::<Algorithm>()
            .and_then(|algorithm| Key::import(algorithm, &material));
        self.keep(&name, made).await
    }

    async fn import_public(
        &mut self,
        name: String,
        algorithm: String,
        public_key: Vec<u8>,
    ) -> Answer<()> {
        answer!(self.may(Some(KeyOperation::Import))?);
        let made = algorithm
            .parse::<Algorithm>()
            .and_then(|algorithm| Key::import_public(algorithm, &public_key));
        self.keep(&name, made).await
    }

    async fn verify(
        &mut self,
        public_key: Vec<u8>,
        input: Vec<u8>,
        signature: Vec<u8>,
        how: keys::Signing,
    ) -> Answer<bool> {
        let verified = coffer_keys::verify(&public_key, &input, &signature, signing(how));
        Ok(verified.map_err(|error| refused(&error)))
    }

    async fn open(&mut self, name: String) -> Answer<Option<Resource<KeyHandle>>> {
        answer!(check(&name));
        answer!(self.may(None)?);
        let call = self.call()?;
        let at = call.mount.held_key(&name);
        let found = call.txn.get(&at).await;
        let Some(stored) = answer!(self.barrier(found)?) else {
            return Ok(Ok(None));
        };
        self.spend(1, name.len() + stored.len())?;
        match Key::from_stored(&stored) {
            Ok(key) => Ok(Ok(Some(self.opened(key)?))),
            Err(error) => Err(self.fail(CallError::Key(name, error))),
        }
    }

    async fn delete(&mut self, name: String) -> Answer<()> {
        answer!(check(&name));
        answer!(self.may(None)?);
        self.spend(1, name.len())?;
        let call = self.call()?;
        let at = call.mount.held_key(&name);
        call.txn.delete(at);
        Ok(Ok(()))
    }
}

impl keys::HostKey for State {
    async fn algorithm(&mut self, this: Resource<KeyHandle>) -> wasmtime::Result<String> {
        Ok(self.open_key(&this)?.algorithm().name().to_owned())
    }

    async fn bits(&mut self, this: Resource<KeyHandle>) -> wasmtime::Result<u32> {
        Ok(self.open_key(&this)?.bits())
    }

    async fn public_key(&mut self, this: Resource<KeyHandle>) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.open_key(&this)?.public_key())
    }

    async fn is_public(&mut self, this: Resource<KeyHandle>) -> wasmtime::Result<bool> {
        Ok(self.open_key(&this)?.is_public())
    }

    async fn agree(
        &mut self,
        this: Resource<KeyHandle>,
        peer: Vec<u8>,
        name: String,
        algorithm: String,
    ) -> Answer<()> {
        let key = answer!(self.key(&this, KeyOperation::Derive)?);
        let made = algorithm
            .parse::<Algorithm>()
            .and_then(|algorithm| key.agree(&peer, algorithm));
        self.keep(&name, made).await
    }

    async fn derive(
        &mut self,
        this: Resource<KeyHandle>,
        context: Vec<u8>,
    ) -> Answer<Resource<KeyHandle>> {
        let key = answer!(self.key(&this, KeyOperation::Derive)?);
        match key.derive(&context) {
            Ok(derived) => Ok(Ok(self.opened(derived)?)),
            Err(error) => Ok(Err(refused(&error))),
        }
    }

    async fn encrypt(
        &mut self,
        this: Resource<KeyHandle>,
        plaintext: Vec<u8>,
        associated_data: Vec<u8>,
        nonce: Option<Vec<u8>>,
    ) -> Answer<Vec<u8>> {
        let nonce = nonce.as_deref().map_or(Nonce::Random, Nonce::Given);
        self.seal(&this, &plaintext, &associated_data, nonce)
    }

    async fn encrypt_convergent(
        &mut self,
        this: Resource<KeyHandle>,
        plaintext: Vec<u8>,
        associated_data: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        self.seal(&this, &plaintext, &associated_data, Nonce::Convergent)
    }

    async fn decrypt(
        &mut self,
        this: Resource<KeyHandle>,
        ciphertext: Vec<u8>,
        associated_data: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Encrypt)?);
        let plain = key.decrypt(&ciphertext, &associated_data);
        // Moved out, not copied; wasmtime copies it into the guest.
        Ok(plain
            .map(|mut plain| std::mem::take(&mut *plain))
            .map_err(|error| refused(&error)))
    }

    async fn sign(&mut self, this: Resource<KeyHandle>, message: Vec<u8>) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Sign)?);
        let signed = key.sign(&message, Signing::message(key.algorithm()));
        Ok(signed.map_err(|error| refused(&error)))
    }

    async fn sign_as(
        &mut self,
        this: Resource<KeyHandle>,
        input: Vec<u8>,
        how: keys::Signing,
    ) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Sign)?);
        let signed = key.sign(&input, signing(how));
        Ok(signed.map_err(|error| refused(&error)))
    }

    async fn verify(
        &mut self,
        this: Resource<KeyHandle>,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> Answer<bool> {
        let key = answer!(self.key(&this, KeyOperation::Sign)?);
        let verified = key.verify(&message, &signature, Signing::message(key.algorithm()));
        Ok(verified.map_err(|error| refused(&error)))
    }

    async fn verify_as(
        &mut self,
        this: Resource<KeyHandle>,
        input: Vec<u8>,
        signature: Vec<u8>,
        how: keys::Signing,
    ) -> Answer<bool> {
        let key = answer!(self.key(&this, KeyOperation::Sign)?);
        let verified = key.verify(&input, &signature, signing(how));
        Ok(verified.map_err(|error| refused(&error)))
    }

    async fn mac(&mut self, this: Resource<KeyHandle>, data: Vec<u8>) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Mac)?);
        let made = key.mac(&data, Hash::Sha2_256);
        Ok(made.map_err(|error| refused(&error)))
    }

    async fn mac_with(
        &mut self,
        this: Resource<KeyHandle>,
        data: Vec<u8>,
        by: keys::Hash,
    ) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Mac)?);
        Ok(key.mac(&data, hash(by)).map_err(|error| refused(&error)))
    }

    async fn export(&mut self, this: Resource<KeyHandle>) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Export)?);
        let exported = key.export().map(|mut bytes| std::mem::take(&mut *bytes));
        Ok(exported.map_err(|error| refused(&error)))
    }

    async fn wrap(
        &mut self,
        this: Resource<KeyHandle>,
        other: Resource<KeyHandle>,
        by: keys::Hash,
    ) -> Answer<Vec<u8>> {
        let key = answer!(self.key(&this, KeyOperation::Export)?);
        let other = self.open_key(&other)?;
        let random = &self.environment.random;
        let wrapped = key.wrap(&other, hash(by), &mut |out| random.fill(out));
        Ok(wrapped.map_err(|error| refused(&error)))
    }

    async fn unwrap(
        &mut self,
        this: Resource<KeyHandle>,
        wrapped: Vec<u8>,
        by: keys::Hash,
        name: String,
        algorithm: String,
    ) -> Answer<()> {
        let key = answer!(self.key(&this, KeyOperation::Import)?);
        let made = algorithm.parse::<Algorithm>().and_then(|algorithm| {
            let material = key.unwrap(&wrapped, hash(by))?;
            Key::import(algorithm, &material)
        });
        self.keep(&name, made).await
    }

    async fn drop(&mut self, this: Resource<KeyHandle>) -> wasmtime::Result<()> {
        self.keys.open.remove(&this.rep());
        Ok(())
    }
}
