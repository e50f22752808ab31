//! Tokens in storage: under a keyed hash of their id, with an index by parent, one by path, and one by the time they end.
//!
//! The hash begins with the time that the id says it was made at, so that tokens made together are stored together: many
//! logins are few pages. The accessor is the hash, encrypted: it finds the token without an index, and tells nobody where
//! it is stored.

use std::sync::Arc;

use aes::Aes128;
use aes::cipher::{Block, BlockDecrypt, BlockEncrypt, KeyInit};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use arc_swap::ArcSwapOption;
use coffer_barrier::{Barrier, Cache, Transaction};
use coffer_clock::{Random, UnixMillis};
use coffer_storage::Index;
use ring::hmac;
use zeroize::Zeroizing;

use super::entry::{TokenEntry, TokenKind};
use crate::keys::{self, Due, DueKind, Ns};
use crate::lease::Job;
use crate::policy_store::AclSlot;
use crate::{Error, lease, limits};

const SALT_KEY: &str = "core/token-salt";
const BATCH_KEY: &str = "core/token-batch-key";
const ACCESSOR_KEY: &str = "core/token-accessor-key";
const SERVICE_PREFIX: &str = "hvs.";
const BATCH_PREFIX: &str = "hvb.";
const HASH_BYTES: usize = 16;
const TIME_BYTES: usize = 5;
const NONCE_BYTES: usize = 12;

/// A token that a request may use.
pub struct Token {
    pub entry: TokenEntry,
    /// What it is stored and isolated under.
    pub hash: String,
    /// What its policies allow, once that was asked.
    pub acl: AclSlot,
}

/// A token and the version that it was read at.
#[derive(Clone)]
pub struct Held {
    pub token: Arc<Token>,
    /// None for batch tokens, which are not stored.
    pub version: Option<Index>,
}

impl Held {
    /// Makes the transaction fail if the token has changed or gone when it commits.
    pub fn require(&self, txn: &mut Transaction) {
        if let Some(version) = self.version {
            txn.require(
                Ns(&self.token.entry.ns).token(&self.token.hash),
                Some(version),
            );
        }
    }
}

/// The keys that token ids are hashed with, accessors made, and batch tokens sealed.
pub struct TokenKeys {
    salt: hmac::Key,
    batch: Aes256Gcm,
    accessor: Aes128,
}

impl TokenKeys {
    /// New ones, stored with the rest of what `init` stores.
    pub fn generate(txn: &mut Transaction, random: &Random) -> Option<Self> {
        let salt = Zeroizing::new(random.bytes::<32>());
        let batch = Zeroizing::new(random.bytes::<32>());
        let accessor = Zeroizing::new(random.bytes::<16>());
        txn.put(SALT_KEY, salt.to_vec());
        txn.put(BATCH_KEY, batch.to_vec());
        txn.put(ACCESSOR_KEY, accessor.to_vec());
        Self::new(&*salt, &*batch, &*accessor)
    }

    fn new(salt: &[u8], batch: &[u8], accessor: &[u8]) -> Option<Self> {
        Some(Self {
            salt: hmac::Key::new(hmac::HMAC_SHA256, salt),
            batch: Aes256Gcm::new_from_slice(batch).ok()?,
            accessor: Aes128::new_from_slice(accessor).ok()?,
        })
    }

    /// The time in the id, if it has one, and 88 bits of an HMAC over all of it.
    fn digest(&self, id: &str) -> Block<Aes128> {
        let tag = hmac::sign(&self.salt, id.as_bytes());
        let made = made(id).into_iter();
        made.chain(tag.as_ref().iter().copied())
            .take(HASH_BYTES)
            .collect()
    }

    fn hash(&self, id: &str) -> String {
        hex::encode(self.digest(id))
    }

    /// The accessor of the token with this id.
    pub fn accessor(&self, id: &str) -> String {
        let mut block = self.digest(id);
        self.accessor.encrypt_block(&mut block);
        hex::encode(block)
    }

    /// The hash of the token that this would be the accessor of; None if it cannot be one.
    fn hash_of_accessor(&self, accessor: &str) -> Option<String> {
        let bytes: [u8; HASH_BYTES] = hex::decode(accessor).ok()?.try_into().ok()?;
        let mut block = Block::<Aes128>::from(bytes);
        self.accessor.decrypt_block(&mut block);
        Some(hex::encode(block))
    }

    /// Stores a new service token with all its indexes, and returns its hash.
    pub fn create(
        &self,
        txn: &mut Transaction,
        id: &str,
        entry: &TokenEntry,
    ) -> Result<String, Error> {
        let hash = self.hash(id);
        let ns = Ns(&entry.ns);
        txn.require(ns.token(&hash), None);
        txn.put(ns.token(&hash), encode(entry)?);
        if let Some(parent) = &entry.parent {
            txn.put(ns.child(parent, &hash), Vec::new());
        }
        if let Some(expires) = entry.expires {
            txn.put(ns.lease(&lease_id(entry, &hash)), Vec::new());
            txn.put(due(entry, &hash, expires).key(), Vec::new());
        }
        Ok(hash)
    }
}

/// The token store.
pub struct Tokens {
    keys: ArcSwapOption<TokenKeys>,
    cache: Cache<Token>,
    random: Random,
}

impl Tokens {
    pub fn new(barrier: &Barrier, random: Random) -> Self {
        Self {
            keys: ArcSwapOption::empty(),
            cache: barrier.cache(keys::is_token, limits::CACHED_TOKENS),
            random,
        }
    }

    pub async fn unseal(&self, txn: &mut Transaction) -> Result<(), Error> {
        let corrupt = |key: &str| Error::Corrupt(key.to_owned());
        let salt = txn.get(SALT_KEY).await?.ok_or_else(|| corrupt(SALT_KEY))?;
        let batch = txn
            .get(BATCH_KEY)
            .await?
            .ok_or_else(|| corrupt(BATCH_KEY))?;
        let accessor = txn
            .get(ACCESSOR_KEY)
            .await?
            .ok_or_else(|| corrupt(ACCESSOR_KEY))?;
        let keys = TokenKeys::new(&salt, &batch, &accessor).ok_or_else(|| corrupt(BATCH_KEY))?;
        self.keys.store(Some(Arc::new(keys)));
        Ok(())
    }

    pub fn seal(&self) {
        self.keys.store(None);
        self.cache.clear();
    }

    fn keys(&self) -> Result<Arc<TokenKeys>, Error> {
        self.keys.load_full().ok_or(Error::Sealed)
    }

    /// What a token is stored under.
    pub fn hash(&self, id: &str) -> Result<String, Error> {
        Ok(self.keys()?.hash(id))
    }

    /// The token with this id, whether or not it has expired.
    pub async fn by_id(
        &self,
        txn: &mut Transaction,
        ns: &str,
        id: &str,
    ) -> Result<Option<Held>, Error> {
        if id.starts_with(BATCH_PREFIX) {
            let Some(entry) = self.open_batch(id)? else {
                return Ok(None);
            };
            let token = Token {
                entry,
                hash: self.hash(id)?,
                acl: AclSlot::default(),
            };
            return Ok(Some(Held {
                token: Arc::new(token),
                version: None,
            }));
        }
        if id.is_empty() || id.len() > limits::MAX_TOKEN_ID {
            return Ok(None);
        }
        self.by_hash(txn, ns, &self.hash(id)?).await
    }

    /// The token with this id, if its time is not over; for a batch token, that of its parent neither.
    pub async fn living(
        &self,
        txn: &mut Transaction,
        ns: &str,
        id: &str,
        now: UnixMillis,
    ) -> Result<Option<Held>, Error> {
        let Some(held) = self.by_id(txn, ns, id).await? else {
            return Ok(None);
        };
        let entry = &held.token.entry;
        if entry.is_expired(now) || entry.ns != ns {
            return Ok(None);
        }
        if entry.kind == TokenKind::Batch
            && let Some(parent) = &entry.parent
            && !matches!(self.by_hash(txn, ns, parent).await?, Some(parent) if !parent.token.entry.is_expired(now))
        {
            return Ok(None);
        }
        Ok(Some(held))
    }

    /// The token stored under this hash.
    pub async fn by_hash(
        &self,
        txn: &mut Transaction,
        ns: &str,
        hash: &str,
    ) -> Result<Option<Held>, Error> {
        let key = Ns(ns).token(hash);
        if let Some((version, token)) = self.cache.get(&key) {
            return Ok(Some(Held {
                token,
                version: Some(version),
            }));
        }
        let Some((version, entry)) = read_entry(txn, &key).await? else {
            return Ok(None);
        };
        let token = Arc::new(Token {
            entry,
            hash: hash.to_owned(),
            acl: AclSlot::default(),
        });
        self.cache.insert(&key, txn.index(), version, token.clone());
        Ok(Some(Held {
            token,
            version: Some(version),
        }))
    }

    /// The token with this accessor, whether or not it has expired.
    pub async fn by_accessor(
        &self,
        txn: &mut Transaction,
        ns: &str,
        accessor: &str,
    ) -> Result<Option<Held>, Error> {
        match self.keys()?.hash_of_accessor(accessor) {
            Some(hash) => self.by_hash(txn, ns, &hash).await,
            None => Ok(None),
        }
    }

    /// A new id for a service token.
    pub fn new_id(&self, now: UnixMillis) -> Zeroizing<String> {
        let [_, _, _, made @ ..] = now.0.to_be_bytes();
        Zeroizing::new(format!(
            "{SERVICE_PREFIX}{}{}",
            hex::encode(made),
            self.random.base62(24)
        ))
    }

    /// The accessor of the token with this id.
    pub fn accessor(&self, id: &str) -> Result<String, Error> {
        Ok(self.keys()?.accessor(id))
    }

    /// Stores a new service token with all its indexes, and returns its hash.
    pub fn create(
        &self,
        txn: &mut Transaction,
        id: &str,
        entry: &TokenEntry,
    ) -> Result<String, Error> {
        self.keys()?.create(txn, id, entry)
    }

    /// Stores a changed token. `before` is what it was: its due entry moves if its end does.
    pub fn update(
        &self,
        txn: &mut Transaction,
        hash: &str,
        before: &TokenEntry,
        after: &TokenEntry,
    ) -> Result<(), Error> {
        txn.put(Ns(&after.ns).token(hash), encode(after)?);
        if before.expires != after.expires {
            if let Some(expires) = before.expires {
                txn.delete(due(before, hash, expires).key());
            }
            if let Some(expires) = after.expires {
                txn.put(due(after, hash, expires).key(), Vec::new());
            }
        }
        Ok(())
    }

    /// Removes a token, at once and for good. What it leaves behind, its leases and children, is a job of the reaper:
    /// durable, so that it is done even if the host dies now. With `orphan` its children live on.
    pub fn revoke(
        &self,
        txn: &mut Transaction,
        hash: &str,
        entry: &TokenEntry,
        orphan: bool,
        now: UnixMillis,
    ) -> Result<(), Error> {
        let ns = Ns(&entry.ns);
        txn.delete(ns.token(hash));
        if let Some(parent) = &entry.parent {
            txn.delete(ns.child(parent, hash));
        }
        if let Some(expires) = entry.expires {
            txn.delete(ns.lease(&lease_id(entry, hash)));
            txn.delete(due(entry, hash, expires).key());
        }
        Job::Token {
            hash: hash.to_owned(),
            orphan,
        }
        .schedule(txn, &entry.ns, hash, now)
    }

    /// A batch token's id, which holds the token itself, encrypted.
    pub fn seal_batch(&self, entry: &TokenEntry) -> Result<Zeroizing<String>, Error> {
        use base64::Engine;
        let keys = self.keys()?;
        let nonce = self.random.bytes::<NONCE_BYTES>();
        let payload = Payload {
            msg: &encode(entry)?,
            aad: BATCH_PREFIX.as_bytes(),
        };
        let sealed = keys
            .batch
            .encrypt(Nonce::from_slice(&nonce), payload)
            .map_err(|_| Error::invalid("the token is too large for a batch token"))?;
        let bytes = [&nonce[..], &sealed].concat();
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        Ok(Zeroizing::new(format!("{BATCH_PREFIX}{text}")))
    }

    fn open_batch(&self, id: &str) -> Result<Option<TokenEntry>, Error> {
        use base64::Engine;
        let keys = self.keys()?;
        let Some(text) = id.strip_prefix(BATCH_PREFIX) else {
            return Ok(None);
        };
        let Ok(bytes) = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text) else {
            return Ok(None);
        };
        let Some((nonce, msg)) = bytes.split_at_checked(NONCE_BYTES) else {
            return Ok(None);
        };
        let aad = BATCH_PREFIX.as_bytes();
        let Ok(plain) = keys
            .batch
            .decrypt(Nonce::from_slice(nonce), Payload { msg, aad })
        else {
            return Ok(None);
        };
        Ok(serde_json::from_slice(&plain).ok())
    }
}

/// The time in a service token's id: the low 40 bits of its milliseconds. Zero in an id that its maker chose. Anybody can
/// write any time into an id; the HMAC covers it.
fn made(id: &str) -> [u8; TIME_BYTES] {
    let mut made = [0; TIME_BYTES];
    let text = id
        .strip_prefix(SERVICE_PREFIX)
        .and_then(|rest| rest.get(..2 * TIME_BYTES));
    match text.map(|text| hex::decode_to_slice(text, &mut made)) {
        Some(Ok(())) => made,
        _ => [0; TIME_BYTES],
    }
}

/// A token's lease id, as `sys/leases` lists it.
pub fn lease_id(entry: &TokenEntry, hash: &str) -> String {
    format!("{}{}{hash}", entry.path, lease::TOKEN_LEASE)
}

fn due(entry: &TokenEntry, hash: &str, at: UnixMillis) -> Due {
    Due {
        group: keys::group(&entry.mount, ""),
        at,
        ns: entry.ns.clone(),
        kind: DueKind::Token,
        id: hash.to_owned(),
    }
}

/// Reads a token as this transaction sees it, not the cache.
pub async fn read_entry(
    txn: &mut Transaction,
    key: &str,
) -> Result<Option<(Index, TokenEntry)>, Error> {
    let Some((version, value)) = txn.get_versioned(key).await? else {
        return Ok(None);
    };
    let entry = serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.to_owned()))?;
    Ok(Some((version, entry)))
}

/// Reads a token with what this transaction has made of it.
pub async fn current_entry(txn: &mut Transaction, key: &str) -> Result<Option<TokenEntry>, Error> {
    let Some(value) = txn.get(key).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&value)
        .map(Some)
        .map_err(|_| Error::Corrupt(key.to_owned()))
}

fn encode(entry: &TokenEntry) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(entry).map_err(|_| Error::Corrupt(entry.path.clone()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys() -> TokenKeys {
        TokenKeys::new(&[1; 32], &[2; 32], &[3; 16]).unwrap()
    }

    #[test]
    fn an_accessor_leads_to_its_token_and_to_no_other() {
        let keys = keys();
        for id in [
            "root",
            "hvs.0192aabbcc0000secret",
            "hvs.short",
            "hvs.zzzzzzzzzzzzzzzz",
        ] {
            let accessor = keys.accessor(id);
            assert_eq!(keys.hash_of_accessor(&accessor), Some(keys.hash(id)));
            assert_ne!(accessor, keys.hash(id));
        }
        let elsewhere = TokenKeys::new(&[1; 32], &[2; 32], &[4; 16]).unwrap();
        assert_ne!(
            elsewhere.hash_of_accessor(&keys.accessor("root")),
            Some(keys.hash("root"))
        );
        for bad in ["", "zz", "00", "0192aabbcc", "\u{e9}\u{e9}"] {
            assert_eq!(keys.hash_of_accessor(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_made_together_are_stored_together() {
        let keys = keys();
        let early = keys.hash("hvs.0192aabbcc0000");
        let late = keys.hash("hvs.0192aabbcd0000");
        assert!(early.starts_with("0192aabbcc") && early < late);
        // The rest depends on all of the id, so an id with another time is another token.
        assert_ne!(early.get(10..), late.get(10..));
        assert_ne!(keys.hash("hvs.0192aabbcc0001"), early);
        for chosen in ["root", "hvs.", "hvs.xyz", "hvs.ggggggggggggg"] {
            assert!(keys.hash(chosen).starts_with("0000000000"), "{chosen}");
        }
    }
}
