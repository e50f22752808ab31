//! The encryption barrier: between it and the disk there is nothing but ciphertext.
//!
//! Every value is sealed with AES-256-GCM under the newest key of the [key ring](keyring), with its storage key as
//! associated data, so a value moved to another key does not open. What is stored is
//!
//! ```text
//! 1 byte   format, 1
//! 4 bytes  term of the key, big-endian
//! 12 bytes nonce, random
//! ...      ciphertext and 16 bytes of tag
//! ```
//!
//! Storage keys are in clear, as they must be to be listed; counters too. The key ring is stored sealed under the root
//! key, the root key sealed under the [seal]'s key, and that is in the hands of people, in [shares](seal). Sealed means
//! that the key ring is gone from memory: every read and write then fails with [`BarrierError::Sealed`].
//!
//! A [`Transaction`] reads one snapshot and buffers what it writes until it is committed.

mod cache;
mod error;
mod keyring;
mod limits;
mod meter;
mod seal;
mod shares;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwapOption;
use coffer_clock::{Random, UnixMillis};
use coffer_storage::{Index, Storage, counter};

pub use crate::cache::Cache;
pub use crate::error::BarrierError;
use crate::keyring::{Key, KeyRing};
pub use crate::limits::{MAX_KEY, MAX_VALUE};
pub use crate::meter::{Meter, Usage};
use crate::seal::{CONFIG, KEYRING, ROOT_KEY};
pub use crate::seal::{NewKeys, Seal, SealStatus};
pub use crate::shares::{Gathering, Given, InitConfig, KeyShare};
pub use crate::transaction::{Transaction, Value};

/// What an open barrier knows.
struct Opened {
    // Transactions under way keep the ring that they began with; it is zeroized when the last of them ends.
    ring: Arc<KeyRing>,
    root: Key,
    seal: Key,
    /// Of the ring, as it is stored.
    version: Index,
}

/// The key that values are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its number.
    pub term: u32,
    /// When it was made.
    pub installed: UnixMillis,
    /// How much was sealed with it. After a crash it may miss the last minute's.
    pub encryptions: u64,
}

/// The barrier over a storage.
pub struct Barrier {
    storage: Arc<dyn Storage>,
    random: Random,
    opened: ArcSwapOption<Opened>,
}

impl Barrier {
    /// A sealed barrier.
    pub fn new(storage: Arc<dyn Storage>, random: Random) -> Arc<Self> {
        Arc::new(Self {
            storage,
            random,
            opened: ArcSwapOption::empty(),
        })
    }

    /// Whether nothing can be read.
    pub fn is_sealed(&self) -> bool {
        self.opened.load().is_none()
    }

    /// What lies below.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// A transaction over what is stored now.
    ///
    /// # Errors
    /// [`BarrierError::Sealed`], or if storage fails.
    pub fn begin(&self) -> Result<Transaction, BarrierError> {
        let ring = match &*self.opened.load() {
            Some(opened) => opened.ring.clone(),
            None => return Err(BarrierError::Sealed),
        };
        Transaction::begin(self.storage.clone(), ring, self.random.clone())
    }

    /// A cache of decoded values, of the keys that `of` accepts.
    pub fn cache<V: Send + Sync + 'static>(
        &self,
        of: fn(&str) -> bool,
        capacity: usize,
    ) -> Cache<V> {
        Cache::new(&*self.storage, of, capacity)
    }

    /// The key that values are sealed with.
    ///
    /// # Errors
    /// [`BarrierError::Sealed`], or if storage fails.
    pub async fn key_status(&self) -> Result<KeyStatus, BarrierError> {
        let ring = self.opened()?.ring.clone();
        let (term, installed) = ring.newest();
        let noted = self.storage.snapshot()?.get(&encryptions(term)).await?;
        let noted = counter(noted.as_ref().map(|entry| &*entry.value));
        Ok(KeyStatus {
            term,
            installed,
            encryptions: u64::try_from(noted).unwrap_or_default()
                + ring.unnoted().load(Ordering::Relaxed),
        })
    }

    /// Notes how much was sealed with the newest key, so that it is known after a start.
    ///
    /// # Errors
    /// [`BarrierError::Sealed`], or if storage fails: it is noted the next time.
    pub async fn note_encryptions(&self) -> Result<(), BarrierError> {
        let ring = self.opened()?.ring.clone();
        let sealed = ring.unnoted().load(Ordering::Relaxed);
        if sealed == 0 {
            return Ok(());
        }
        let mut txn = self.begin()?;
        let delta = i64::try_from(sealed).unwrap_or(i64::MAX);
        txn.add(encryptions(ring.newest().0), delta);
        txn.commit().await?;
        ring.unnoted().fetch_sub(sealed, Ordering::Relaxed);
        Ok(())
    }

    /// Seals with a new key from now on. What was sealed before is read with the old ones, which are kept.
    ///
    /// # Errors
    /// [`BarrierError::Conflict`] if the keys were changed in another way meanwhile: try again.
    pub async fn rotate(self: &Arc<Self>, now: UnixMillis) -> Result<(), BarrierError> {
        let before = self.opened()?;
        let corrupt = || BarrierError::Corrupt(KEYRING.to_owned());
        let ring = before.ring.grown(&self.random, now).ok_or_else(corrupt)?;
        let mut txn = self.begin_change(&before)?;
        txn.put_unsealed(KEYRING, ring.sealed_under(&self.random, &before.root)?);
        let after = Opened {
            ring: Arc::new(ring),
            root: before.root.clone(),
            seal: before.seal.clone(),
            version: 0,
        };
        self.commit_change(before, txn, after).await
    }

    fn opened(&self) -> Result<Arc<Opened>, BarrierError> {
        self.opened.load_full().ok_or(BarrierError::Sealed)
    }

    /// A transaction that changes the keys, which are these now.
    fn begin_change(&self, opened: &Opened) -> Result<Transaction, BarrierError> {
        let (storage, random) = (self.storage.clone(), self.random.clone());
        let mut txn = Transaction::begin(storage, opened.ring.clone(), random)?;
        txn.require(KEYRING, Some(opened.version));
        Ok(txn)
    }

    /// Commits it, and has the keys be those of `after`, its version apart. A task of its own does it: if the caller went
    /// away between the two, memory would know less than storage and could change nothing any more.
    async fn commit_change(
        self: &Arc<Self>,
        before: Arc<Opened>,
        txn: Transaction,
        mut after: Opened,
    ) -> Result<(), BarrierError> {
        let barrier = self.clone();
        let work = tokio::spawn(async move {
            if let Some(version) = txn.commit().await? {
                after.version = version;
                // Not if it was sealed meanwhile.
                let after = Some(Arc::new(after));
                barrier.opened.compare_and_swap(&before, after);
            }
            Ok(())
        });
        // It neither panics nor is it aborted but with the whole process.
        work.await.unwrap_or(Err(BarrierError::Sealed))
    }

    fn open(&self, opened: Opened) {
        self.opened.store(Some(Arc::new(opened)));
    }

    fn close(&self) {
        self.opened.store(None);
    }
}

const ENCRYPTIONS: &str = "core/encryptions/";

/// The counter of what was sealed with a term's key.
fn encryptions(term: u32) -> String {
    format!("{ENCRYPTIONS}{term}")
}

/// Whether a key is where the barrier or its seal keep what they need themselves.
pub fn is_its_own(key: &str) -> bool {
    [CONFIG, ROOT_KEY, KEYRING].contains(&key) || key.starts_with(ENCRYPTIONS)
}
