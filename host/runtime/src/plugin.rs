//! Calls into secret engines and auth methods.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coffer_barrier::{BarrierError, Transaction};
use serde_json::value::RawValue;
use wasmtime::Store;

use crate::bindings::plugin::Plugin as Exports;
use crate::bindings::plugin::coffer::plugin::effects::{LeaseGrant, LeaseRequest};
use crate::bindings::plugin::coffer::plugin::mount;
use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::component::{Component, Kind};
use crate::database::DatabasePools;
use crate::instances::{Instance, Instances};
use crate::state::{Call, State};
use crate::{CallError, LoadError, PluginError, limits};

pub use contract::{Auth, Lease, Operation, Renewal, Request, Response};

/// A mount, as far as its plugin is concerned.
pub struct MountContext {
    /// Names the mount for good, whatever its path: instances and database pools are kept under it.
    pub id: Arc<str>,
    /// What its storage keys start with, with the trailing slash.
    pub storage_prefix: String,
    /// What the plugin may know of it.
    pub info: mount::Info,
    /// How long one call may take.
    pub deadline: Duration,
    /// How much memory one instance may have, in bytes.
    pub memory: usize,
}

impl MountContext {
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.storage_prefix)
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

/// What the host does when a plugin is about to act on the outside world.
#[async_trait]
pub trait Effects: Send + Sync {
    /// Adds the lease to the transaction, if there is one, and commits it.
    async fn prepare(&self, txn: &mut Transaction, lease: Option<LeaseRequest>) -> Result<Option<LeaseGrant>, EffectsError>;
}

/// For calls that may not act on the outside world under a lease of their own.
pub struct CommitOnly;

#[async_trait]
impl Effects for CommitOnly {
    async fn prepare(&self, txn: &mut Transaction, lease: Option<LeaseRequest>) -> Result<Option<LeaseGrant>, EffectsError> {
        if lease.is_some() {
            return Err(EffectsError::Refused("a lease can only be made by a request".to_owned()));
        }
        txn.commit_and_continue().await.map_err(EffectsError::Barrier)?;
        Ok(None)
    }
}

/// How a call ended.
pub struct Outcome<T> {
    /// The plugin's answer, or its error; or why there is neither.
    pub result: Result<Result<T, PluginError>, CallError>,
    /// The transaction with what the plugin wrote; None if it was lost with the instance.
    pub txn: Option<Transaction>,
    /// Whether something outside was touched, so that the call must not be run again.
    pub touched: bool,
    /// The lease that the call made.
    pub lease: Option<LeaseGrant>,
}

/// Calls plugins, and keeps their instances.
pub struct Plugins {
    instances: Instances,
    databases: Arc<DatabasePools>,
}

impl Plugins {
    /// With no instance yet.
    pub fn new(databases: Arc<DatabasePools>) -> Self {
        Self { instances: Instances::new(), databases }
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
        let mut outcome = self
            .run(component, mount, caller, txn, effects, move |exports, store| {
                Box::pin(async move { exports.coffer_plugin_engine().call_handle(store, &request).await })
            })
            .await;
        if let Ok(Ok(response)) = &outcome.result
            && let Err(error) = check(response)
        {
            outcome.result = Err(error);
        }
        outcome
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
        self.run(component, mount, caller, txn, Arc::new(CommitOnly), move |exports, store| {
            Box::pin(async move { exports.coffer_plugin_engine().call_exists(store, &request).await })
        })
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
        self.run(component, mount, Caller::Host, txn, Arc::new(CommitOnly), move |exports, store| {
            Box::pin(async move { exports.coffer_plugin_engine().call_renew(store, &lease, increment).await })
        })
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
        self.run(component, mount, Caller::Host, txn, Arc::new(CommitOnly), move |exports, store| {
            Box::pin(async move { exports.coffer_plugin_engine().call_revoke(store, &lease).await })
        })
        .await
    }

    /// Periodic work.
    pub async fn tick(&self, component: &Arc<Component>, mount: &Arc<MountContext>, txn: Transaction) -> Outcome<()> {
        self.run(component, mount, Caller::Host, txn, Arc::new(CommitOnly), move |exports, store| {
            Box::pin(async move { exports.coffer_plugin_engine().call_tick(store).await })
        })
        .await
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

    /// Drops what has been idle for too long.
    pub fn sweep(&self) {
        self.instances.sweep();
        self.databases.sweep();
    }

    async fn run<T>(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        caller: Caller,
        txn: Transaction,
        effects: Arc<dyn Effects>,
        call: impl for<'a> FnOnce(
            &'a Exports,
            &'a mut Store<State>,
        ) -> std::pin::Pin<
            Box<dyn Future<Output = wasmtime::Result<Result<T, PluginError>>> + Send + 'a>,
        > + Send,
    ) -> Outcome<T> {
        let lost = |error| Outcome { result: Err(error), txn: None, touched: false, lease: None };
        if !matches!(component.kind, Kind::Plugin { .. }) {
            let name = component.name.clone();
            return lost(CallError::Load(LoadError::WrongKind { name, expected: "secret or auth" }));
        }
        let deadline = CallError::Deadline(u64::try_from(mount.deadline.as_millis()).unwrap_or(u64::MAX));
        let end = tokio::time::Instant::now() + mount.deadline;
        let instance = tokio::time::timeout_at(end, self.instances.take(component, mount, &caller)).await;
        let mut instance = match instance {
            Ok(Ok(instance)) => instance,
            Ok(Err(error)) => return lost(error),
            Err(_) => return lost(deadline),
        };
        let databases = self.databases.clone();
        let here = Call { mount: mount.clone(), txn, effects, databases, touched: false, lease: None };
        let Instance { store, exports, .. } = &mut instance;
        store.data_mut().call = Some(Box::new(here));
        let result = tokio::time::timeout_at(end, call(exports, store)).await;
        let state = store.data_mut();
        let (txn, touched, lease) = match state.call.take() {
            Some(call) => (Some(call.txn), call.touched, call.lease),
            None => (None, false, None),
        };
        let result = match result {
            Ok(Ok(answer)) => {
                self.instances.give_back(component, mount, caller, instance);
                Ok(answer)
            }
            // The instance is dropped with everything in it.
            Ok(Err(error)) => Err(state.failure.take().unwrap_or_else(|| {
                if state.memory.exceeded {
                    CallError::Memory(state.memory.limit)
                } else if error.to_string().contains("fuel") {
                    CallError::ResponseTooLarge(format!("more than {} bytes in one call", limits::HOSTCALL))
                } else {
                    CallError::trap(&error)
                }
            })),
            Err(_) => Err(deadline),
        };
        Outcome { result, txn, touched, lease }
    }
}

/// What a guest returns is input like any other.
fn check(response: &Response) -> Result<(), CallError> {
    let invalid = |text: &str| Err(CallError::InvalidResponse(text.to_owned()));
    if let Some(data) = &response.data {
        if data.len() > limits::RESPONSE {
            return Err(CallError::ResponseTooLarge(format!("{} bytes of data; {} are allowed", data.len(), limits::RESPONSE)));
        }
        if !data.trim_start().starts_with('{') || serde_json::from_str::<&RawValue>(data).is_err() {
            return invalid("the data is no JSON object");
        }
    }
    if response.status.is_some_and(|status| !(200..=599).contains(&status)) {
        return invalid("the status is not between 200 and 599");
    }
    if response.warnings.len() > limits::LIST {
        return invalid("there are too many warnings");
    }
    if let Some(auth) = &response.auth {
        if auth.policies.len() > limits::LIST || auth.metadata.len() > limits::LIST || auth.bound_cidrs.len() > limits::LIST {
            return invalid("the auth lists are too long");
        }
        if auth.internal.len() > limits::INTERNAL || serde_json::from_str::<&RawValue>(&auth.internal).is_err() {
            return invalid("the auth's internal data is too large or no JSON");
        }
    }
    Ok(())
}
