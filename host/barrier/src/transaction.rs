//! One request's view of storage: a snapshot, with its own writes over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use coffer_clock::Random;
use coffer_storage::{Batch, Index, Op, Snapshot, Storage};
use zeroize::Zeroizing;

use crate::keyring::KeyRing;
use crate::meter::{Meter, Usage};
use crate::{BarrierError, MAX_KEY, MAX_VALUE};

/// A decrypted value, wiped when dropped.
pub type Value = Zeroizing<Vec<u8>>;

/// Reads from one snapshot and buffers writes until [`commit`](Transaction::commit).
///
/// Whatever it reads becomes a condition of the commit: if another commit has changed it meanwhile, this one fails with
/// [`BarrierError::Conflict`] and is to be run again. A transaction that writes nothing has no conditions.
pub struct Transaction {
    storage: Arc<dyn Storage>,
    ring: Arc<KeyRing>,
    random: Random,
    snapshot: Arc<dyn Snapshot>,
    read: BTreeMap<String, Option<Index>>,
    // None: deleted.
    written: BTreeMap<String, Option<Value>>,
    added: BTreeMap<String, i64>,
    // Written as they are: what is sealed in another way already.
    unsealed: Vec<Op>,
    meter: Option<Arc<Meter>>,
}

impl Transaction {
    pub(crate) fn begin(
        storage: Arc<dyn Storage>,
        ring: Arc<KeyRing>,
        random: Random,
    ) -> Result<Self, BarrierError> {
        let snapshot = storage.snapshot()?;
        Ok(Self {
            storage,
            ring,
            random,
            snapshot,
            read: BTreeMap::new(),
            written: BTreeMap::new(),
            added: BTreeMap::new(),
            unsealed: Vec::new(),
            meter: None,
        })
    }

    /// The last commit that it sees.
    pub fn index(&self) -> Index {
        self.snapshot.index()
    }

    /// A key's value, with this transaction's own writes.
    pub async fn get(&mut self, key: &str) -> Result<Option<Value>, BarrierError> {
        if let Some(written) = self.written.get(key) {
            return Ok(written.clone());
        }
        Ok(self.get_versioned(key).await?.map(|(_, value)| value))
    }

    /// A key's value in the snapshot, and the commit that wrote it.
    pub async fn get_versioned(
        &mut self,
        key: &str,
    ) -> Result<Option<(Index, Value)>, BarrierError> {
        let entry = self.snapshot.get(key).await?;
        self.read
            .insert(key.to_owned(), entry.as_ref().map(|entry| entry.version));
        entry
            .map(|entry| Ok((entry.version, self.ring.open(key, &entry.value)?)))
            .transpose()
    }

    /// Sets a key.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.written
            .insert(key.into(), Some(Zeroizing::new(value.into())));
    }

    /// Sets a key to bytes that are sealed already, or need not be.
    pub(crate) fn put_unsealed(&mut self, key: &str, value: Vec<u8>) {
        self.unsealed.push(Op::Put {
            key: key.to_owned(),
            value: Bytes::from(value),
        });
    }

    /// Removes a key.
    pub fn delete(&mut self, key: impl Into<String>) {
        self.written.insert(key.into(), None);
    }

    /// Adds to a counter. Counters are not encrypted.
    pub fn add(&mut self, key: impl Into<String>, delta: i64) {
        let sum = self.added.entry(key.into()).or_default();
        *sum = sum.saturating_add(delta);
    }

    /// Has its commits counted, and refused if they go too far.
    pub fn meter(&mut self, meter: Arc<Meter>) {
        self.meter = Some(meter);
    }

    /// What the snapshot has below the meter's prefix after the key `after`, of one page; and the page's last key, if there
    /// may be more.
    pub async fn measure(
        &self,
        meter: &Meter,
        after: Option<&str>,
        page: usize,
    ) -> Result<(Usage, Option<String>), BarrierError> {
        meter.measure(&*self.snapshot, after, page).await
    }

    /// What the meter's counters are at in the snapshot.
    pub async fn metered(&self, meter: &Meter) -> Result<Usage, BarrierError> {
        meter.read(&*self.snapshot).await
    }

    /// Makes it a condition that the key has this version (None: is absent) when this commits.
    pub fn require(&mut self, key: impl Into<String>, version: Option<Index>) {
        self.read.insert(key.into(), version);
    }

    /// The keys that start with `prefix` and come after `after`, in order, at most `limit`.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, BarrierError> {
        let mut keys = Vec::new();
        let mut stored_after = after.map(str::to_owned);
        while keys.len() < limit {
            let want = limit - keys.len();
            let stored = self
                .snapshot
                .list(prefix, stored_after.as_deref(), want)
                .await?;
            let exhausted = stored.len() < want;
            // Own writes are merged up to the last key that this page of the snapshot speaks for.
            let from = stored_after.as_deref();
            let own = self
                .written
                .range::<str, _>((start(prefix, from), std::ops::Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .take_while(|(key, _)| exhausted || stored.last().is_some_and(|last| *key <= last));
            let mut page: BTreeMap<&str, bool> =
                stored.iter().map(|key| (key.as_str(), true)).collect();
            page.extend(own.map(|(key, value)| (key.as_str(), value.is_some())));
            keys.extend(
                page.into_iter()
                    .filter(|(_, there)| *there)
                    .map(|(key, _)| key.to_owned()),
            );
            if exhausted {
                break;
            }
            stored_after = stored.last().cloned();
        }
        keys.truncate(limit);
        Ok(keys)
    }

    /// The names right below `prefix`, which is empty or ends in `/`: one with more below it ends in `/`. In order,
    /// after the name `after`, at most `limit`. Costs by name, not by key below it.
    pub async fn children(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, BarrierError> {
        let mut names: Vec<String> = Vec::new();
        let mut from = after.map(|name| past(prefix, name));
        while names.len() < limit {
            // Leaves come in pages; at the first directory the rest of the page is skipped over.
            let page = self
                .list(prefix, from.as_deref(), (limit - names.len()).min(64))
                .await?;
            let Some(last) = page.last() else { break };
            let mut next = last.clone();
            for key in &page {
                let rest = key.get(prefix.len()..).unwrap_or_default();
                match rest.split_once('/') {
                    Some((directory, _)) => {
                        let name = format!("{directory}/");
                        // A name that the skip did not pass: go on key by key.
                        if names.last().map(String::as_str).or(after) == Some(&name) {
                            next.clone_from(key);
                        } else {
                            next = past(prefix, &name);
                            names.push(name);
                        }
                        break;
                    }
                    None => names.push(rest.to_owned()),
                }
            }
            from = Some(next);
        }
        Ok(names)
    }

    /// Whether it has written nothing so far.
    pub fn is_read_only(&self) -> bool {
        self.written.is_empty() && self.added.is_empty() && self.unsealed.is_empty()
    }

    /// Writes what was buffered, durably; None if that was nothing.
    ///
    /// # Errors
    /// [`BarrierError::Conflict`] if something it read has changed.
    pub async fn commit(mut self) -> Result<Option<Index>, BarrierError> {
        self.flush().await
    }

    /// Writes what was buffered, durably, and goes on from what is stored then.
    ///
    /// # Errors
    /// [`BarrierError::Conflict`] if something it read has changed.
    pub async fn commit_and_continue(&mut self) -> Result<(), BarrierError> {
        self.flush().await?;
        self.snapshot = self.storage.snapshot()?;
        Ok(())
    }

    async fn flush(&mut self) -> Result<Option<Index>, BarrierError> {
        if self.is_read_only() {
            self.read.clear();
            return Ok(None);
        }
        let growth = match &self.meter {
            Some(meter) => {
                let growth = meter.growth(&*self.snapshot, &self.written, &mut self.read);
                Some(growth.await?)
            }
            None => None,
        };
        let mut batch = Batch {
            require: std::mem::take(&mut self.read).into_iter().collect(),
            ops: std::mem::take(&mut self.unsealed),
        };
        for (key, value) in std::mem::take(&mut self.written) {
            if key.len() > MAX_KEY {
                return Err(BarrierError::TooLarge(format!(
                    "a storage key has {} bytes; {MAX_KEY} are allowed",
                    key.len()
                )));
            }
            batch.ops.push(match value {
                None => Op::Delete { key },
                Some(value) if value.len() > MAX_VALUE => {
                    let len = value.len();
                    return Err(BarrierError::TooLarge(format!(
                        "a value has {len} bytes; {MAX_VALUE} are allowed"
                    )));
                }
                Some(value) => {
                    let value = Bytes::from(self.ring.seal(&self.random, &key, &value)?);
                    Op::Put { key, value }
                }
            });
        }
        batch.ops.extend(
            std::mem::take(&mut self.added)
                .into_iter()
                .map(|(key, delta)| Op::Add { key, delta }),
        );
        let Some((meter, growth)) = self.meter.as_ref().zip(growth) else {
            return Ok(Some(self.storage.commit(batch).await?));
        };
        batch.ops.extend(meter.ops(growth));
        match self.storage.commit(batch).await {
            Ok(index) => Ok(Some(index)),
            Err(error) => Err(meter.refused(error, growth)),
        }
    }
}

fn start<'a>(prefix: &'a str, after: Option<&'a str>) -> std::ops::Bound<&'a str> {
    match after {
        Some(after) if after >= prefix => std::ops::Bound::Excluded(after),
        _ => std::ops::Bound::Included(prefix),
    }
}

/// A key after (nearly) everything below the child `name`, and before the next child.
fn past(prefix: &str, name: &str) -> String {
    match name.strip_suffix('/') {
        Some(directory) => format!("{prefix}{directory}/\u{10FFFF}"),
        None => format!("{prefix}{name}"),
    }
}
