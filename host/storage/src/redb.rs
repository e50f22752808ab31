//! Storage in one file, with [redb](https://docs.rs/redb).
//!
//! One thread writes. It takes every batch that waits, applies them in order in one write transaction (one that lost a
//! race is left out and told so), notes the last index in the same transaction, and syncs once for all of them. Then
//! it makes the new snapshot, tells the subscribers, and answers.
//!
//! Readers share the latest snapshot: taking it costs no lock.

mod writer;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition,
};
use tokio::sync::{oneshot, watch};

use crate::feed::Feed;
use crate::{Batch, Entry, Index, Snapshot, Storage, StorageError, Subscriber, list_start};

type Table<'a> = TableDefinition<'a, &'static str, &'static [u8]>;

/// Keys to their version (8 bytes, little-endian) and value.
const DATA: Table<'_> = TableDefinition::new("data");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const INDEX: &str = "index";

/// How the file is used.
#[derive(Clone, Copy, Debug)]
pub struct RedbOptions {
    /// Memory for pages read and written, in bytes.
    pub cache_bytes: usize,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 12 << 20,
        }
    }
}

/// A batch on its way, and where the answer goes.
struct Waiting {
    batch: Batch,
    answer: oneshot::Sender<Result<Index, StorageError>>,
}

struct Shared {
    latest: ArcSwap<RedbSnapshot>,
    feed: Feed,
    failed: Failed,
}

/// Why the storage has failed for good, once it has. A read that fails is as final as a write: what else cannot be read,
/// nobody knows.
#[derive(Clone)]
struct Failed(Arc<watch::Sender<Option<String>>>);

impl Failed {
    fn set(&self, reason: &str) {
        tracing::error!(reason, "storage failed");
        self.0.send_replace(Some(reason.to_owned()));
    }

    /// The error of a read.
    fn read(&self, error: impl std::fmt::Display) -> StorageError {
        let reason = error.to_string();
        self.set(&reason);
        StorageError::Io(reason)
    }
}

/// Storage in a file.
pub struct RedbStorage {
    shared: Arc<Shared>,
    queue: writer::Queue,
}

impl RedbStorage {
    /// Opens the file, or makes it, readable by its owner only.
    ///
    /// # Errors
    /// [`StorageError::Io`] if it cannot be opened, is no such file, or another process has it open.
    pub fn open(path: &Path, options: RedbOptions) -> Result<Self, StorageError> {
        let place = |error: &dyn std::fmt::Display| {
            StorageError::Io(format!("{}: {error}", path.display()))
        };
        let file = open_private(path).map_err(|error| place(&error))?;
        let database = FileBackend::new(file)
            .and_then(|backend| {
                Builder::new()
                    .set_cache_size(options.cache_bytes)
                    .create_with_backend(backend)
            })
            .map_err(|error| place(&error))?;
        let failed = Failed(Arc::new(watch::Sender::new(None)));
        let latest = prepare(&database, &failed).map_err(|error| place(&error))?;
        let shared = Arc::new(Shared {
            latest: ArcSwap::from_pointee(latest),
            feed: Feed::default(),
            failed,
        });
        let queue = writer::start(database, shared.clone()).map_err(|error| place(&error))?;
        Ok(Self { shared, queue })
    }

    /// How many transactions were committed for all the batches so far.
    pub fn commits(&self) -> u64 {
        self.queue.commits()
    }
}

fn open_private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn prepare(database: &Database, failed: &Failed) -> Result<RedbSnapshot, redb::Error> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    let index = {
        txn.open_table(DATA)?;
        let mut meta = txn.open_table(META)?;
        let index = meta.get(INDEX)?.map_or(0, |value| value.value());
        meta.insert(INDEX, index)?;
        index
    };
    txn.commit()?;
    snapshot(database, index, failed)
}

fn snapshot(
    database: &Database,
    index: Index,
    failed: &Failed,
) -> Result<RedbSnapshot, redb::Error> {
    let table = database.begin_read()?.open_table(DATA)?;
    let failed = failed.clone();
    Ok(RedbSnapshot {
        index,
        failed,
        table,
    })
}

#[async_trait]
impl Storage for RedbStorage {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StorageError> {
        Ok(self.shared.latest.load_full())
    }

    async fn commit(&self, batch: Batch) -> Result<Index, StorageError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { batch, answer }).await?;
        answered.await.map_err(|_| StorageError::Closed)?
    }

    fn subscribe(&self, subscriber: Subscriber) {
        self.shared.feed.subscribe(subscriber);
    }

    async fn failed(&self) -> String {
        let mut failed = self.shared.failed.0.subscribe();
        if let Ok(reason) = failed.wait_for(Option::is_some).await {
            return reason.clone().unwrap_or_default();
        }
        std::future::pending().await
    }

    fn kind(&self) -> &'static str {
        "redb"
    }
}

struct RedbSnapshot {
    index: Index,
    failed: Failed,
    table: ReadOnlyTable<&'static str, &'static [u8]>,
}

fn io(error: impl std::fmt::Display) -> StorageError {
    StorageError::Io(error.to_string())
}

/// Parts a stored value.
fn split(bytes: &[u8]) -> Option<(Index, &[u8])> {
    let (version, value) = bytes.split_first_chunk()?;
    Some((Index::from_le_bytes(*version), value))
}

#[async_trait]
impl Snapshot for RedbSnapshot {
    fn index(&self) -> Index {
        self.index
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        let failed = |error| self.failed.read(error);
        let Some(guard) = self.table.get(key).map_err(failed)? else {
            return Ok(None);
        };
        let (version, value) =
            split(guard.value()).ok_or_else(|| io(format!("the entry {key:?} is cut short")))?;
        Ok(Some(Entry {
            version,
            value: Bytes::copy_from_slice(value),
        }))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        let range = (list_start(prefix, after), std::ops::Bound::Unbounded);
        let mut keys = Vec::new();
        let failed = |error| self.failed.read(error);
        for item in self.table.range::<&str>(range).map_err(failed)?.take(limit) {
            let (key, _) = item.map_err(failed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_owned());
        }
        Ok(keys)
    }
}
