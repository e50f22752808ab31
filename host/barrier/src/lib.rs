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
mod transaction;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use coffer_clock::Random;
use coffer_storage::Storage;

pub use crate::cache::Cache;
pub use crate::error::BarrierError;
use crate::keyring::KeyRing;
pub use crate::limits::{MAX_KEY, MAX_VALUE};
pub use crate::meter::{Meter, Usage};
pub use crate::seal::{InitConfig, Seal, SealStatus};
pub use crate::transaction::{Transaction, Value};

/// The barrier over a storage.
pub struct Barrier {
    storage: Arc<dyn Storage>,
    random: Random,
    // Transactions under way keep the ring that they began with; it is zeroized when the last of them ends.
    ring: ArcSwapOption<KeyRing>,
}

impl Barrier {
    /// A sealed barrier.
    pub fn new(storage: Arc<dyn Storage>, random: Random) -> Arc<Self> {
        Arc::new(Self {
            storage,
            random,
            ring: ArcSwapOption::empty(),
        })
    }

    /// Whether nothing can be read.
    pub fn is_sealed(&self) -> bool {
        self.ring.load().is_none()
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
        let ring = self.ring.load_full().ok_or(BarrierError::Sealed)?;
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

    fn open(&self, ring: Arc<KeyRing>) {
        self.ring.store(Some(ring));
    }

    fn close(&self) {
        self.ring.store(None);
    }
}
