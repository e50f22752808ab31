//! One host of a test: a mount of the component, on its own clock and dice.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_barrier::{Barrier, InitConfig, Seal, Transaction};
use coffer_clock::{Clock, Random, UnixMillis};
use coffer_runtime::{
    Caller, Catalog, Compiler, Component, DatabasePools, DatabaseTarget, Effects, EffectsError,
    Environment, LeaseGrant, LeaseRequest, MountContext, Outcome, PasswordError, Passwords,
    Plugins, Pod, Registered, Release, Releases, Response, Versions,
};
use coffer_storage::MemoryStorage;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::outside::{Answered, Noted, Test};
use super::wire::{Answer, Call, Done, Run, Said, Stored};
use super::{HarnessError, Subject};

/// What the keys of the mount start with.
const PREFIX: &str = "mount/";
/// What the names of the keys start with that the host holds for it.
const KEYS: &str = "keys/";

/// A component, ready to be called.
pub struct Session {
    id: u64,
    test: Arc<Test>,
    component: Arc<Component>,
    release: Release,
    plugins: Plugins,
    databases: Arc<DatabasePools>,
}

impl Session {
    pub async fn start(
        subject: &Subject,
        id: u64,
        now: u64,
        seed: u64,
        answers: mpsc::UnboundedReceiver<Answered>,
    ) -> Result<Self, HarnessError> {
        let (clock, driver) = Clock::driven(UnixMillis(now));
        let random = Random::seeded(seed);
        // The native host counts its blocks from one: from here on both draw the same.
        random.bytes::<32>();
        let test = Arc::new(Test::new(id, driver, answers));
        let catalog = Catalog::new(
            subject.engine.clone(),
            Environment {
                clock,
                random,
                pod: Pod::none(),
            },
            Compiler::Thread,
            &[],
        )
        .with_outside(test.clone());
        catalog.attach(subject.store.clone());
        catalog.publish(releases(&subject.release));
        let catalog = Arc::new(catalog);
        // The first one compiles it, and the others wait for that.
        let turn = subject.loading.lock().await;
        let component = catalog.load(&subject.release).await;
        drop(turn);
        let databases = Arc::new(DatabasePools::new(catalog));
        Ok(Self {
            id,
            test,
            component: component.map_err(|error| HarnessError::Load(error.to_string()))?,
            release: subject.release.clone(),
            plugins: Plugins::new(databases.clone()),
            databases,
        })
    }

    /// Runs a call, and says how it ended.
    pub async fn call(&self, now: u64, call: Call) -> Result<(), HarnessError> {
        self.test.set_time(now);
        let Call {
            mount,
            storage,
            keys,
            faults,
            run,
        } = call;
        *self.test.noted() = Noted {
            faults,
            ..Noted::default()
        };
        let barrier = barrier(storage, keys).await?;
        let granted = &self.release.granted;
        let mount = Arc::new(MountContext {
            id: self.id.to_string().into(),
            storage_prefix: PREFIX.to_owned(),
            keys_prefix: KEYS.to_owned(),
            connections_prefix: "connection/".to_owned(),
            info: mount,
            deadline: granted
                .deadline
                .map_or(coffer_runtime::DEADLINE, std::time::Duration::from_secs),
            memory: granted
                .memory
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(coffer_runtime::MEMORY),
            response: coffer_runtime::RESPONSE,
            concurrency: coffer_runtime::CALLS_PER_MOUNT,
            connections: coffer_runtime::MAX_CONNECTIONS,
            meter: None,
            key_operations: granted.keys.clone(),
            pod: granted.pod,
            figures: Arc::default(),
            grants: Arc::default(),
            passwords: Arc::new(TestPasswords(self.test.clone())),
        });
        let answer = self.run(&barrier, &mount, run).await?;
        let storage = stored(&barrier, PREFIX).await?;
        let keys = stored(&barrier, KEYS).await?;
        let Noted { gets, faults, log } = std::mem::take(&mut *self.test.noted());
        self.test.say(Said::Done(Box::new(Done {
            answer,
            storage,
            keys,
            gets,
            faults,
            log,
        })));
        Ok(())
    }

    async fn run(
        &self,
        barrier: &Arc<Barrier>,
        mount: &Arc<MountContext>,
        run: Run,
    ) -> Result<Answer, HarnessError> {
        let (plugins, component) = (&self.plugins, &self.component);
        let txn = barrier.begin()?;
        let token = |request: &coffer_runtime::Request| match request.caller.token.as_str() {
            "" => Caller::Anonymous,
            token => Caller::Token(token.into()),
        };
        match run {
            Run::Backend {
                connection,
                config,
                call,
            } => {
                let on = self.connection(connection, config);
                Ok(match self.databases.ask(mount, on, call).await {
                    Ok(answer) => Answer::Answered(answer),
                    Err(error) => Answer::Refused(error),
                })
            }
            Run::Close { connection } => {
                self.databases.close(&mount.id, &connection);
                Ok(Answer::Answered(Value::Null))
            }
            _ if component.plugin().is_none() => Ok(Answer::Ended(
                "it is a database backend, which has no paths".to_owned(),
            )),
            Run::Handle(request) => {
                let caller = token(&request);
                let effects = Arc::new(Leases {
                    barrier: barrier.clone(),
                    test: self.test.clone(),
                });
                let done = plugins
                    .handle(component, mount, caller, txn, effects, request)
                    .await;
                finish(done, plain).await
            }
            Run::Exists(request) => {
                let caller = token(&request);
                finish(
                    plugins.exists(component, mount, caller, txn, request).await,
                    same,
                )
                .await
            }
            Run::Renew(lease, increment) => {
                finish(
                    plugins.renew(component, mount, txn, lease, increment).await,
                    same,
                )
                .await
            }
            Run::Revoke(lease) => {
                finish(plugins.revoke(component, mount, txn, lease).await, same).await
            }
            Run::Tick => finish(plugins.tick(component, mount, txn).await, same).await,
        }
    }

    /// A value of a backend is one connection.
    fn connection(&self, name: String, config: String) -> DatabaseTarget {
        DatabaseTarget {
            name,
            plugin: self.release.name.to_string(),
            version: String::new(),
            config,
            max_connections: 1,
            max_lifetime: 0,
        }
    }
}

/// The component as what is registered: connections find their backend there.
fn releases(release: &Release) -> Releases {
    let registered = Registered {
        sha256: release.sha256.clone(),
        granted: release.granted.clone(),
        refused: None,
    };
    let versions = Versions {
        in_force: Some(release.version.clone()),
        all: [(release.version.clone(), registered)].into(),
    };
    [((release.kind, release.name.to_string()), versions)].into()
}

fn same<T: Serialize>(value: T) -> Result<Value, HarnessError> {
    Ok(serde_json::to_value(value)?)
}

/// A response as the contract has it: the data is text, every digit of it.
fn plain(response: Response) -> Result<Value, HarnessError> {
    Ok(json!({
        "status": response.status,
        "data": response.data.map(|data| data.get().to_owned()),
        "warnings": response.warnings,
        "auth": response.auth,
        "ttl": response.ttl,
    }))
}

/// Commits what a call that succeeded has written, as the core does.
async fn finish<T>(
    outcome: Outcome<T>,
    value: impl FnOnce(T) -> Result<Value, HarnessError>,
) -> Result<Answer, HarnessError> {
    Ok(match outcome.result {
        Ok(Ok(answer)) => {
            if let Some(txn) = outcome.txn {
                txn.commit().await?;
            }
            Answer::Answered(value(answer)?)
        }
        Ok(Err(error)) => Answer::Refused(error),
        Err(error) => Answer::Ended(error.to_string()),
    })
}

/// A barrier over memory that has this in the mount.
async fn barrier(storage: Stored, held: Stored) -> Result<Arc<Barrier>, HarnessError> {
    let barrier = Barrier::new(Arc::new(MemoryStorage::new()), Random::system());
    let seal = Seal::new(barrier.clone());
    let keys = seal
        .init(InitConfig::new(1, 1)?, UnixMillis(0), |_| {})
        .await?;
    for key in &keys {
        seal.unseal(key).await?;
    }
    let mut txn = barrier.begin()?;
    for (prefix, all) in [(PREFIX, storage), (KEYS, held)] {
        for (key, value) in all {
            txn.put([prefix, &key].concat(), value);
        }
    }
    txn.commit().await?;
    Ok(barrier)
}

async fn stored(barrier: &Barrier, prefix: &str) -> Result<Stored, HarnessError> {
    let mut txn = barrier.begin()?;
    let mut stored = Vec::new();
    for key in txn.list(prefix, None, usize::MAX).await? {
        if let (Some(value), Some(name)) = (txn.get(&key).await?, key.strip_prefix(prefix)) {
            stored.push((name.to_owned(), value.to_vec()));
        }
    }
    Ok(stored)
}

/// Password policies are the test's.
struct TestPasswords(Arc<Test>);

#[async_trait]
impl Passwords for TestPasswords {
    async fn generate(&self, _: &mut Transaction, policy: &str) -> Result<String, PasswordError> {
        let ask = json!({"ask": "password", "with": {"policy": policy}});
        let made = self.0.ask(ask).await.map_err(|_| PasswordError::NoPolicy)?;
        serde_json::from_value(made).map_err(|error| PasswordError::Invalid(error.to_string()))
    }
}

/// Leases are the test's: it sees them with what storage holds when they are made.
struct Leases {
    barrier: Arc<Barrier>,
    test: Arc<Test>,
}

#[async_trait]
impl Effects for Leases {
    async fn prepare(
        &self,
        txn: &mut Transaction,
        lease: Option<LeaseRequest>,
    ) -> Result<Option<LeaseGrant>, EffectsError> {
        txn.commit_and_continue()
            .await
            .map_err(EffectsError::Barrier)?;
        let refused = |reason: String| EffectsError::Refused(reason);
        let kept = async |prefix| {
            let kept = stored(&self.barrier, prefix).await;
            kept.map_err(|error| refused(error.to_string()))
        };
        let (storage, keys) = (kept(PREFIX).await?, kept(KEYS).await?);
        let ask =
            json!({"ask": "prepare", "with": {"lease": lease, "storage": storage, "keys": keys}});
        let granted = self.test.ask(ask).await;
        let granted = granted.map_err(|error| refused(error.message))?;
        serde_json::from_value(granted).map_err(|error| refused(error.to_string()))
    }

    async fn request_header(&self, name: &str) -> Vec<String> {
        let ask = json!({"ask": "request_header", "with": {"name": name}});
        let values = self.test.ask(ask).await.unwrap_or_default();
        serde_json::from_value(values).unwrap_or_default()
    }

    async fn respond_with_header(&self, name: &str, value: &str) -> Result<(), String> {
        let ask = json!({"ask": "respond_with_header", "with": {"name": name, "value": value}});
        self.test
            .ask(ask)
            .await
            .map(drop)
            .map_err(|error| error.message)
    }

    async fn login_groups(&self, names: Vec<String>) -> Result<(), String> {
        let ask = json!({"ask": "login_groups", "with": {"names": names}});
        self.test
            .ask(ask)
            .await
            .map(drop)
            .map_err(|error| error.message)
    }

    async fn respond_with(&self, content_type: &str, body: Vec<u8>) -> Result<(), String> {
        let with = json!({"content_type": content_type, "body": body});
        self.test
            .ask(json!({"ask": "respond_with", "with": with}))
            .await
            .map(drop)
            .map_err(|error| error.message)
    }

    async fn withdraw(&self, _: &str) -> Result<(), String> {
        let ask = json!({"ask": "withdraw"});
        self.test
            .ask(ask)
            .await
            .map(drop)
            .map_err(|error| error.message)
    }
}
