//! The barrier through its public door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_barrier::{Barrier, BarrierError, InitConfig, Seal};
use coffer_clock::{Random, UnixMillis};
use coffer_storage::{Batch, MemoryStorage, Op};
use proptest::prelude::*;

fn sealed() -> (Arc<Barrier>, Seal) {
    let barrier = Barrier::new(Arc::new(MemoryStorage::new()), Random::seeded(7));
    let seal = Seal::new(barrier.clone());
    (barrier, seal)
}

async fn open() -> Arc<Barrier> {
    let (barrier, seal) = sealed();
    let keys = seal
        .init(InitConfig::new(1, 1).unwrap(), UnixMillis(0), |_| {})
        .await
        .unwrap();
    assert!(!seal.unseal(&keys[0]).await.unwrap().sealed);
    barrier
}

async fn put(barrier: &Barrier, key: &str, value: &str) {
    let mut txn = barrier.begin().unwrap();
    txn.put(key, value.as_bytes().to_vec());
    txn.commit().await.unwrap();
}

#[test]
fn seal_configurations() {
    for (shares, threshold, ok) in [
        (1, 1, true),
        (5, 3, true),
        (255, 255, true),
        (0, 0, false),
        (2, 1, false),
        (3, 4, false),
        (256, 3, false),
        (3, 0, false),
    ] {
        assert_eq!(
            InitConfig::new(shares, threshold).is_ok(),
            ok,
            "{shares}/{threshold}"
        );
    }
}

#[tokio::test]
async fn shares_open_the_barrier_in_any_order() {
    let (barrier, seal) = sealed();
    assert_eq!(barrier.begin().map(|_| ()), Err(BarrierError::Sealed));
    assert_eq!(
        seal.unseal(b"x").await.map(|_| ()),
        Err(BarrierError::NotInitialized)
    );
    let keys = seal
        .init(InitConfig::new(5, 3).unwrap(), UnixMillis(0), |txn| {
            txn.put("first", *b"1")
        })
        .await
        .unwrap();
    assert_eq!(keys.len(), 5);
    assert_eq!(
        seal.init(InitConfig::new(1, 1).unwrap(), UnixMillis(0), |_| {})
            .await
            .map(|_| ()),
        Err(BarrierError::AlreadyInitialized)
    );

    let status = seal.unseal(&keys[4]).await.unwrap();
    assert_eq!(
        (status.progress, status.sealed, status.nonce.is_empty()),
        (1, true, false)
    );
    assert_eq!(
        seal.unseal(&keys[4]).await.unwrap().progress,
        1,
        "the same share again counts once"
    );
    seal.unseal(&keys[0]).await.unwrap();
    assert!(!seal.unseal(&keys[2]).await.unwrap().sealed);
    assert_eq!(
        &barrier
            .begin()
            .unwrap()
            .get("first")
            .await
            .unwrap()
            .unwrap()[..],
        b"1"
    );

    seal.seal();
    assert_eq!(barrier.begin().map(|_| ()), Err(BarrierError::Sealed));
    let mut wrong = keys[1].to_vec();
    wrong[9] ^= 1;
    for share in [&keys[0][..], &keys[2][..]] {
        seal.unseal(share).await.unwrap();
    }
    assert!(matches!(
        seal.unseal(&wrong).await,
        Err(BarrierError::InvalidShares(_))
    ));
    assert_eq!(
        seal.status().await.unwrap().progress,
        0,
        "a failed attempt starts anew"
    );
    seal.unseal(&keys[0]).await.unwrap();
    seal.reset();
    assert_eq!(seal.status().await.unwrap().progress, 0);
    for garbage in [&b""[..], b"x", &[0; 33], &[1; 400]] {
        for share in [garbage, &keys[0], &keys[2]] {
            let _ = seal.unseal(share).await;
        }
        assert!(barrier.is_sealed());
        seal.reset();
    }
}

#[tokio::test]
async fn of_two_inits_one_wins() {
    let (barrier, one) = sealed();
    let two = Seal::new(barrier);
    let config = InitConfig::new(1, 1).unwrap();
    let (a, b) = tokio::join!(
        one.init(config, UnixMillis(0), |_| {}),
        two.init(config, UnixMillis(0), |_| {})
    );
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
}

#[tokio::test]
async fn what_was_read_is_a_condition() {
    let barrier = open().await;
    put(&barrier, "a", "1").await;
    let mut txn = barrier.begin().unwrap();
    txn.get("a").await.unwrap();
    txn.put("b", *b"x");
    put(&barrier, "a", "2").await;
    assert_eq!(
        txn.commit().await,
        Err(BarrierError::Conflict { key: "a".into() })
    );

    let mut reader = barrier.begin().unwrap();
    reader.get("a").await.unwrap();
    put(&barrier, "a", "3").await;
    assert_eq!(reader.commit().await, Ok(None), "a reader never conflicts");
}

#[tokio::test]
async fn ciphertext_moved_to_another_key_does_not_open() {
    let barrier = open().await;
    put(&barrier, "a", "secret").await;
    let stolen = barrier
        .storage()
        .snapshot()
        .unwrap()
        .get("a")
        .await
        .unwrap()
        .unwrap()
        .value;
    assert!(!stolen.windows(6).any(|window| window == b"secret"));
    let ops = vec![Op::Put {
        key: "b".into(),
        value: stolen,
    }];
    barrier
        .storage()
        .commit(Batch {
            require: vec![],
            ops,
        })
        .await
        .unwrap();
    assert_eq!(
        barrier.begin().unwrap().get("b").await,
        Err(BarrierError::Corrupt("b".into()))
    );
}

#[tokio::test]
async fn a_slow_reader_cannot_put_back_what_was_replaced() {
    let barrier = open().await;
    let cache = barrier.cache::<u8>(|key| key.starts_with("a"), 100);
    put(&barrier, "a", "1").await;
    let mut slow = barrier.begin().unwrap();
    let (version, _) = slow.get_versioned("a").await.unwrap().unwrap();
    put(&barrier, "a", "2").await;
    cache.insert("a", slow.index(), version, Arc::new(1));
    assert!(cache.get("a").is_none());
    let mut now = barrier.begin().unwrap();
    let (version, _) = now.get_versioned("a").await.unwrap().unwrap();
    cache.insert("a", now.index(), version, Arc::new(2));
    assert_eq!(
        cache.get("a").map(|(v, value)| (v, *value)),
        Some((version, 2))
    );
    put(&barrier, "a", "3").await;
    assert!(cache.get("a").is_none());
}

#[tokio::test]
async fn a_listing_of_children_ends_even_for_odd_names() {
    let barrier = open().await;
    for key in ["d/\u{10FFFF}x", "d/\u{10FFFF}y", "d0", "d/a", "e/f/g", "d"] {
        put(&barrier, &format!("p/{key}"), "").await;
    }
    let txn = barrier.begin().unwrap();
    assert_eq!(
        txn.children("p/", None, 100).await.unwrap(),
        ["d", "d/", "d0", "e/"]
    );
    assert_eq!(txn.children("p/", Some("d/"), 1).await.unwrap(), ["d0"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_transaction_sees_its_own_writes(
        stored in proptest::collection::btree_set("[ab]{1,2}(/[ab]{1,2}){0,2}", 0..12),
        writes in proptest::collection::vec(("[ab]{1,2}(/[ab]{1,2}){0,2}", any::<bool>()), 0..12),
        limit in 1..5usize,
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let barrier = open().await;
            let mut model = BTreeMap::new();
            for key in &stored {
                put(&barrier, &format!("p/{key}"), "old").await;
                model.insert(format!("p/{key}"), "old");
            }
            let mut txn = barrier.begin().unwrap();
            for (key, delete) in &writes {
                let key = format!("p/{key}");
                if *delete { txn.delete(key.clone()); model.remove(&key); }
                else { txn.put(key.clone(), *b"new"); model.insert(key, "new"); }
            }
            let expected: Vec<_> = model.keys().cloned().collect();
            let mut listed: Vec<String> = Vec::new();
            loop {
                let page = txn.list("p/", listed.last().map(String::as_str), limit).await.unwrap();
                if page.is_empty() { break; }
                listed.extend(page);
            }
            assert_eq!(listed, expected);
            let mut names: Vec<String> = expected.iter().map(|key| {
                let rest = &key[2..];
                rest.split_once('/').map_or(rest.to_owned(), |(dir, _)| format!("{dir}/"))
            }).collect();
            names.sort();
            names.dedup();
            let mut children = txn.children("p/", None, 1000).await.unwrap();
            children.sort();
            assert_eq!(children, names);
            for (key, value) in &model {
                assert_eq!(&txn.get(key).await.unwrap().unwrap()[..], value.as_bytes());
            }
        });
    }
}
