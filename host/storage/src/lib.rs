//! Physical storage: an ordered map from text keys to bytes, with snapshots and atomic, durable commits.
//!
//! A [`Batch`] is written whole or not at all, and only if every key it `require`s still has the version that its
//! author read; a key's version is the index of the commit that last wrote it. Commits have consecutive indexes, and
//! every one is announced to the subscribers (keys only) after it is durable and *before* the call that made it
//! returns: caches that listen are right by the time a client has its answer.
//!
//! It knows nothing of what it stores, and encrypts nothing: that is the barrier's work.

mod feed;
mod memory;
mod redb;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use crate::feed::{Change, Subscriber};
pub use crate::memory::MemoryStorage;
pub use crate::redb::{RedbOptions, RedbStorage};

/// A commit's number; also the version of the keys it wrote.
pub type Index = u64;

/// A value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The commit that wrote it.
    pub version: Index,
    /// The bytes.
    pub value: Bytes,
}

/// One write. A later one on the same key wins.
#[derive(Clone, Debug)]
pub enum Op {
    /// Sets a key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key, if it is there.
    Delete {
        /// The key.
        key: String,
    },
    /// Adds to a counter: a signed 64-bit integer, little-endian, 0 when absent. Never conflicts.
    Add {
        /// The counter's key.
        key: String,
        /// What to add.
        delta: i64,
    },
    /// The same, unless the counter would grow beyond a bound: then nothing of the batch is written. Whoever takes away
    /// is never refused.
    AddWithin {
        /// The counter's key; once in a batch.
        key: String,
        /// What to add.
        delta: i64,
        /// The most that the counter may come to.
        max: i64,
    },
}

impl Op {
    /// The key it writes.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. }
            | Self::Delete { key }
            | Self::Add { key, .. }
            | Self::AddWithin { key, .. } => key,
        }
    }
}

/// What is committed at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Keys that must have these versions; None: must be absent.
    pub require: Vec<(String, Option<Index>)>,
    /// The writes, in order.
    pub ops: Vec<Op>,
}

/// Why storage failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A required version is not there any more; nothing was written.
    #[error("somebody else has changed {key:?}")]
    Conflict {
        /// The key.
        key: String,
    },
    /// A counter would have grown beyond its bound; nothing was written.
    #[error("the counter {key:?} is at {value}")]
    Full {
        /// The counter's key.
        key: String,
        /// What it is at.
        value: i64,
    },
    /// The disk or the file failed. After a failed write nothing more is accepted.
    #[error("storage failed: {0}")]
    Io(String),
    /// Storage is closed.
    #[error("storage is closed")]
    Closed,
}

/// A store.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// What is stored now, and stays so for the snapshot's life.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StorageError>;

    /// Writes a batch. When it returns Ok the batch is durable. Dropping the future neither stops nor halves it.
    async fn commit(&self, batch: Batch) -> Result<Index, StorageError>;

    /// Calls `subscriber` with every commit from now on. It is called on the committing thread and must be quick.
    fn subscribe(&self, subscriber: Subscriber);

    /// Waits until storage has failed for good, and says why. The host then seals itself and exits.
    async fn failed(&self) -> String;

    /// The name of the backend: `redb`, `inmem`.
    fn kind(&self) -> &'static str;
}

/// A view of one moment.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// The last commit that it contains.
    fn index(&self) -> Index;

    /// A key's value.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError>;

    /// The keys that start with `prefix` and come after `after`, in byte order, at most `limit`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StorageError>;
}

/// The first key of a listing, and whether that key itself belongs to it.
fn list_start<'a>(prefix: &'a str, after: Option<&'a str>) -> std::ops::Bound<&'a str> {
    match after {
        Some(after) if after >= prefix => std::ops::Bound::Excluded(after),
        _ => std::ops::Bound::Included(prefix),
    }
}

/// What a counter is at, from what is stored of it.
pub fn counter(stored: Option<&[u8]>) -> i64 {
    stored
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, i64::from_le_bytes)
}

/// A counter's new value.
fn add(current: Option<&[u8]>, delta: i64) -> [u8; 8] {
    counter(current).saturating_add(delta).to_le_bytes()
}

/// Refuses an [`Op::AddWithin`] that goes too far.
fn within(op: &Op, current: impl FnOnce(&str) -> i64) -> Result<(), StorageError> {
    let Op::AddWithin { key, delta, max } = op else {
        return Ok(());
    };
    let value = current(key);
    if *delta > 0 && value.saturating_add(*delta) > *max {
        let key = key.clone();
        return Err(StorageError::Full { key, value });
    }
    Ok(())
}
