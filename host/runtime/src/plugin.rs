//! Calls into secret engines and auth methods.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coffer_barrier::{BarrierError, Meter, Transaction};
use coffer_manifest::KeyOperation;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;

use crate::bindings::plugin::Plugin as Exports;
use crate::bindings::plugin::coffer::plugin::effects::{LeaseGrant, LeaseRequest};
use crate::bindings::plugin::coffer::plugin::mount;
use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::component::Component;
use crate::database::{DatabaseFigures, DatabasePools};
use crate::egress::Grants;
use crate::figures::{CallKind, Figures};
use crate::instances::{Instance, Instances};
use crate::outcome::Outcome;
use crate::release::Release;
use crate::response::Response;
use crate::state::{Call, State};
use crate::{CallError, PluginError, limits};

pub use contract::{Auth, Lease, Operation, Renewal, Request};

/// A mount, as far as its plugin is concerned.
#[derive(Clone)]
pub struct MountContext {
    /// Names the mount for good, whatever its path: instances and database pools are kept under it.
    pub id: Arc<str>,
    /// What its storage keys start with, with the trailing slash.
    pub storage_prefix: String,
    /// What the names of the keys start with that the host holds for it, with the trailing slash.
    pub keys_prefix: String,
    /// What the keys start with under which its database connections are noted, with the trailing slash.
    pub connections_prefix: String,
    /// What the plugin may know of it.
    pub info: mount::Info,
    /// How long one call may take.
    pub deadline: Duration,
    /// How much memory one instance may have, in bytes.
    pub memory: usize,
    /// How long a response's data may be, in bytes.
    pub response: usize,
    /// How many calls it may run at the same time.
    pub concurrency: usize,
    /// How many connections each of its databases may have at most.
    pub connections: u32,
    /// Counts what it stores; None if nobody wants to know.
    pub meter: Option<Arc<Meter>>,
    /// What it may do with keys.
    pub key_operations: BTreeSet<KeyOperation>,
    /// Whether it may read what the server's pod has.
    pub pod: bool,
    /// Where it may connect to.
    pub grants: Arc<Grants>,
    /// Where its calls are counted.
    pub figures: Arc<Figures>,
    /// What makes passwords for it.
    pub passwords: Arc<dyn Passwords>,
}

impl MountContext {
    pub(crate) fn key(&self, key: &str) -> String {
        [self.storage_prefix.as_str(), key].concat()
    }

    pub(crate) fn held_key(&self, name: &str) -> String {
        [self.keys_prefix.as_str(), name].concat()
    }
}

/// Who a call is for, and so whose memory its instance may hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The holder of a token, by the token's hash: an instance that served it may serve it again.
    Token(Arc<str>),
    /// Somebody without a token: always a fresh instance.
    Anonymous,
    /// The host itself.
    Host,
}

/// Why `prepare` failed.
#[derive(Debug)]
pub enum EffectsError {
    /// The request is wrong: the plugin is told.
    Refused(String),
    /// The commit failed: the call ends.
    Barrier(BarrierError),
}

/// What the host does for a plugin that serves a request, and most of all when that is about to act on the outside world.
#[async_trait]
pub trait Effects: Send + Sync {
    /// Adds the lease to the transaction, if there is one, and commits it.
    async fn prepare(
        &self,
        txn: &mut Transaction,
        lease: Option<LeaseRequest>,
    ) -> Result<Option<LeaseGrant>, EffectsError>;

    /// Forgets a lease that `prepare` granted, for which nothing was made. Fails with the reason.
    async fn withdraw(&self, lease_id: &str) -> Result<(), String>;

    /// What the request says in a header, if the mount lets that through.
    async fn request_header(&self, _name: &str) -> Vec<String> {
        Vec::new()
    }

    /// Adds a header to the response. Fails with the reason.
    async fn respond_with_header(&self, _name: &str, _value: &str) -> Result<(), String> {
        Err("only a request has a response".to_owned())
    }

    /// Says which groups the one who logs in is in. Fails with the reason.
    async fn login_groups(&self, _names: Vec<String>) -> Result<(), String> {
        Err("only a request can be a login".to_owned())
    }

    /// Makes this the response's body. Fails with the reason.
    async fn respond_with(&self, _content_type: &str, _body: Vec<u8>) -> Result<(), String> {
        Err("only a request has a response".to_owned())
    }
}

/// Why there is no password.
#[derive(Debug)]
pub enum PasswordError {
    /// There is no policy of that name.
    NoPolicy,
    /// It says nothing that a password can be made by: why.
    Invalid(String),
    /// It cannot be read: the call ends.
    Barrier(BarrierError),
}

/// Passwords by the policies of a mount's namespace.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// A new one.
    async fn generate(&self, txn: &mut Transaction, policy: &str) -> Result<String, PasswordError>;
}

/// For calls that may not act on the outside world under a lease of their own.
struct CommitOnly;

#[async_trait]
impl Effects for CommitOnly {
    async fn prepare(
        &self,
        txn: &mut Transaction,
        lease: Option<LeaseRequest>,
    ) -> Result<Option<LeaseGrant>, EffectsError> {
        if lease.is_some() {
            return Err(EffectsError::Refused(
                "a lease can only be made by a request".to_owned(),
            ));
        }
        txn.commit_and_continue()
            .await
            .map_err(EffectsError::Barrier)?;
        Ok(None)
    }

    async fn withdraw(&self, lease_id: &str) -> Result<(), String> {
        Err(format!("there is no lease {lease_id:?}"))
    }
}

/// What is called, and for whom.
struct Callee<'a> {
    kind: CallKind,
    component: &'a Arc<Component>,
    mount: &'a Arc<MountContext>,
    caller: Caller,
}

type CallFuture<'a, T> =
    Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, PluginError>>> + Send + 'a>>;

/// Calls plugins, and keeps their instances.
pub struct Plugins {
    instances: Instances,
    databases: Arc<DatabasePools>,
}

impl Plugins {
    /// With no instance yet.
    pub fn new(databases: Arc<DatabasePools>) -> Self {
        Self {
            instances: Instances::new(),
            databases,
        }
    }

    /// Serves a request.
    pub async fn handle(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        caller: Caller,
        txn: Transaction,
        effects: Arc<dyn Effects>,
        request: Request,
    ) -> Outcome<Response> {
        let outcome = self
            .run(
                Callee {
                    kind: CallKind::Handle,
                    component,
                    mount,
                    caller,
                },
                txn,
                effects,
                move |exports, store| {
                    Box::pin(async move {
                        exports
                            .coffer_plugin_engine()
                            .call_handle(store, &request)
                            .await
                    })
                },
            )
            .await;
        outcome.check(|response| {
            Response::checked(response, mount.response).inspect_err(|_| mount.figures.trapped())
        })
    }

    /// Whether what a write would make is there already.
    pub async fn exists(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        caller: Caller,
        txn: Transaction,
        request: Request,
    ) -> Outcome<Option<bool>> {
        self.run(
            Callee {
                kind: CallKind::Exists,
                component,
                mount,
                caller,
            },
            txn,
            Arc::new(CommitOnly),
            move |exports, store| {
                Box::pin(async move {
                    exports
                        .coffer_plugin_engine()
                        .call_exists(store, &request)
                        .await
                })
            },
        )
        .await
    }

    /// Prolongs what a lease stands for.
    pub async fn renew(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        txn: Transaction,
        lease: Lease,
        increment: u64,
    ) -> Outcome<Renewal> {
        self.run(
            Callee {
                kind: CallKind::Renew,
                component,
                mount,
                caller: Caller::Host,
            },
            txn,
            Arc::new(CommitOnly),
            move |exports, store| {
                Box::pin(async move {
                    exports
                        .coffer_plugin_engine()
                        .call_renew(store, &lease, increment)
                        .await
                })
            },
        )
        .await
    }

    /// Undoes what a lease stands for.
    pub async fn revoke(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        txn: Transaction,
        lease: Lease,
    ) -> Outcome<()> {
        self.run(
            Callee {
                kind: CallKind::Revoke,
                component,
                mount,
                caller: Caller::Host,
            },
            txn,
            Arc::new(CommitOnly),
            move |exports, store| {
                Box::pin(async move {
                    exports
                        .coffer_plugin_engine()
                        .call_revoke(store, &lease)
                        .await
                })
            },
        )
        .await
    }

    /// Periodic work.
    pub async fn tick(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        txn: Transaction,
    ) -> Outcome<()> {
        self.run(
            Callee {
                kind: CallKind::Tick,
                component,
                mount,
                caller: Caller::Host,
            },
            txn,
            Arc::new(CommitOnly),
            move |exports, store| {
                Box::pin(async move { exports.coffer_plugin_engine().call_tick(store).await })
            },
        )
        .await
    }

    /// Whether a component could take over from what runs: every connection that it would serve must work with it, unless
    /// it does not work as it is either.
    ///
    /// # Errors
    /// With what does not work.
    pub async fn probe(&self, release: &Release, component: &Arc<Component>) -> Result<(), String> {
        match component.backend() {
            Some(_) => self.databases.probe(release).await,
            None => Ok(()),
        }
    }

    /// Drops the idle instances and connections of one mount.
    pub fn drop_mount(&self, mount: &str) {
        self.instances.drop_mount(mount);
        self.databases.drop_mount(mount);
    }

    /// Drops all idle instances and connections.
    pub fn clear(&self) {
        self.instances.clear();
        self.databases.clear();
    }

    /// Drops what has been idle for too long; to be called every few seconds.
    pub fn sweep(&self) {
        self.instances.sweep();
        self.databases.sweep();
    }

    /// The databases that have connections, and what is counted of them.
    pub fn database_figures(&self) -> Vec<DatabaseFigures> {
        self.databases.figures()
    }

    /// One call, counted.
    async fn run<T>(
        &self,
        callee: Callee<'_>,
        mut txn: Transaction,
        effects: Arc<dyn Effects>,
        call: impl for<'a> FnOnce(&'a Exports, &'a mut Store<State>) -> CallFuture<'a, T> + Send,
    ) -> Outcome<T> {
        let begun = std::time::Instant::now();
        let Callee { kind, mount, .. } = &callee;
        let (kind, mount) = (*kind, *mount);
        if let Some(meter) = &mount.meter {
            // What a lease stands for is undone however full the mount is.
            txn.meter(match kind {
                CallKind::Revoke => Arc::new(meter.unlimited()),
                _ => meter.clone(),
            });
        }
        let outcome = self.serve(callee, txn, effects, call).await;
        mount.figures.called(kind, begun, &outcome.result);
        outcome
    }

    /// One call, from taking an instance to giving it back. Dropping this future drops the instance.
    async fn serve<T>(
        &self,
        callee: Callee<'_>,
        txn: Transaction,
        effects: Arc<dyn Effects>,
        call: impl for<'a> FnOnce(&'a Exports, &'a mut Store<State>) -> CallFuture<'a, T> + Send,
    ) -> Outcome<T> {
        let Callee {
            component,
            mount,
            caller,
            ..
        } = callee;
        let deadline = Instant::now() + mount.deadline;
        let patience = u64::try_from(mount.deadline.as_millis()).unwrap_or(u64::MAX);
        let late = || CallError::Deadline(patience);
        let turn = match timeout_at(deadline, self.instances.turn(mount)).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(error)) => return Outcome::failed(error),
            Err(_) => {
                return Outcome::failed(CallError::Crowded {
                    waited: patience,
                    calls: mount.concurrency,
                });
            }
        };
        let taken = self.instances.take(turn, component, mount, &caller);
        let mut instance = match timeout_at(deadline, taken).await {
            Ok(Ok(instance)) => instance,
            Ok(Err(error)) => return Outcome::failed(error),
            Err(_) => return Outcome::failed(late()),
        };
        let _running = component.engine.running();
        let Instance { store, exports, .. } = &mut instance;
        store.set_epoch_deadline(1);
        store.set_hostcall_fuel(mount.response.saturating_add(limits::HOSTCALL));
        let (mount_here, databases) = (mount.clone(), self.databases.clone());
        let here = Call {
            mount: mount_here,
            txn,
            effects,
            databases,
            deadline,
            touched: false,
            lease: None,
        };
        store.data_mut().begin();
        store.data_mut().grants = mount.grants.clone();
        store.data_mut().call = Some(Box::new(here));
        let result = timeout_at(deadline, mount.figures.busy(call(exports, store))).await;
        let state = store.data_mut();
        let (txn, touched, lease) = match state.call.take() {
            Some(call) => (Some(call.txn), call.touched, call.lease),
            None => (None, false, None),
        };
        let result = match result {
            Ok(Ok(answer)) => {
                self.instances.give_back(mount, caller, instance);
                Ok(answer.map_err(shortened))
            }
            Ok(Err(error)) => Err(state.failed(&error)),
            Err(_) => Err(late()),
        };
        let txn = txn.filter(|_| matches!(result, Ok(Ok(_))));
        Outcome {
            result,
            txn,
            touched,
            lease,
        }
    }
}

/// An error's message goes to the client, and the client is not to be flooded.
fn shortened(mut error: PluginError) -> PluginError {
    error
        .message
        .truncate(error.message.floor_char_boundary(limits::TEXT));
    error
}
