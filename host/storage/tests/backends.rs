//! What every backend must do, run once for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use coffer_storage::{Batch, MemoryStorage, Op, RedbOptions, RedbStorage, Storage, StorageError};
use proptest::prelude::*;

fn redb(dir: &tempfile::TempDir) -> Arc<RedbStorage> {
    Arc::new(RedbStorage::open(&dir.path().join("db"), RedbOptions::default()).unwrap())
}

/// Runs a test on each backend.
async fn each<F: Future<Output = ()>>(test: impl Fn(Arc<dyn Storage>) -> F) {
    test(Arc::new(MemoryStorage::new())).await;
    let dir = tempfile::tempdir().unwrap();
    test(redb(&dir)).await;
}

fn put(key: &str, value: &str) -> Op {
    Op::Put {
        key: key.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn batch(ops: Vec<Op>) -> Batch {
    Batch {
        require: Vec::new(),
        ops,
    }
}

async fn read(storage: &dyn Storage, key: &str) -> Option<(u64, String)> {
    let entry = storage.snapshot().unwrap().get(key).await.unwrap()?;
    Some((
        entry.version,
        String::from_utf8(entry.value.to_vec()).unwrap(),
    ))
}

#[tokio::test]
async fn batches_are_atomic_and_versioned() {
    each(|storage| async move {
        let first = storage
            .commit(batch(vec![put("a", "1"), put("b", "1"), put("a", "2")]))
            .await
            .unwrap();
        assert_eq!(read(&*storage, "a").await.unwrap(), (first, "2".into()));
        let before = storage.snapshot().unwrap();
        let second = storage
            .commit(Batch {
                require: vec![("a".into(), Some(first)), ("z".into(), None)],
                ops: vec![put("z", "new"), Op::Delete { key: "b".into() }],
            })
            .await
            .unwrap();
        assert!(second > first);
        assert_eq!(read(&*storage, "b").await, None);
        assert!(before.get("b").await.unwrap().is_some(), "a snapshot stays");
        assert_eq!(before.index(), first);
        for (key, version) in [
            ("a", Some(second)),
            ("a", None),
            ("nope", Some(1)),
            ("z", None),
        ] {
            let lost = Batch {
                require: vec![(key.into(), version)],
                ops: vec![put("a", "lost")],
            };
            assert_eq!(
                storage.commit(lost).await,
                Err(StorageError::Conflict { key: key.into() })
            );
        }
        assert_eq!(read(&*storage, "a").await.unwrap().1, "2");
    })
    .await;
}

#[tokio::test]
async fn a_bounded_counter_stays_within_and_leaves_nothing_half_written() {
    each(|storage| async move {
        let grow = |delta, name: &str| {
            let key = "n".to_owned();
            batch(vec![
                put(name, "1"),
                Op::AddWithin {
                    key,
                    delta,
                    max: 10,
                },
            ])
        };
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let (storage, batch) = (storage.clone(), grow(1, &format!("k{n}")));
                tokio::spawn(async move { storage.commit(batch).await.is_ok() })
            })
            .collect();
        let mut written = 0;
        for task in tasks {
            written += usize::from(task.await.unwrap());
        }
        assert_eq!(written, 10);
        let stored = storage.snapshot().unwrap().list("k", None, 100).await;
        assert_eq!(stored.unwrap().len(), 10);
        let full = StorageError::Full {
            key: "n".into(),
            value: 10,
        };
        assert_eq!(storage.commit(grow(1, "k")).await, Err(full));
        storage.commit(grow(-2, "k")).await.unwrap();
        storage.commit(grow(2, "k")).await.unwrap();
        assert!(storage.commit(grow(1, "k")).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn counters_never_conflict() {
    each(|storage| async move {
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let storage = storage.clone();
                tokio::spawn(async move {
                    storage
                        .commit(batch(vec![Op::Add {
                            key: "n".into(),
                            delta: n - 5,
                        }]))
                        .await
                        .unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let entry = storage.snapshot().unwrap().get("n").await.unwrap().unwrap();
        assert_eq!(i64::from_le_bytes(entry.value[..].try_into().unwrap()), 90);
    })
    .await;
}

#[tokio::test]
async fn the_feed_is_ahead_of_the_answer() {
    each(|storage| async move {
        type Log = Vec<(u64, Vec<String>)>;
        let seen: Arc<Mutex<Log>> = Arc::default();
        let log = seen.clone();
        storage.subscribe(Arc::new(move |change| {
            log.lock()
                .unwrap()
                .push((change.index, change.keys().map(str::to_owned).collect()));
        }));
        for n in 0..5 {
            let index = storage
                .commit(batch(vec![put(&format!("k{n}"), "x")]))
                .await
                .unwrap();
            assert_eq!(
                seen.lock().unwrap().last().unwrap(),
                &(index, vec![format!("k{n}")])
            );
        }
    })
    .await;
}

#[tokio::test]
async fn commits_that_wait_are_written_together() {
    let dir = tempfile::tempdir().unwrap();
    let storage = redb(&dir);
    let before = storage.commits();
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let storage = storage.clone();
            tokio::spawn(async move {
                storage
                    .commit(batch(vec![put(&format!("k{n}"), "x")]))
                    .await
                    .unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let commits = storage.commits() - before;
    assert!(commits < 100, "{commits} transactions for 200 batches");
}

#[tokio::test]
async fn a_file_keeps_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let index = {
        let storage = redb(&dir);
        storage.commit(batch(vec![put("a", "1")])).await.unwrap()
    };
    let storage = redb(&dir);
    assert_eq!(read(&*storage, "a").await.unwrap(), (index, "1".into()));
    assert_eq!(
        storage.commit(batch(vec![put("b", "1")])).await.unwrap(),
        index + 1
    );
    let again = RedbStorage::open(&dir.path().join("db"), RedbOptions::default());
    assert!(matches!(again.map(|_| ()), Err(StorageError::Io(reason)) if reason.contains("open")));
}

static CASES: AtomicU64 = AtomicU64::new(0);

fn ops() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((0..4u8, 0..12u8), 1..12)
}

/// Whether a copy of the file, as it lies on the disk now, has to be repaired before it opens.
fn needs_repair(file: &std::path::Path) -> bool {
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("copy");
    std::fs::copy(file, &copy).unwrap();
    let repaired = Arc::new(AtomicU64::new(0));
    let count = repaired.clone();
    let database = redb::Builder::new()
        .set_repair_callback(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .open(&copy);
    // A copy made in the middle of a write does not count.
    database.is_err() || repaired.load(Ordering::Relaxed) > 0
}

#[tokio::test]
async fn a_file_at_rest_opens_without_repair() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let storage = redb(&dir);
    for n in 0..3 {
        let key = format!("a/{n}");
        storage.commit(batch(vec![put(&key, "x")])).await.unwrap();
        assert!(needs_repair(&file), "it was written to just now");
        let began = std::time::Instant::now();
        while needs_repair(&file) {
            assert!(began.elapsed().as_secs() < 20, "it is not at rest");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(read(&*storage, &key).await, Some((n + 1, "x".into())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_history_matches_a_map(history in proptest::collection::vec(ops(), 1..20), limit in 1..6usize) {
        CASES.fetch_add(1, Ordering::Relaxed);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(each(|storage| {
            let history = history.clone();
            async move {
                let mut model = BTreeMap::new();
                for ops in history {
                    let mut made = Vec::new();
                    for (kind, n) in ops {
                        let key = format!("{}/{}", ["a", "b", "a/b"][usize::from(n % 3)], n);
                        if kind == 0 {
                            model.remove(&key);
                            made.push(Op::Delete { key });
                        } else {
                            model.insert(key.clone(), format!("{kind}"));
                            made.push(put(&key, &format!("{kind}")));
                        }
                    }
                    storage.commit(batch(made)).await.unwrap();
                }
                let snapshot = storage.snapshot().unwrap();
                for prefix in ["", "a", "a/", "a/b/", "c"] {
                    let mut listed = Vec::new();
                    loop {
                        let page = snapshot.list(prefix, listed.last().map(String::as_str), limit).await.unwrap();
                        let full = page.len() == limit;
                        listed.extend(page);
                        if !full { break; }
                    }
                    let expected: Vec<_> = model.keys().filter(|k| k.starts_with(prefix)).cloned().collect();
                    assert_eq!(listed, expected);
                }
                for (key, value) in &model {
                    assert_eq!(&read(&*storage, key).await.unwrap().1, value);
                }
            }
        }));
    }
}
