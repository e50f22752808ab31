use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::{Database, Durability, ReadableTable};
use tokio::sync::mpsc;

use super::{DATA, Failed, INDEX, META, Shared, Waiting, io, snapshot, split};
use crate::{Batch, Index, Op, StorageError, add, counter, within};

/// Batches that may wait for the writer; more callers than that wait for a place.
const QUEUE: usize = 4096;
/// Batches in one transaction.
const GROUP: usize = 1024;
/// When nothing has come for so long, the writer rests.
const REST: Duration = Duration::from_secs(1);

/// The way to the writer's thread, which ends, and closes the file, when this is dropped.
pub(super) struct Queue {
    sender: Option<mpsc::Sender<Waiting>>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    pub(super) async fn send(&self, waiting: Waiting) -> Result<(), StorageError> {
        let sender = self.sender.as_ref().ok_or(StorageError::Closed)?;
        sender.send(waiting).await.map_err(|_| StorageError::Closed)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn start(database: Database, shared: Arc<Shared>) -> std::io::Result<Queue> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let commits = Arc::new(AtomicU64::new(0));
    let timer = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let mut writer = Writer {
        timer,
        database,
        shared,
        commits: commits.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("storage-writer".into())
        .spawn(move || writer.run(receiver))?;
    Ok(Queue {
        sender: Some(sender),
        commits,
        thread: Some(thread),
    })
}

struct Writer {
    timer: tokio::runtime::Runtime,
    database: Database,
    shared: Arc<Shared>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    fn run(&mut self, mut receiver: mpsc::Receiver<Waiting>) {
        let _alarm = Alarm(self.shared.failed.clone());
        let mut group = Vec::new();
        let mut resting = false;
        loop {
            let received = if resting {
                Some(receiver.blocking_recv_many(&mut group, GROUP))
            } else {
                let more = async {
                    tokio::time::timeout(REST, receiver.recv_many(&mut group, GROUP)).await
                };
                self.timer.block_on(more).ok()
            };
            let done = match received {
                Some(0) => return,
                Some(_) => self.commit(&mut group),
                None => self.rest(),
            };
            resting = received.is_none();
            if let Err(error) = done {
                // What is on disk is not known any more: stop for good.
                let reason = error.to_string();
                self.shared.failed.set(&reason);
                receiver.close();
                while let Some(waiting) = group.pop().or_else(|| receiver.blocking_recv()) {
                    let _ = waiting.answer.send(Err(StorageError::Io(reason.clone())));
                }
                return;
            }
        }
    }

    /// A commit that changes nothing, and leaves a file that opens at once even if the host is killed: without it, opening reads
    /// all of the file first. It is dear, so it is made when there is nothing else to do.
    fn rest(&mut self) -> Result<(), redb::Error> {
        let mut txn = self.database.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        txn.set_quick_repair(true);
        let index = self.shared.latest.load().index;
        txn.open_table(META)?.insert(INDEX, index)?;
        txn.commit()?;
        Ok(())
    }

    fn commit(&mut self, group: &mut Vec<Waiting>) -> Result<(), redb::Error> {
        let mut index = self.shared.latest.load().index;
        let mut results = Vec::with_capacity(group.len());
        let mut txn = self.database.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        {
            let mut data = txn.open_table(DATA)?;
            for waiting in group.iter() {
                results.push(match refusal(&data, &waiting.batch)? {
                    Some(refusal) => Err(refusal),
                    None => {
                        index += 1;
                        apply(&mut data, &waiting.batch, index)?;
                        Ok(index)
                    }
                });
            }
            txn.open_table(META)?.insert(INDEX, index)?;
        }
        if results.iter().any(Result::is_ok) {
            txn.commit()?;
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.shared.latest.store(Arc::new(snapshot(
                &self.database,
                index,
                &self.shared.failed,
            )?));
        } else {
            txn.abort()?;
        }
        for (waiting, result) in group.drain(..).zip(results) {
            if let Ok(index) = &result {
                self.shared.feed.publish(*index, &waiting.batch);
            }
            // Nobody may be waiting any more; what is written stays written.
            let _ = waiting.answer.send(result);
        }
        Ok(())
    }
}

/// A writer that panics has failed.
struct Alarm(Failed);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set("the writer's thread has panicked");
        }
    }
}

type Data<'t> = redb::Table<'t, &'static str, &'static [u8]>;

/// Why a batch cannot be written: the first required key that has another version, or a counter that is full.
fn refusal(data: &Data<'_>, batch: &Batch) -> Result<Option<StorageError>, redb::Error> {
    for (key, version) in &batch.require {
        let current = data
            .get(key.as_str())?
            .and_then(|guard| split(guard.value()).map(|(version, _)| version));
        if current != *version {
            return Ok(Some(StorageError::Conflict { key: key.clone() }));
        }
    }
    for op in &batch.ops {
        let Op::AddWithin { key, .. } = op else {
            continue;
        };
        let current = data.get(key.as_str())?;
        let stored = current.as_ref().and_then(|guard| split(guard.value()));
        let value = counter(stored.map(|(_, value)| value));
        if let Err(full) = within(op, |_| value) {
            return Ok(Some(full));
        }
    }
    Ok(None)
}

fn apply(data: &mut Data<'_>, batch: &Batch, index: Index) -> Result<(), redb::Error> {
    let put = |data: &mut Data<'_>, key: &str, value: &[u8]| -> Result<(), redb::Error> {
        let mut slot = data.insert_reserve(key, value.len() + 8)?;
        let (version, rest) = slot.as_mut().split_at_mut(8);
        version.copy_from_slice(&index.to_le_bytes());
        rest.copy_from_slice(value);
        Ok(())
    };
    for op in &batch.ops {
        match op {
            Op::Put { key, value } => put(data, key, value)?,
            Op::Delete { key } => {
                data.remove(key.as_str())?;
            }
            Op::Add { key, delta } | Op::AddWithin { key, delta, .. } => {
                let value = {
                    let current = data.get(key.as_str())?;
                    add(
                        current
                            .as_ref()
                            .and_then(|guard| split(guard.value()))
                            .map(|(_, value)| value),
                        *delta,
                    )
                };
                put(data, key, &value)?;
            }
        }
    }
    Ok(())
}

impl From<redb::Error> for StorageError {
    fn from(error: redb::Error) -> Self {
        io(error)
    }
}
