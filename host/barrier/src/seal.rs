//! The seal: who can open the barrier. The key that wraps the root key is in [shares](crate::shares), and can be made anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_clock::UnixMillis;
use coffer_storage::Index;

use crate::keyring::{Key, KeyRing};
use crate::shares::{Gathering, Given, InitConfig, KeyShare};
use crate::{Barrier, BarrierError, Opened, Transaction};

pub(crate) const CONFIG: &str = "core/seal-config";
pub(crate) const ROOT_KEY: &str = "core/root-key";
pub(crate) const KEYRING: &str = "core/keyring";

/// How far unsealing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealStatus {
    /// Whether there is a barrier to open.
    pub initialized: bool,
    /// Whether it is closed.
    pub sealed: bool,
    /// Shares needed; 0 before init.
    pub threshold: u8,
    /// Shares made; 0 before init.
    pub shares: u8,
    /// Shares given so far.
    pub progress: usize,
    /// Names this attempt; empty when none is under way.
    pub nonce: String,
}

/// A new key for the seal, and a new root key, that are not in force yet.
#[derive(Clone)]
pub struct NewKeys {
    config: InitConfig,
    seal: Key,
    root: Key,
    wrapped_root: Vec<u8>,
    /// What to hand out.
    pub shares: Vec<KeyShare>,
}

impl NewKeys {
    /// Whether these shares are of these keys.
    ///
    /// # Errors
    /// [`BarrierError::InvalidShares`] if not.
    pub fn check(&self, shares: &[KeyShare]) -> Result<(), BarrierError> {
        open_root(&self.config.combine(shares)?, &self.wrapped_root).map(drop)
    }
}

/// The seal of one barrier.
pub struct Seal {
    barrier: Arc<Barrier>,
    attempt: Mutex<Option<Gathering>>,
}

impl Seal {
    /// The seal of this barrier.
    pub fn new(barrier: Arc<Barrier>) -> Self {
        Self {
            barrier,
            attempt: Mutex::default(),
        }
    }

    fn attempt(&self) -> MutexGuard<'_, Option<Gathering>> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stored(&self, key: &str) -> Result<Option<(Index, Vec<u8>)>, BarrierError> {
        let entry = self.barrier.storage.snapshot()?.get(key).await?;
        Ok(entry.map(|entry| (entry.version, entry.value.to_vec())))
    }

    async fn require(&self, key: &str) -> Result<(Index, Vec<u8>), BarrierError> {
        let corrupt = || BarrierError::Corrupt(key.to_owned());
        self.stored(key).await?.ok_or_else(corrupt)
    }

    async fn config(&self) -> Result<Option<InitConfig>, BarrierError> {
        let corrupt = || BarrierError::Corrupt(CONFIG.to_owned());
        let Some((_, bytes)) = self.stored(CONFIG).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| corrupt())
    }

    /// How far unsealing is.
    pub async fn status(&self) -> Result<SealStatus, BarrierError> {
        let config = self.config().await?;
        let attempt = self.attempt();
        let under_way = attempt.as_ref().filter(|attempt| attempt.progress() > 0);
        Ok(SealStatus {
            initialized: config.is_some(),
            sealed: self.barrier.is_sealed(),
            threshold: config.map_or(0, |config| config.threshold),
            shares: config.map_or(0, |config| config.shares),
            progress: under_way.map_or(0, Gathering::progress),
            nonce: under_way.map_or_else(String::new, |attempt| attempt.nonce().to_owned()),
        })
    }

    /// Makes the keys and stores, in one commit, everything that there is to begin with, `first`'s writes included.
    /// Returns the key shares. The barrier stays sealed.
    ///
    /// # Errors
    /// [`BarrierError::AlreadyInitialized`], also for the second of two at once.
    pub async fn init(
        &self,
        config: InitConfig,
        now: UnixMillis,
        first: impl FnOnce(&mut Transaction) + Send,
    ) -> Result<Vec<KeyShare>, BarrierError> {
        if self.config().await?.is_some() {
            return Err(BarrierError::AlreadyInitialized);
        }
        let random = &self.barrier.random;
        let keys = self.new_keys(config)?;
        let ring = KeyRing::generate(random, now).ok_or_else(broken)?;
        let sealed_ring = ring.sealed_under(random, &keys.root)?;
        // What nobody could open must not be stored.
        let enough: Vec<_> = keys
            .shares
            .iter()
            .take(config.threshold.into())
            .cloned()
            .collect();
        let root = open_root(&config.combine(&enough)?, &keys.wrapped_root)?;
        let opened = KeyRing::opened_with(&root, &sealed_ring)?;

        let storage = self.barrier.storage.clone();
        let mut txn = Transaction::begin(storage, Arc::new(opened), random.clone())?;
        first(&mut txn);
        txn.require(CONFIG, None);
        store(&mut txn, &keys, sealed_ring)?;
        match txn.commit().await {
            Ok(_) => Ok(keys.shares),
            Err(BarrierError::Conflict { .. }) => Err(BarrierError::AlreadyInitialized),
            Err(error) => Err(error),
        }
    }

    /// Gives one share. With the last that is needed the barrier opens. Giving the same share twice changes nothing.
    ///
    /// # Errors
    /// [`BarrierError::InvalidShares`] if what was given does not make the key; the attempt then starts anew.
    pub async fn unseal(&self, share: &[u8]) -> Result<SealStatus, BarrierError> {
        let config = self.config().await?.ok_or(BarrierError::NotInitialized)?;
        if !self.barrier.is_sealed() {
            return self.status().await;
        }
        let given = {
            let mut attempt = self.attempt();
            let gathering = attempt.get_or_insert_with(|| Gathering::new(&self.barrier.random));
            let given = gathering.give(share, config.threshold)?;
            if matches!(given, Given::Enough(_)) {
                *attempt = None;
            }
            given
        };
        if let Given::Enough(shares) = given {
            let seal = config.combine(&shares)?;
            let root = open_root(&seal, &self.require(ROOT_KEY).await?.1)?;
            let (version, sealed_ring) = self.require(KEYRING).await?;
            let ring = Arc::new(KeyRing::opened_with(&root, &sealed_ring)?);
            self.barrier.open(Opened {
                ring,
                root,
                seal,
                version,
            });
        }
        self.status().await
    }

    /// Forgets the shares given so far.
    pub fn reset(&self) {
        *self.attempt() = None;
    }

    /// Closes the barrier.
    pub fn seal(&self) {
        self.reset();
        self.barrier.close();
    }

    /// Whether these shares would open the barrier.
    ///
    /// # Errors
    /// [`BarrierError::InvalidShares`] if not.
    pub async fn check(&self, shares: &[KeyShare]) -> Result<(), BarrierError> {
        let config = self.config().await?.ok_or(BarrierError::NotInitialized)?;
        let (_, wrapped) = self.require(ROOT_KEY).await?;
        open_root(&config.combine(shares)?, &wrapped).map(drop)
    }

    /// A new key for the seal, in so many shares, and a new root key.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn new_keys(&self, config: InitConfig) -> Result<NewKeys, BarrierError> {
        self.new_root(config, Key::random(&self.barrier.random))
    }

    fn new_root(&self, config: InitConfig, seal: Key) -> Result<NewKeys, BarrierError> {
        let random = &self.barrier.random;
        let root = Key::random(random);
        let wrapping = KeyRing::of_key(&seal).ok_or_else(broken)?;
        Ok(NewKeys {
            config,
            wrapped_root: wrapping.seal(random, ROOT_KEY, root.bytes())?,
            shares: config.split(&seal),
            seal,
            root,
        })
    }

    /// Replaces the root key under the same key of the seal: the shares that people have stay good.
    ///
    /// # Errors
    /// [`BarrierError::Conflict`] if the keys were changed in another way meanwhile: try again.
    pub async fn rotate_root(&self) -> Result<(), BarrierError> {
        let config = self.config().await?.ok_or(BarrierError::NotInitialized)?;
        let seal = self.barrier.opened()?.seal.clone();
        self.install(&self.new_root(config, seal)?).await
    }

    /// Has new keys take the place of those in force.
    ///
    /// # Errors
    /// [`BarrierError::Conflict`] if the keys were changed in another way meanwhile: try again.
    pub async fn install(&self, keys: &NewKeys) -> Result<(), BarrierError> {
        let before = self.barrier.opened()?;
        let sealed_ring = before.ring.sealed_under(&self.barrier.random, &keys.root)?;
        let mut txn = self.barrier.begin_change(&before)?;
        store(&mut txn, keys, sealed_ring)?;
        let after = Opened {
            ring: before.ring.clone(),
            root: keys.root.clone(),
            seal: keys.seal.clone(),
            version: 0,
        };
        self.barrier.commit_change(before, txn, after).await
    }
}

fn broken() -> BarrierError {
    BarrierError::InvalidConfig("the keys could not be made".to_owned())
}

fn store(txn: &mut Transaction, keys: &NewKeys, sealed_ring: Vec<u8>) -> Result<(), BarrierError> {
    let config = serde_json::to_vec(&keys.config).map_err(|_| broken())?;
    txn.put_unsealed(CONFIG, config);
    txn.put_unsealed(ROOT_KEY, keys.wrapped_root.clone());
    txn.put_unsealed(KEYRING, sealed_ring);
    Ok(())
}

fn open_root(seal_key: &Key, wrapped: &[u8]) -> Result<Key, BarrierError> {
    let corrupt = || BarrierError::Corrupt(ROOT_KEY.to_owned());
    let wrapping = KeyRing::of_key(seal_key).ok_or_else(corrupt)?;
    let root = wrapping.open(ROOT_KEY, wrapped).map_err(|_| {
        BarrierError::InvalidShares("the key shares do not fit this barrier".to_owned())
    })?;
    Key::from_slice(&root).ok_or_else(corrupt)
}
