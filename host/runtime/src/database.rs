//! Database connections: instances of database backends, pooled by mount and connection name.
//!
//! An instance *is* a connection. It is opened with the connection's configuration, serves one call at a time, and is
//! dropped when it says that its database is unavailable, when it traps or is cut off, and when it gets old. When the
//! configuration changes a new pool takes the place of the old one, whose instances end with the calls they serve.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coffer_manifest::Kind as PluginKind;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;
use zeroize::Zeroize;

use crate::bindings::database::Database;
use crate::bindings::database::exports::coffer::plugin::backend::{self, Guest};
use crate::bindings::plugin::coffer::plugin::databases::Target;
use crate::component::{Component, Kind};
use crate::egress::Grants;
use crate::error::plugin_error;
use crate::figures::{CallKind, Figures, Live};
use crate::plugin::MountContext;
use crate::release::{Release, Wanted};
use crate::state::State;
use crate::{CallError, Catalog, ErrorKind, LoadError, PluginError, limits};

type CallFuture<'a, R> =
    Pin<Box<dyn Future<Output = wasmtime::Result<Result<R, PluginError>>> + Send + 'a>>;

type Run<R> = dyn for<'a> FnOnce(&'a Guest, &'a mut Store<State>) -> CallFuture<'a, R> + Send;

/// A call into a backend.
pub(crate) struct DatabaseCall<R> {
    pub run: Box<Run<R>>,
    /// Whether it talks to the database; else it need not wait for a connection to be free.
    pub connects: bool,
}

/// Makes one that talks to the database.
pub(crate) fn call<R>(
    run: impl for<'a> FnOnce(&'a Guest, &'a mut Store<State>) -> CallFuture<'a, R> + Send + 'static,
) -> DatabaseCall<R> {
    DatabaseCall {
        run: Box::new(run),
        connects: true,
    }
}

/// A mount and the name of one of its connections.
type Key = (Arc<str>, String);

/// Which plugin a connection uses, as it is stored under [`MountContext::connections_prefix`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseUse {
    /// The connection's name.
    pub connection: String,
    /// The plugin's name in the catalog.
    pub plugin: String,
    /// Its version; empty for the one in force.
    pub version: String,
}

/// The pools of all mounts.
pub struct DatabasePools {
    catalog: Arc<Catalog>,
    pools: Mutex<Pools>,
    instances: Arc<Semaphore>,
}

#[derive(Default)]
struct Pools {
    by_key: HashMap<Key, Arc<Pool>>,
    /// How often some were removed: a pool that was begun before is for the call that made it, and for no other.
    era: u64,
}

struct Pool {
    /// The mount that it is for.
    mount: Arc<MountContext>,
    target: Target,
    release: Release,
    component: Arc<Component>,
    grants: Arc<Grants>,
    /// The most recently used one last.
    idle: Mutex<Vec<Connection>>,
    size: u32,
    places: Semaphore,
    /// Room for those who wait for a place as long as they can.
    queue: Semaphore,
    /// When a place was last taken.
    moved: Mutex<Instant>,
    figures: Arc<Figures>,
}

/// A database that has connections, or had some a moment ago.
pub struct DatabaseFigures {
    /// The id of its mount.
    pub mount: Arc<str>,
    /// The connection's name.
    pub connection: String,
    /// Its plugin's.
    pub plugin: Arc<str>,
    /// The version that runs.
    pub version: String,
    /// What is counted of it.
    pub figures: Arc<Figures>,
}

struct Connection {
    store: Store<State>,
    database: Database,
    opened: Instant,
    used: Instant,
    live: Live,
    // After the store: only then is there room for another.
    _instance: OwnedSemaphorePermit,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(message: String) -> PluginError {
    plugin_error(ErrorKind::Unavailable, message)
}

fn described(component: &Component) -> Result<&backend::Description, PluginError> {
    component.backend().ok_or_else(|| {
        let message = format!("plugin {:?} is not a database plugin", component.name);
        plugin_error(ErrorKind::InvalidRequest, message)
    })
}

fn same(a: &Target, b: &Target) -> bool {
    a.plugin == b.plugin
        && a.version == b.version
        && a.config == b.config
        && a.max_connections == b.max_connections
        && a.max_lifetime == b.max_lifetime
}

impl DatabasePools {
    /// With no connection yet.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        let instances = Arc::new(Semaphore::new(limits::BACKENDS as usize));
        Self {
            catalog,
            pools: Mutex::default(),
            instances,
        }
    }

    /// Runs a call on a connection to the target. Ends before the deadline of the call that it is part of, so that the
    /// plugin can say that the database is at fault.
    pub(crate) async fn call<R>(
        &self,
        mount: &Arc<MountContext>,
        deadline: Instant,
        target: Target,
        call: DatabaseCall<R>,
    ) -> Result<R, PluginError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let patience = left.saturating_sub(limits::DATABASE_MARGIN.min(left / 4));
        let until = Instant::now() + patience;
        let name = target.name.clone();
        match timeout_at(until, self.run(mount, until, target, call)).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable(format!(
                "database {name:?} has not answered for {} ms",
                patience.as_millis()
            ))),
        }
    }

    async fn run<R>(
        &self,
        mount: &Arc<MountContext>,
        until: Instant,
        target: Target,
        call: DatabaseCall<R>,
    ) -> Result<R, PluginError> {
        let pool = self.pool(mount, target).await?;
        let place = if call.connects {
            Some(pool.place(until).await?)
        } else {
            pool.places.try_acquire().ok()
        };
        let kept = if place.is_some() { pool.take() } else { None };
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open(mount, &pool).await?,
        };
        let Connection {
            store, database, ..
        } = &mut connection;
        store.set_epoch_deadline(1);
        store.data_mut().begin();
        let begun = std::time::Instant::now();
        let call = (call.run)(database.coffer_plugin_backend(), store);
        let result = pool.figures.busy(call).await;
        connection.live.takes(connection.store.data().memory.used);
        let result = result.map_err(|error| connection.store.data_mut().failed(&error));
        pool.figures.called(CallKind::Database, begun, &result);
        match result {
            Ok(answer) => {
                // After `unavailable` the connection is in doubt: the next call gets another.
                let doubt = matches!(&answer, Err(error) if error.kind == ErrorKind::Unavailable);
                // Without a place it was one too many, and without a free instance somebody waits for one.
                if !doubt && place.is_some() && self.instances.available_permits() > 0 {
                    connection.used = Instant::now();
                    lock(&pool.idle).push(connection);
                }
                answer
            }
            Err(error) => Err(pool.ended(&error)),
        }
    }

    async fn pool(
        &self,
        mount: &Arc<MountContext>,
        target: Target,
    ) -> Result<Arc<Pool>, PluginError> {
        let key = (mount.id.clone(), target.name.clone());
        let release = self.release(&target.plugin, &target.version)?;
        let era = {
            let pools = lock(&self.pools);
            if let Some(pool) = pools.get(&key, mount, &target, &release) {
                return Ok(pool);
            }
            pools.era
        };
        let made = Arc::new(self.make(mount.clone(), target, release).await?);
        let replaced = {
            let mut pools = lock(&self.pools);
            // Somebody may have made it meanwhile.
            if let Some(pool) = pools.get(&key, mount, &made.target, &made.release) {
                return Ok(pool);
            }
            if !pools.has_room_for(&key) {
                return Err(unavailable(format!(
                    "a mount can have {} databases only",
                    limits::POOLS
                )));
            }
            if pools.era == era {
                pools.by_key.insert(key, made.clone())
            } else {
                None
            }
        };
        drop(replaced);
        Ok(made)
    }

    /// What a component says is secret in its configuration.
    pub(crate) async fn secret_fields(&self, on: &Target) -> Result<Vec<String>, PluginError> {
        let release = self.release(&on.plugin, &on.version)?;
        let component = self.component(&release).await?;
        Ok(described(&component)?.secret_fields.clone())
    }

    fn release(&self, name: &str, version: &str) -> Result<Release, PluginError> {
        let wanted = Wanted {
            kind: PluginKind::Database,
            name,
            version,
        };
        self.catalog.resolve(wanted).map_err(|error| match error {
            LoadError::Unknown(_) => {
                let elsewhere = [PluginKind::Secret, PluginKind::Auth];
                let elsewhere =
                    elsewhere.map(|kind| self.catalog.resolve(Wanted { kind, ..wanted }));
                let message = if elsewhere.iter().any(Result::is_ok) {
                    format!("plugin {name:?} is not a database plugin")
                } else {
                    error.to_string()
                };
                plugin_error(ErrorKind::InvalidRequest, message)
            }
            error => unavailable(error.to_string()),
        })
    }

    async fn component(&self, release: &Release) -> Result<Arc<Component>, PluginError> {
        self.catalog
            .load(release)
            .await
            .map_err(|error| unavailable(format!("database plugin {:?}: {error}", release.name)))
    }

    async fn make(
        &self,
        mount: Arc<MountContext>,
        target: Target,
        release: Release,
    ) -> Result<Pool, PluginError> {
        let invalid = |message| plugin_error(ErrorKind::InvalidRequest, message);
        let component = self.component(&release).await?;
        let description = described(&component)?;
        let config = serde_json::from_str(&target.config).map_err(|error| {
            invalid(format!(
                "the configuration of database {:?} is not JSON: {error}",
                target.name
            ))
        })?;
        let mut grants = Grants::default();
        grants.fix(&release.granted);
        grants.configure(
            &config,
            &description.destination_fields,
            description.default_port,
        );
        let size = match target.max_connections {
            0 => limits::CONNECTIONS,
            n => n.min(limits::MAX_CONNECTIONS),
        };
        let size = size.min(mount.connections);
        Ok(Pool {
            mount,
            target,
            release,
            component,
            grants: Arc::new(grants),
            idle: Mutex::default(),
            size,
            places: Semaphore::new(size as usize),
            queue: Semaphore::new(limits::POOL_QUEUE),
            moved: Mutex::new(Instant::now()),
            figures: Arc::default(),
        })
    }

    /// Tries a release with the configuration of every pool that it would serve. What does not work with what runs now
    /// either is no reason against it: one database that is down holds up nothing.
    pub(crate) async fn probe(&self, release: &Release) -> Result<(), String> {
        let pools: Vec<_> = lock(&self.pools)
            .by_key
            .iter()
            .filter(|(_, pool)| {
                *pool.target.plugin == *release.name
                    && pool.target.version.is_empty()
                    && pool.release != *release
            })
            .map(|((_, name), pool)| (name.clone(), pool.clone()))
            .collect();
        let probes = pools.into_iter().map(|(name, old)| async move {
            let new = match self
                .make(old.mount.clone(), old.target.clone(), release.clone())
                .await
            {
                Ok(new) => self.ping(&old.mount, &new).await,
                Err(error) => Err(error),
            };
            let Err(error) = new else { return Ok(()) };
            match self.ping(&old.mount, &old).await {
                Ok(()) => Err(format!(
                    "database {name:?} works, but not with it: {}",
                    error.message
                )),
                Err(_) => Ok(()),
            }
        });
        for probe in join_all(probes).await {
            probe?;
        }
        Ok(())
    }

    /// Whether a fresh connection works.
    async fn ping(&self, mount: &MountContext, pool: &Pool) -> Result<(), PluginError> {
        let ping = async {
            let mut connection = self.open(mount, pool).await?;
            let Connection {
                store, database, ..
            } = &mut connection;
            store.set_epoch_deadline(1);
            store.data_mut().begin();
            let answer = database
                .coffer_plugin_backend()
                .call_ping(&mut *store)
                .await;
            answer.unwrap_or_else(|error| Err(pool.failed(store.data_mut(), &error)))
        };
        match tokio::time::timeout(limits::PROBE, ping).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable(format!("no answer within {:?}", limits::PROBE))),
        }
    }

    async fn open(&self, mount: &MountContext, pool: &Pool) -> Result<Connection, PluginError> {
        let Kind::Database { pre, .. } = &pool.component.kind else {
            return Err(plugin_error(ErrorKind::Internal, "not a database plugin"));
        };
        let instance = match self.instances.clone().try_acquire_owned() {
            Ok(instance) => Ok(instance),
            Err(_) => {
                self.close_oldest();
                self.instances.clone().acquire_owned().await
            }
        };
        let instance = instance.map_err(|_| unavailable("the runtime has ended".to_owned()))?;
        let mut live = Live::new(&pool.figures);
        let mut store = pool.component.store();
        let state = store.data_mut();
        state.connection = Some([mount.info.path.as_str(), pool.target.name.as_str()].concat());
        state.memory.limit = mount.memory.min(limits::MAX_MEMORY);
        state.grants = pool.grants.clone();
        let opened = async {
            let database = pre.instantiate_async(&mut store).await?;
            let answer = database
                .coffer_plugin_backend()
                .call_open(&mut store, &pool.target.config)
                .await?;
            wasmtime::Result::Ok(answer.map(|()| database))
        };
        let database = match opened.await {
            Ok(answer) => answer?,
            Err(error) => return Err(pool.failed(store.data_mut(), &error)),
        };
        live.takes(store.data().memory.used);
        Ok(Connection {
            store,
            database,
            opened: Instant::now(),
            used: Instant::now(),
            live,
            _instance: instance,
        })
    }

    /// Closes the connection that has been idle for the longest time, whosever it is.
    fn close_oldest(&self) {
        let pools: Vec<_> = lock(&self.pools).by_key.values().cloned().collect();
        let oldest = |pool: &Arc<Pool>| lock(&pool.idle).first().map(|connection| connection.used);
        let Some((_, pool)) = pools
            .iter()
            .filter_map(|pool| Some((oldest(pool)?, pool)))
            .min_by_key(|(used, _)| *used)
        else {
            return;
        };
        let closed = {
            let mut idle = lock(&pool.idle);
            (!idle.is_empty()).then(|| idle.remove(0))
        };
        drop(closed);
    }

    /// What is counted of each database.
    pub(crate) fn figures(&self) -> Vec<DatabaseFigures> {
        let of = |((mount, connection), pool): (&Key, &Arc<Pool>)| DatabaseFigures {
            mount: mount.clone(),
            connection: connection.clone(),
            plugin: pool.release.name.clone(),
            version: pool.release.label(),
            figures: pool.figures.clone(),
        };
        lock(&self.pools).by_key.iter().map(of).collect()
    }

    /// Drops the pool of one connection.
    pub fn close(&self, mount: &str, name: &str) {
        self.remove(|(id, have)| &**id == mount && have == name);
    }

    pub(crate) fn drop_mount(&self, mount: &str) {
        self.remove(|(id, _)| &**id == mount);
    }

    pub(crate) fn clear(&self) {
        self.remove(|_| true);
    }

    fn remove(&self, gone: impl Fn(&Key) -> bool) {
        // Dropping connections takes its time: not under the lock.
        let removed: Vec<_> = {
            let mut pools = lock(&self.pools);
            pools.era += 1;
            pools.by_key.extract_if(|key, _| gone(key)).collect()
        };
        drop(removed);
    }

    /// Closes connections that nobody used for a while, and forgets pools that are empty.
    pub(crate) fn sweep(&self) {
        let pools: Vec<_> = lock(&self.pools).by_key.values().cloned().collect();
        for pool in &pools {
            let expired: Vec<_> = lock(&pool.idle)
                .extract_if(.., |connection| pool.expired(connection))
                .collect();
            drop(expired);
        }
        drop(pools);
        let unused = |pool: &Arc<Pool>| Arc::strong_count(pool) == 1 && lock(&pool.idle).is_empty();
        let removed: Vec<_> = lock(&self.pools)
            .by_key
            .extract_if(|_, pool| unused(pool))
            .collect();
        drop(removed);
    }
}

impl Pools {
    /// The pool, unless the configuration, the plugin or the mount's limits have changed since it was made.
    fn get(
        &self,
        key: &Key,
        mount: &MountContext,
        target: &Target,
        release: &Release,
    ) -> Option<Arc<Pool>> {
        let limits = |mount: &MountContext| (mount.connections, mount.memory);
        self.by_key
            .get(key)
            .filter(|pool| same(&pool.target, target) && pool.release == *release)
            .filter(|pool| limits(&pool.mount) == limits(mount))
            .cloned()
    }

    /// Replacing a pool needs none.
    fn has_room_for(&self, key: &Key) -> bool {
        let of_mount = |have: &&Key| have.0 == key.0;
        self.by_key.contains_key(key) || self.by_key.keys().filter(of_mount).count() < limits::POOLS
    }
}

impl Pool {
    /// A place for one connection. Each who waits for one holds an instance: of a crowd before a database that does not
    /// answer, most are sent away.
    async fn place(&self, until: Instant) -> Result<SemaphorePermit<'_>, PluginError> {
        let place = match self.places.try_acquire() {
            Ok(place) => Some(place),
            Err(_) => {
                let queued = self.queue.try_acquire();
                let patience = || match queued {
                    Ok(_) => until,
                    Err(_) => until.min(*lock(&self.moved) + limits::POOL_STALLED),
                };
                // The place in the line is kept for as long as the line moves.
                let mut acquired = std::pin::pin!(self.places.acquire());
                loop {
                    let given_up = patience();
                    match timeout_at(given_up, acquired.as_mut()).await {
                        Ok(place) => break place.ok(),
                        Err(_) if patience() > given_up => {}
                        Err(_) => break None,
                    }
                }
            }
        };
        let place = place.ok_or_else(|| {
            unavailable(format!(
                "all {} connections to database {:?} are in use",
                self.size, self.target.name
            ))
        })?;
        *lock(&self.moved) = Instant::now();
        Ok(place)
    }

    /// The most recently used idle connection that is not too old.
    fn take(&self) -> Option<Connection> {
        let mut expired = Vec::new();
        let mut idle = lock(&self.idle);
        let taken = loop {
            match idle.pop() {
                Some(connection) if self.expired(&connection) => expired.push(connection),
                other => break other,
            }
        };
        drop(idle);
        taken
    }

    fn expired(&self, connection: &Connection) -> bool {
        let lifetime = Duration::from_secs(self.target.max_lifetime.into());
        (!lifetime.is_zero() && connection.opened.elapsed() >= lifetime)
            || connection.used.elapsed() >= limits::CONNECTION_IDLE
    }

    /// A backend that traps is unavailable: what it was asked to undo is still to be undone.
    fn failed(&self, state: &mut State, error: &wasmtime::Error) -> PluginError {
        self.ended(&state.failed(error))
    }

    fn ended(&self, error: &CallError) -> PluginError {
        unavailable(format!(
            "database plugin {:?} failed: {error}",
            self.component.name
        ))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.target.config.zeroize();
    }
}
