//! What this crate's tests and its bench share: the guests, and a barrier over memory to run them on.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

pub mod database;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use coffer_barrier::{Barrier, InitConfig, Seal, Transaction};
use coffer_clock::{Clock, Random, UnixMillis};
use coffer_manifest::KeyOperation;
pub use coffer_manifest::Kind;
use coffer_runtime::{
    Builtin, Caller, Catalog, Compiler, Component, DatabasePools, Effects, EffectsError, Engine,
    Environment, LeaseGrant, LeaseRequest, MountContext, MountInfo, Operation, Outcome, Plugins,
    Pod, Request, RequestCaller, Response, Wanted, digest,
};
use coffer_storage::MemoryStorage;

/// A guest of `tests/guests`, built from source, as a component.
pub fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let done = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--locked",
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
        assert!(done.success(), "the guests do not build");
        target.join("wasm32-unknown-unknown/release")
    });
    component(&std::fs::read(folder.join(format!("guest_{name}.wasm"))).unwrap())
}

/// A component out of a core module that says which world it is for.
pub fn component(module: &[u8]) -> Vec<u8> {
    wit_component::ComponentEncoder::default()
        .module(module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

/// The runtime, over a barrier in memory.
pub struct Fixture {
    pub barrier: Arc<Barrier>,
    pub catalog: Arc<Catalog>,
    pub plugins: Plugins,
    pub plugin: Arc<Component>,
}

/// The guests compiled ahead of time, and the one engine of the process: each reserves a lot of address space.
fn shared() -> &'static (Engine, [Builtin; 2]) {
    static SHARED: OnceLock<(Engine, [Builtin; 2])> = OnceLock::new();
    SHARED.get_or_init(|| {
        let engine = Engine::new().unwrap();
        let compiled = |mut builtin: Builtin| {
            builtin.compiled = engine.precompile(builtin.wasm).unwrap().leak();
            builtin.compiled_sha256 = digest(builtin.compiled).leak();
            builtin
        };
        let builtins = [
            compiled(builtin(Kind::Secret, "guest", guest("plugin"))),
            compiled(builtin(Kind::Database, "backend", guest("backend"))),
        ];
        (engine, builtins)
    })
}

/// A component under a name, compiled when it is needed.
pub fn builtin(kind: Kind, name: &'static str, wasm: Vec<u8>) -> Builtin {
    let wasm: &'static [u8] = wasm.leak();
    Builtin {
        kind,
        name,
        version: (1, 2, 3),
        wasm,
        sha256: digest(wasm).leak(),
        compiled: b"",
        compiled_sha256: "",
    }
}

pub fn wanted(kind: Kind, name: &str) -> Wanted<'_> {
    Wanted {
        kind,
        name,
        version: "",
    }
}

pub async fn fixture() -> Fixture {
    fixture_with(&[]).await
}

/// With more components.
pub async fn fixture_with(more: &[Builtin]) -> Fixture {
    let (clock, random) = (Clock::system(), Random::system());
    let barrier = Barrier::new(Arc::new(MemoryStorage::new()), random.clone());
    let seal = Seal::new(barrier.clone());
    let keys = seal
        .init(InitConfig::new(1, 1).unwrap(), UnixMillis(0), |_| {})
        .await
        .unwrap();
    seal.unseal(keys.first().unwrap()).await.unwrap();
    let (engine, builtins) = shared();
    let catalog = Arc::new(Catalog::new(
        engine.clone(),
        Environment {
            clock,
            random,
            pod: Pod::none(),
        },
        Compiler::Thread,
        &[builtins, more].concat(),
    ));
    let (_, plugin) = catalog.get(wanted(Kind::Secret, "guest")).await.unwrap();
    let plugins = Plugins::new(Arc::new(DatabasePools::new(catalog.clone())));
    Fixture {
        barrier,
        catalog,
        plugins,
        plugin,
    }
}

pub fn mount(id: &str) -> MountContext {
    MountContext {
        id: id.into(),
        storage_prefix: format!("ns/root/mount/{id}/"),
        keys_prefix: format!("ns/root/mount/{id}.keys/"),
        connections_prefix: format!("ns/root/connection/{id}/"),
        info: MountInfo {
            path: format!("{id}/"),
            accessor: format!("guest_{id}"),
            default_lease_ttl: 3600,
            max_lease_ttl: 7200,
            options: r#"{"version":"2"}"#.to_owned(),
        },
        deadline: Duration::from_secs(10),
        memory: coffer_runtime::MEMORY,
        response: coffer_runtime::RESPONSE,
        concurrency: coffer_runtime::CALLS_PER_MOUNT,
        connections: coffer_runtime::MAX_CONNECTIONS,
        meter: None,
        key_operations: KeyOperation::ALL.into(),
        pod: false,
        figures: Arc::default(),
        grants: Arc::default(),
        passwords: Arc::new(OnePolicy),
    }
}

/// Knows the policy `letters`, by which every password is `abc`.
struct OnePolicy;

#[async_trait::async_trait]
impl coffer_runtime::Passwords for OnePolicy {
    async fn generate(
        &self,
        _: &mut Transaction,
        policy: &str,
    ) -> Result<String, coffer_runtime::PasswordError> {
        match policy {
            "letters" => Ok("abc".to_owned()),
            _ => Err(coffer_runtime::PasswordError::NoPolicy),
        }
    }
}

pub fn request(path: &str, data: serde_json::Value) -> Request {
    let caller = RequestCaller {
        display_name: String::new(),
        token: String::new(),
        remote_address: "127.0.0.1".to_owned(),
    };
    Request {
        operation: Operation::Write,
        path: path.to_owned(),
        data: data.to_string(),
        caller,
    }
}

pub fn token(name: &str) -> Caller {
    Caller::Token(name.into())
}

/// Grants what is asked for, and writes the lease beside what the plugin wrote.
pub struct Granting;

#[async_trait]
impl Effects for Granting {
    async fn prepare(
        &self,
        txn: &mut Transaction,
        lease: Option<LeaseRequest>,
    ) -> Result<Option<LeaseGrant>, EffectsError> {
        let grant = lease.map(|lease| {
            txn.put("leases/1", lease.internal.into_bytes());
            LeaseGrant {
                lease_id: "lease-1".to_owned(),
                ttl: lease.ttl,
                expires: 1000,
                renewable: lease.renewable,
            }
        });
        txn.commit_and_continue()
            .await
            .map_err(EffectsError::Barrier)?;
        Ok(grant)
    }

    async fn withdraw(&self, lease_id: &str) -> Result<(), String> {
        assert_eq!(lease_id, "lease-1");
        Ok(())
    }
}

impl Fixture {
    pub fn catalog_of(&self, builtins: &[Builtin]) -> Catalog {
        let environment = Environment {
            clock: Clock::system(),
            random: Random::system(),
            pod: Pod::none(),
        };
        Catalog::new(shared().0.clone(), environment, Compiler::Thread, builtins)
    }

    pub async fn call(
        &self,
        mount: &Arc<MountContext>,
        caller: Caller,
        path: &str,
        data: serde_json::Value,
    ) -> Outcome<Response> {
        let txn = self.barrier.begin().unwrap();
        self.plugins
            .handle(
                &self.plugin,
                mount,
                caller,
                txn,
                Arc::new(Granting),
                request(path, data),
            )
            .await
    }

    /// What a call answers, its writes committed; or its error, in words.
    pub async fn ask(
        &self,
        mount: &Arc<MountContext>,
        caller: Caller,
        path: &str,
        data: serde_json::Value,
    ) -> Result<serde_json::Value, String> {
        let outcome = self.call(mount, caller, path, data).await;
        match outcome.result {
            Ok(Ok(response)) => {
                outcome
                    .txn
                    .expect("a transaction")
                    .commit()
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(response.data.map_or(serde_json::Value::Null, |data| {
                    serde_json::from_str(data.get()).unwrap()
                }))
            }
            Ok(Err(error)) => Err(format!("{:?}: {}", error.kind, error.message)),
            Err(error) => Err(error.to_string()),
        }
    }

    pub async fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.barrier
            .begin()
            .unwrap()
            .get(key)
            .await
            .unwrap()
            .map(|value| value.to_vec())
    }
}

/// Processor time of this process, user and system.
pub fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
