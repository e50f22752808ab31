//! A sealed store with known contents: what the barrier's targets start from.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use coffer_barrier::{Barrier, InitConfig, KeyShare, Seal};
use coffer_clock::{Random, UnixMillis};
use coffer_storage::{Batch, MemoryStorage, Op, Storage};

/// What was stored, and under which key.
pub(crate) const SECRETS: &[(&str, &[u8])] =
    &[("a/one", b"first"), ("a/two", b"second"), ("b", b"")];
const SHARES: u64 = 5;
pub(crate) const THRESHOLD: u64 = 3;

/// The stored bytes and the shares that open them.
pub(crate) struct Template {
    pub(crate) entries: Vec<(String, Vec<u8>)>,
    pub(crate) shares: Vec<KeyShare>,
}

pub(crate) static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    wait(async {
        let storage = Arc::new(MemoryStorage::new());
        let seal = Seal::new(Barrier::new(storage.clone(), Random::seeded(1)));
        let config = InitConfig::new(SHARES, THRESHOLD).unwrap();
        let fill = |txn: &mut coffer_barrier::Transaction| {
            for (key, value) in SECRETS {
                txn.put(*key, *value);
            }
        };
        let shares = seal.init(config, UnixMillis(1), fill).await.unwrap();
        let snapshot = storage.snapshot().unwrap();
        let mut entries = Vec::new();
        for key in snapshot.list("", None, 100).await.unwrap() {
            let value = snapshot.get(&key).await.unwrap().unwrap().value;
            entries.push((key, value.to_vec()));
        }
        Template { entries, shares }
    })
});

/// A sealed barrier over these bytes.
pub(crate) async fn sealed(entries: &[(String, Vec<u8>)]) -> (Arc<Barrier>, Seal) {
    let storage = Arc::new(MemoryStorage::new());
    let put = |(key, value): &(String, Vec<u8>)| Op::Put {
        key: key.clone(),
        value: value.clone().into(),
    };
    let batch = Batch {
        require: Vec::new(),
        ops: entries.iter().map(put).collect(),
    };
    storage.commit(batch).await.unwrap();
    let barrier = Barrier::new(storage, Random::seeded(2));
    (barrier.clone(), Seal::new(barrier))
}

/// Runs something that only waits for memory.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
