//! A month of leases on a driven clock, with a database down for a day of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use coffer_barrier::{Barrier, InitConfig, Seal};
use coffer_clock::{Clock, ClockDriver, Random, UnixMillis};
use coffer_core::{Body, Core, CoreConfig, Method, Request};
use coffer_manifest::Kind;
use coffer_runtime::{Builtin, Catalog, Compiler, Engine, Environment};
use coffer_storage::{MemoryStorage, Storage};
use serde_json::{Value, json};
use zeroize::Zeroizing;

const LEASES: u64 = 30_000;
const DAY: u64 = 24 * 3600;
const MONTH: u64 = 30 * DAY;
/// The database is down in the second week.
const OUTAGE: std::ops::Range<u64> = 10 * DAY..11 * DAY;

fn ledger() -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("core-guests");
    let done = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            "wasm32-unknown-unknown",
        ])
        .current_dir(source)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(done.success(), "the guest does not build");
    let module = std::fs::read(target.join("wasm32-unknown-unknown/release/ledger.wasm")).unwrap();
    wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

struct Simulation {
    core: Arc<Core>,
    storage: Arc<MemoryStorage>,
    driver: ClockDriver,
    clock: Clock,
    keys: Vec<Zeroizing<Vec<u8>>>,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let (clock, driver) = Clock::driven(UnixMillis(1_700_000_000_000));
        let random = Random::seeded(seed);
        let storage = Arc::new(MemoryStorage::new());
        let environment = Environment {
            clock: clock.clone(),
            random: random.clone(),
            pod: coffer_runtime::Pod::none(),
        };
        let wasm: &'static [u8] = ledger().leak();
        let ledger = Builtin {
            kind: Kind::Secret,
            name: "ledger",
            version: (1, 0, 0),
            wasm,
            sha256: coffer_runtime::digest(wasm).leak(),
            compiled: b"",
            compiled_sha256: "",
        };
        let engine = Engine::new().unwrap();
        let catalog = Catalog::new(engine, environment, Compiler::Thread, &[ledger]);
        let config = CoreConfig {
            max_lease_ttl: 2 * MONTH,
            ..CoreConfig::default()
        };
        let core = Core::new(
            storage.clone(),
            Arc::new(catalog),
            clock.clone(),
            random,
            config,
        );
        let made = core
            .init(InitConfig::new(1, 1).unwrap(), Some("root"), false)
            .await
            .unwrap();
        core.unseal(made.keys.first().unwrap()).await.unwrap();
        let this = Self {
            core,
            storage,
            driver,
            clock,
            keys: made.keys,
        };
        this.call("sys/mounts/ledger", json!({"type": "ledger"}))
            .await;
        this
    }

    async fn call(&self, path: &str, body: Value) -> Value {
        self.ask(Method::Post, path, &[], body.to_string()).await
    }

    /// How many leases cannot be revoked, and the first of them.
    async fn irrevocable(&self) -> (u64, Value) {
        let query = [("type", "irrevocable"), ("limit", "1")];
        let listed = self
            .ask(Method::Get, "sys/leases", &query, String::new())
            .await;
        let counted = self
            .ask(Method::Get, "sys/leases/count", &query, String::new())
            .await;
        let total = listed["data"]["lease_count"].as_u64().unwrap();
        assert_eq!(counted["data"]["lease_count"], total);
        (total, listed["data"]["leases"][0].clone())
    }

    async fn ask(&self, method: Method, path: &str, query: &[(&str, &str)], body: String) -> Value {
        let query = query
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let response = self
            .core
            .handle(Request {
                method,
                path: path.to_owned(),
                query: query.collect(),
                body: body.into(),
                token: Some(Zeroizing::new("root".to_owned())),
                namespace: String::new(),
                wrap_ttl: None,
                remote: "127.0.0.1:1".parse().unwrap(),
                headers: http::HeaderMap::new(),
                gates: coffer_core::Gates::default(),
            })
            .await;
        let body = match &response.body {
            coffer_core::Body::Lines(_) => panic!("nothing here answers in lines"),
            Body::Empty => Value::Null,
            Body::Json(bytes) | Body::Text(_, bytes) => serde_json::from_slice(bytes).unwrap(),
        };
        assert!(response.status < 300, "{path}: {} {body}", response.status);
        body
    }

    /// Lets everything run that can run now.
    async fn settle(&self) {
        let mut quiet = 0;
        let mut last = self.storage.snapshot().unwrap().index();
        while quiet < 50 {
            tokio::task::yield_now().await;
            let index = self.storage.snapshot().unwrap().index();
            quiet = if index == last { quiet + 1 } else { 0 };
            last = index;
        }
    }

    async fn run_until(&self, end: UnixMillis) {
        loop {
            self.settle().await;
            match self.driver.next_wake() {
                Some(at) if at <= end => self.driver.advance_to(at),
                _ => break,
            }
        }
        self.driver.advance_to(end);
        self.settle().await;
    }

    /// Through the barrier: what the ledger has written.
    async fn ledger(&self) -> Vec<(u64, u64)> {
        let barrier = Barrier::new(self.storage.clone(), Random::system());
        Seal::new(barrier.clone())
            .unseal(self.keys.first().unwrap())
            .await
            .unwrap();
        let mut txn = barrier.begin().unwrap();
        let mut entries = Vec::new();
        let mounts = txn.children("ns/root/data/", None, 10).await.unwrap();
        for mount in mounts {
            for key in txn
                .list(&format!("ns/root/data/{mount}revoked/"), None, 1_000_000)
                .await
                .unwrap()
            {
                let value = txn.get(&key).await.unwrap().unwrap();
                entries.push(serde_json::from_slice(&value).unwrap());
            }
        }
        entries
    }
}

#[tokio::test]
async fn a_month_of_leases() {
    let seed = std::env::var("COFFER_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_260_101);
    println!("seed {seed} (set COFFER_SEED to run it again)");
    let simulation = Simulation::new(seed).await;
    let dice = Random::seeded(seed);
    let start = simulation.clock.now();
    for n in 0..LEASES {
        let roll = u64::from_le_bytes(dice.bytes());
        let group = if roll.is_multiple_of(4) {
            "sick"
        } else {
            "well"
        };
        let ttl = roll / 4 % MONTH + 1;
        simulation
            .call("ledger/issue", json!({"n": n, "ttl": ttl, "group": group}))
            .await;
    }
    simulation.run_until(start.plus_seconds(OUTAGE.start)).await;
    simulation
        .call("ledger/group/sick", json!({"down": true}))
        .await;
    simulation.run_until(start.plus_seconds(OUTAGE.end)).await;
    let (irrevocable, first) = simulation.irrevocable().await;
    assert!(irrevocable > 0, "those that it holds up are told");
    assert!(first["error"].is_string() && first["mount_id"].is_string());
    simulation
        .call("ledger/group/sick", json!({"down": false}))
        .await;
    simulation.run_until(start.plus_seconds(MONTH + DAY)).await;

    assert_eq!(simulation.irrevocable().await.0, 0);
    // The ledger refuses a second revocation, so each entry is one that happened once.
    let ledger = simulation.ledger().await;
    assert_eq!(ledger.len() as u64, LEASES, "every lease is revoked");
    let outage_end = start.plus_seconds(OUTAGE.end).0;
    let mut held_up = 0;
    for (expires, revoked) in ledger {
        assert!(
            revoked >= expires,
            "revoked {} ms before its time",
            expires - revoked
        );
        if revoked > expires + 5_000 {
            held_up += 1;
            let by_outage =
                expires < outage_end && revoked >= outage_end && revoked < outage_end + 90_000;
            assert!(by_outage, "revoked {} s late", (revoked - expires) / 1000);
        }
    }
    println!("{held_up} leases waited for their database");
    assert!(held_up > 100, "the outage held something up");
    let snapshot = simulation.storage.snapshot().unwrap();
    for left in ["ns/root/lease/", "ns/root/owned/", "due/"] {
        assert!(
            snapshot.list(left, None, 1).await.unwrap().is_empty(),
            "nothing is left at {left}"
        );
    }
}
