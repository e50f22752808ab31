//! Storage that ends with the process: for `-dev` and for tests.

use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use imbl::OrdMap;

use crate::feed::Feed;
use crate::{
    Batch, Entry, Index, Op, Snapshot, Storage, StorageError, Subscriber, add, counter, list_start,
    within,
};

#[derive(Clone, Default)]
struct State {
    index: Index,
    // Persistent: a snapshot is a pointer.
    map: OrdMap<String, Entry>,
}

/// Storage in memory.
#[derive(Default)]
pub struct MemoryStorage {
    state: ArcSwap<State>,
    writer: Mutex<()>,
    feed: Feed,
}

impl MemoryStorage {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StorageError> {
        Ok(self.state.load_full())
    }

    async fn commit(&self, batch: Batch) -> Result<Index, StorageError> {
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.load());
        for (key, version) in &batch.require {
            if state.map.get(key).map(|entry| entry.version) != *version {
                return Err(StorageError::Conflict { key: key.clone() });
            }
        }
        for op in &batch.ops {
            within(op, |key| {
                counter(state.map.get(key).map(|entry| &entry.value[..]))
            })?;
        }
        state.index += 1;
        let version = state.index;
        for op in &batch.ops {
            match op {
                Op::Put { key, value } => {
                    state.map.insert(
                        key.clone(),
                        Entry {
                            version,
                            value: value.clone(),
                        },
                    );
                }
                Op::Delete { key } => {
                    state.map.remove(key);
                }
                Op::Add { key, delta } | Op::AddWithin { key, delta, .. } => {
                    let value = add(state.map.get(key).map(|entry| &entry.value[..]), *delta);
                    state.map.insert(
                        key.clone(),
                        Entry {
                            version,
                            value: Bytes::copy_from_slice(&value),
                        },
                    );
                }
            }
        }
        self.state.store(Arc::new(state));
        self.feed.publish(version, &batch);
        Ok(version)
    }

    fn subscribe(&self, subscriber: Subscriber) {
        self.feed.subscribe(subscriber);
    }

    async fn failed(&self) -> String {
        std::future::pending().await
    }

    fn kind(&self) -> &'static str {
        "inmem"
    }
}

#[async_trait]
impl Snapshot for State {
    fn index(&self) -> Index {
        self.index
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        Ok(self.map.get(key).cloned())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        Ok(self
            .map
            .range::<_, str>((list_start(prefix, after), Bound::Unbounded))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect())
    }
}
