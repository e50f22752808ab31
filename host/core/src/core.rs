//! The parts, put together; and the life of the whole: sealed, initialised, unsealed, sealed again.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use coffer_barrier::{Barrier, BarrierError, InitConfig, Seal, SealStatus, Transaction};
use coffer_clock::{Clock, Random};
use coffer_runtime::{Catalog, DatabasePools, Plugins};
use coffer_storage::Storage;
use serde_json::{Map, Value};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::audit::{Audit, AuditConfig};
use crate::catalog::{CatalogConfig, PluginCatalog};
use crate::cluster::Cluster;
use crate::identity::Identity;
use crate::keys::ROOT_NS;
use crate::lease::{InFlight, Reaper};
use crate::lockout::{LockoutDefaults, Lockouts};
use crate::mount::{Counted, Mount, MountLoader, Router, RoutingTable};
use crate::policy_store::Policies;
use crate::rekey::Rekey;
use crate::root_generation::RootGeneration;
use crate::token::Tokens;
use crate::under_way::UnderWay;
use crate::{Error, audit, limits, rotation, sys};

/// What a server is configured with. Times in seconds.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Lease time where neither mount nor role says otherwise.
    pub default_lease_ttl: u64,
    /// The longest lease.
    pub max_lease_ttl: u64,
    /// How clients reach this server.
    pub api_addr: String,
    /// Where plugins may come from.
    pub catalog: CatalogConfig,
    /// Where audit devices may write.
    pub audit: AuditConfig,
    /// What locks out who fails to log in too often, where a mount says nothing.
    pub user_lockout: LockoutDefaults,
    /// The cluster's name; None has one made.
    pub cluster_name: Option<String>,
    /// The server's log, if it can be had.
    pub loggers: Option<Arc<dyn sys::Loggers>>,
    /// Whether `sys/raw` shows what is stored.
    pub raw_storage: bool,
    /// Whether `sys/internal/inspect` shows what the router knows.
    pub introspection: bool,
    /// The server's configuration as it may be shown: an object without secrets.
    pub sanitized: Map<String, Value>,
    /// The product's version, as the API tells it.
    pub version: &'static str,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            default_lease_ttl: limits::DEFAULT_LEASE_TTL,
            max_lease_ttl: limits::DEFAULT_LEASE_TTL,
            api_addr: String::new(),
            catalog: CatalogConfig::default(),
            audit: AuditConfig::default(),
            user_lockout: LockoutDefaults::new(),
            cluster_name: None,
            loggers: None,
            raw_storage: false,
            introspection: false,
            sanitized: Map::new(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What `init` hands out, once.
pub struct Initialized {
    /// The key shares.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
    /// The first token.
    pub root_token: Zeroizing<String>,
}

/// The control plane.
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) barrier: Arc<Barrier>,
    pub(crate) seal: Seal,
    pub(crate) catalog: Arc<PluginCatalog>,
    pub(crate) plugins: Plugins,
    pub(crate) audit: Audit,
    pub(crate) tokens: Tokens,
    pub(crate) policies: Policies,
    pub(crate) identity: Identity,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) under_way: UnderWay,
    pub(crate) mounts_changed: Arc<Notify>,
    /// How many requests there were.
    pub(crate) requests: AtomicU64,
    router: Arc<Router>,
    loader: MountLoader,
    reaper: Arc<Reaper>,
    /// What runs while the barrier is open.
    background: Mutex<JoinSet<()>>,
    queues: Vec<Arc<Semaphore>>,
    hasher: RandomState,
    /// How often the barrier was closed.
    pub(crate) seals: watch::Sender<u64>,
    pub(crate) cluster: ArcSwapOption<Cluster>,
    pub(crate) lockouts: Lockouts,
    /// Held by whoever tidies.
    pub(crate) tidying: Arc<Semaphore>,
    rekey: Mutex<Option<Rekey>>,
    root_generation: Mutex<Option<RootGeneration>>,
}

impl Core {
    /// A sealed control plane over a storage.
    pub fn new(
        storage: Arc<dyn Storage>,
        catalog: Arc<Catalog>,
        clock: Clock,
        random: Random,
        config: CoreConfig,
    ) -> Arc<Self> {
        let barrier = Barrier::new(storage.clone(), random.clone());
        let (router, reaper) = (Router::new(), Reaper::new());
        let (watching, waking) = (router.clone(), reaper.clone());
        let mounts_changed = Arc::new(Notify::new());
        let changed = mounts_changed.clone();
        storage.subscribe(Arc::new(move |change| {
            if watching.observe(change) {
                changed.notify_one();
            }
            waking.observe(change);
        }));
        let runtime = catalog;
        let catalog = Arc::new(PluginCatalog::new(
            config.catalog.clone(),
            barrier.clone(),
            runtime.clone(),
        ));
        let loader = MountLoader {
            plugins: catalog.clone(),
            default_lease_ttl: config.default_lease_ttl,
            max_lease_ttl: config.max_lease_ttl,
            random: random.clone(),
            counted: Counted::default(),
        };
        Arc::new(Self {
            seal: Seal::new(barrier.clone()),
            audit: Audit::new(config.audit.clone(), &barrier),
            tokens: Tokens::new(&barrier, random.clone()),
            policies: Policies::new(&barrier),
            identity: Identity::new(&barrier),
            plugins: Plugins::new(Arc::new(DatabasePools::new(runtime))),
            in_flight: Arc::default(),
            under_way: UnderWay::default(),
            mounts_changed,
            requests: AtomicU64::new(0),
            queues: std::iter::repeat_with(|| Arc::new(Semaphore::new(1)))
                .take(limits::CONFLICT_QUEUES)
                .collect(),
            hasher: RandomState::new(),
            seals: watch::Sender::new(0),
            cluster: ArcSwapOption::empty(),
            background: Mutex::default(),
            lockouts: Lockouts::default(),
            tidying: Arc::new(Semaphore::new(1)),
            rekey: Mutex::default(),
            root_generation: Mutex::default(),
            config,
            clock,
            random,
            barrier,
            catalog,
            router,
            loader,
            reaper,
        })
    }

    /// How far unsealing is.
    pub async fn seal_status(&self) -> Result<SealStatus, Error> {
        Ok(self.seal.status().await?)
    }

    /// Makes the keys, the first token, the default policy and the host's own mounts, all in one commit. With `kv` a KV
    /// version 2 engine is mounted at `secret/`, as a development server has it.
    ///
    /// # Errors
    /// If it was done before.
    pub async fn init(
        &self,
        config: InitConfig,
        root_token: Option<&str>,
        kv: bool,
    ) -> Result<Initialized, Error> {
        let now = self.clock.now();
        let root_token = root_token.map_or_else(
            || self.tokens.new_id(now),
            |id| Zeroizing::new(id.to_owned()),
        );
        let keys = self
            .seal
            .init(config, now, |txn| {
                sys::initialize(txn, &self.random, now, &root_token, kv);
            })
            .await?;
        Ok(Initialized { keys, root_token })
    }

    /// Gives a key share; with the last one the control plane starts to work.
    pub async fn unseal(self: &Arc<Self>, share: &[u8]) -> Result<SealStatus, Error> {
        let was_sealed = self.barrier.is_sealed();
        let status = self.seal.unseal(share).await?;
        if was_sealed
            && !status.sealed
            && let Err(error) = self.start().await
        {
            tracing::error!(%error, "unsealed, but it cannot start: sealed again");
            self.seal();
            return Err(error);
        }
        Ok(status)
    }

    /// Starts what runs while the barrier is open; once, also if two have opened it at the same time.
    async fn start(self: &Arc<Self>) -> Result<(), Error> {
        let mut txn = self.barrier.begin()?;
        self.tokens.unseal(&mut txn).await?;
        let cluster = Cluster::load(self).await?;
        self.cluster.store(Some(Arc::new(cluster)));
        sys::complete(self).await?;
        audit::configure(self).await?;
        let mut background = self
            .background
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if background.is_empty() && !self.barrier.is_sealed() {
            background.spawn(self.reaper.clone().run(self.clone()));
            background.spawn(crate::invoke::tick_all(self.clone()));
            background.spawn(crate::invoke::reload_unavailable(self.clone()));
            background.spawn(crate::invoke::sweep(self.clone()));
            background.spawn(rotation::run(self.clone()));
        }
        Ok(())
    }

    /// Has a mount loaded anew.
    pub(crate) fn forget_mount(&self, uuid: &str) {
        self.router.forget(uuid);
    }

    /// Forgets the keys and stops everything.
    pub fn seal(&self) {
        self.seal.seal();
        // Requests under way end here.
        self.seals.send_modify(|seals| *seals += 1);
        self.cluster.store(None);
        self.lockouts.clear();
        *self.rekey() = None;
        *self.root_generation() = None;
        // Dropping the set ends its tasks.
        drop(std::mem::take(
            &mut *self
                .background
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        ));
        self.audit.seal();
        self.tokens.seal();
        self.policies.seal();
        self.identity.seal();
        self.router.seal();
        self.plugins.clear();
    }

    pub(crate) fn rekey(&self) -> MutexGuard<'_, Option<Rekey>> {
        self.rekey.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn root_generation(&self) -> MutexGuard<'_, Option<RootGeneration>> {
        let generation = self.root_generation.lock();
        generation.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has audit devices open their files anew.
    pub fn reopen_audit_files(&self) {
        self.audit.reopen();
    }

    /// Waits until storage has failed for good, and says why.
    pub async fn storage_failed(&self) -> String {
        self.barrier.storage().failed().await
    }

    /// The mounts, as this transaction sees them or newer.
    pub(crate) async fn mounts(&self, txn: &mut Transaction) -> Result<Arc<RoutingTable>, Error> {
        self.router.table(txn, &self.loader).await
    }

    /// The namespace of a request. There is only the root one yet.
    pub(crate) fn namespace(name: &str) -> Result<&'static str, Error> {
        match name.trim_matches('/') {
            "" | "root" => Ok(ROOT_NS),
            other => Err(Error::NotFound(format!(
                "namespace {other:?} does not exist"
            ))),
        }
    }

    /// Runs `work` in a transaction, which it gives back, until that commits. It must not touch anything outside.
    pub(crate) async fn transact<T, F>(
        &self,
        mut work: impl FnMut(Transaction) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<(T, Transaction), Error>> + Send,
    {
        let mut turn = Turn::default();
        loop {
            let lost = match work(self.barrier.begin()?).await {
                Ok((value, txn)) => match txn.commit().await {
                    Ok(_) => return Ok(value),
                    Err(BarrierError::Conflict { key }) => key,
                    Err(error) => return Err(error.into()),
                },
                Err(Error::Conflict(key)) => key,
                Err(error) => return Err(error),
            };
            turn.lost(self, lost).await?;
        }
    }

    /// The mount of the token store.
    pub(crate) async fn token_mount(&self, txn: &mut Transaction) -> Result<Arc<Mount>, Error> {
        let table = self.mounts(txn).await?;
        let found = table.route("auth/token/create");
        found
            .map(|(mount, _)| mount.clone())
            .ok_or_else(|| Error::NoRoute("auth/token/".to_owned()))
    }

    fn queue(&self, key: &str) -> Option<Arc<Semaphore>> {
        let at = self.hasher.hash_one(key) % limits::CONFLICT_QUEUES as u64;
        self.queues.get(usize::try_from(at).ok()?).cloned()
    }
}

/// A request's attempts to win. Those that keep losing over the same key stand in line for it.
#[derive(Default)]
pub(crate) struct Turn {
    attempts: u32,
    place: Option<(String, OwnedSemaphorePermit)>,
}

impl Turn {
    /// Notes a lost race; returns when it makes sense to try again.
    pub(crate) async fn lost(&mut self, core: &Core, key: String) -> Result<(), Error> {
        self.attempts += 1;
        if self.attempts >= limits::MAX_ATTEMPTS {
            return Err(Error::Conflict(key));
        }
        let queued_elsewhere = self.place.as_ref().is_none_or(|(have, _)| *have != key);
        if self.attempts >= limits::ATTEMPTS_BEFORE_QUEUE && queued_elsewhere {
            // Out of the old line first: nobody holds one place while waiting for another.
            self.place = None;
            if let Some(queue) = core.queue(&key)
                && let Ok(permit) = queue.acquire_owned().await
            {
                self.place = Some((key, permit));
            }
        }
        Ok(())
    }
}
