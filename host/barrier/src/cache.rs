//! Decoded values by storage key, kept right by the change feed and by nothing else.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_storage::{Index, Storage};
use lru::LruCache;

use crate::limits::CACHE_SHARDS;

/// A bounded cache, shared by all requests.
///
/// A value may be put in only if nothing of its shard has changed since the snapshot that it was read from: otherwise a
/// slow reader could put back what a commit has just replaced.
pub struct Cache<V>(Arc<Inner<V>>);

struct Inner<V> {
    of: fn(&str) -> bool,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<V>>>,
}

struct Shard<V> {
    changed: Index,
    values: LruCache<String, (Index, Arc<V>)>,
}

impl<V: Send + Sync + 'static> Cache<V> {
    pub(crate) fn new(storage: &dyn Storage, of: fn(&str) -> bool, capacity: usize) -> Self {
        let each = NonZeroUsize::new(capacity.div_ceil(CACHE_SHARDS)).unwrap_or(NonZeroUsize::MIN);
        let shard = || {
            Mutex::new(Shard {
                changed: 0,
                values: LruCache::new(each),
            })
        };
        let inner = Arc::new(Inner {
            of,
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(shard).take(CACHE_SHARDS).collect(),
        });
        let weak = Arc::downgrade(&inner);
        storage.subscribe(Arc::new(move |change| {
            let Some(inner) = weak.upgrade() else { return };
            for key in change.keys().filter(|key| (inner.of)(key)) {
                if let Some(mut shard) = inner.shard(key) {
                    shard.changed = shard.changed.max(change.index);
                    shard.values.pop(key);
                }
            }
        }));
        Self(inner)
    }

    /// The value of a key, and the commit that wrote it.
    pub fn get(&self, key: &str) -> Option<(Index, Arc<V>)> {
        self.0.shard(key)?.values.get(key).cloned()
    }

    /// Keeps a value that was read, at version `version`, from the snapshot with this index.
    pub fn insert(&self, key: &str, snapshot: Index, version: Index, value: Arc<V>) {
        if let Some(mut shard) = self.0.shard(key)
            && shard.changed <= snapshot
        {
            shard.values.put(key.to_owned(), (version, value));
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for shard in &self.0.shards {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values
                .clear();
        }
    }
}

impl<V> Inner<V> {
    fn shard(&self, key: &str) -> Option<MutexGuard<'_, Shard<V>>> {
        let at = self.hasher.hash_one(key) % CACHE_SHARDS as u64;
        let shard = self.shards.get(usize::try_from(at).ok()?)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
