//! Database connections: instances of database backends, pooled by mount and connection name.
//!
//! An instance *is* a connection. It is opened with the connection's configuration, serves one call at a time, and is
//! dropped when it says that its database is unavailable, when it traps or is cut off, and when it gets old. When the
//! configuration changes a new pool takes the place of the old one, whose instances end with the calls they serve.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::Store;

use crate::bindings::database::Database;
use crate::bindings::database::exports::coffer::plugin::backend::Guest;
use crate::bindings::plugin::coffer::plugin::databases::Target;
use crate::component::{Component, Kind};
use crate::egress::Grants;
use crate::error::plugin_error;
use crate::plugin::MountContext;
use crate::state::State;
use crate::{CallError, Catalog, ErrorKind, LoadError, PluginError, limits};

type CallFuture<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<Result<R, PluginError>>> + Send + 'a>>;

/// A call into a backend.
pub(crate) struct DatabaseCall<R>(Box<dyn for<'a> FnOnce(&'a Guest, &'a mut Store<State>) -> CallFuture<'a, R> + Send>);

/// Makes one.
pub(crate) fn call<R>(
    call: impl for<'a> FnOnce(&'a Guest, &'a mut Store<State>) -> CallFuture<'a, R> + Send + 'static,
) -> DatabaseCall<R> {
    DatabaseCall(Box::new(call))
}

/// The pools of all mounts.
pub struct DatabasePools {
    catalog: Arc<Catalog>,
    pools: Mutex<HashMap<(Arc<str>, String), Arc<Pool>>>,
}

struct Pool {
    target: Target,
    component: Arc<Component>,
    grants: Arc<Grants>,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

struct Connection {
    store: Store<State>,
    database: Database,
    opened: Instant,
    used: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn same(a: &Target, b: &Target) -> bool {
    a.plugin == b.plugin
        && a.config == b.config
        && a.max_connections == b.max_connections
        && a.max_lifetime == b.max_lifetime
}

impl DatabasePools {
    /// With no connection yet.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, pools: Mutex::default() }
    }

    /// Runs a call on a connection to the target.
    pub(crate) async fn call<R>(&self, mount: &MountContext, target: Target, call: DatabaseCall<R>) -> Result<R, PluginError> {
        let pool = self.pool(mount, target).await?;
        let closed = |_| plugin_error(ErrorKind::Unavailable, "the connection pool was closed");
        let _place = pool.places.acquire().await.map_err(closed)?;
        let idle = lock(&pool.idle).pop();
        let mut connection = match idle.filter(|connection| !pool.too_old(connection)) {
            Some(connection) => connection,
            None => pool.open(mount.memory).await?,
        };
        let result = call.0(connection.database.coffer_plugin_backend(), &mut connection.store).await;
        match result {
            Ok(answer) => {
                // After `unavailable` the connection is in doubt: the next call gets another.
                if !matches!(&answer, Err(error) if error.kind == ErrorKind::Unavailable) {
                    connection.used = Instant::now();
                    lock(&pool.idle).push(connection);
                }
                answer
            }
            Err(error) => Err(backend_failed(&pool.component.name, &CallError::trap(&error))),
        }
    }

    async fn pool(&self, mount: &MountContext, target: Target) -> Result<Arc<Pool>, PluginError> {
        let key = (mount.id.clone(), target.name.clone());
        if let Some(pool) = lock(&self.pools).get(&key).filter(|pool| same(&pool.target, &target)) {
            return Ok(pool.clone());
        }
        let invalid = |message| plugin_error(ErrorKind::InvalidRequest, message);
        let component = self.catalog.get(&target.plugin).await.map_err(|error| match error {
            LoadError::Unknown(_) => invalid(error.to_string()),
            _ => plugin_error(ErrorKind::Unavailable, format!("database plugin {:?}: {error}", target.plugin)),
        })?;
        let Some(description) = component.backend() else {
            return Err(invalid(format!("plugin {:?} is not a database plugin", target.plugin)));
        };
        let config = serde_json::from_str(&target.config).map_err(|_| invalid("the configuration is no JSON".to_owned()))?;
        let grants = Arc::new(Grants::of(&config, &description.destination_fields, description.default_port));
        let places = match target.max_connections {
            0 => limits::CONNECTIONS,
            n => n.min(limits::MAX_CONNECTIONS),
        };
        let places = Semaphore::new(places as usize);
        let pool = Arc::new(Pool { target, component, grants, idle: Mutex::default(), places });
        lock(&self.pools).insert(key, pool.clone());
        Ok(pool)
    }

    /// Drops the pool of one connection.
    pub fn close(&self, mount: &str, name: &str) {
        lock(&self.pools).retain(|(id, have), _| !(&**id == mount && have == name));
    }

    pub(crate) fn drop_mount(&self, mount: &str) {
        lock(&self.pools).retain(|(id, _), _| &**id != mount);
    }

    pub(crate) fn clear(&self) {
        lock(&self.pools).clear();
    }

    /// Closes connections that nobody used for a while.
    pub(crate) fn sweep(&self) {
        let pools: Vec<_> = lock(&self.pools).values().cloned().collect();
        for pool in pools {
            let idle = std::mem::take(&mut *lock(&pool.idle));
            let (kept, gone): (Vec<_>, Vec<_>) =
                idle.into_iter().partition(|connection| connection.used.elapsed() < limits::CONNECTION_IDLE);
            lock(&pool.idle).extend(kept);
            drop(gone);
        }
    }
}

impl Pool {
    fn too_old(&self, connection: &Connection) -> bool {
        let lifetime = Duration::from_secs(self.target.max_lifetime.into());
        !lifetime.is_zero() && connection.opened.elapsed() >= lifetime
    }

    async fn open(&self, memory: usize) -> Result<Connection, PluginError> {
        let Kind::Database { pre, .. } = &self.component.kind else {
            return Err(plugin_error(ErrorKind::Internal, "not a database plugin"));
        };
        let label = format!("{} for {:?}", self.component.name, self.target.name);
        let mut store = self.component.store(&label, memory, self.grants.clone());
        let failed = |error: wasmtime::Error| backend_failed(&self.component.name, &CallError::trap(&error));
        let database = pre.instantiate_async(&mut store).await.map_err(failed)?;
        database.coffer_plugin_backend().call_open(&mut store, &self.target.config).await.map_err(failed)??;
        Ok(Connection { store, database, opened: Instant::now(), used: Instant::now() })
    }
}

/// A backend that traps is unavailable: what it was asked to undo is still to be undone.
fn backend_failed(name: &str, error: &CallError) -> PluginError {
    plugin_error(ErrorKind::Unavailable, format!("database plugin {name:?} failed: {error}"))
}
