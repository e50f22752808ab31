//! A component, compiled and linked: which world it is for, and what it says of itself.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Component as Wasm;

use crate::bindings::database::exports::coffer::plugin::backend;
use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::bindings::{database, plugin};
use crate::egress::Grants;
use crate::state::{Environment, State};
use crate::{Engine, LoadError, imports, limits};

pub use backend::Description as BackendDescription;
pub use contract::Description as PluginDescription;

/// What a component is, with its world's exports resolved.
pub enum Kind {
    /// A secret engine or an auth method.
    Plugin {
        /// What it says of itself.
        description: PluginDescription,
        /// Linked, ready to be instantiated.
        pre: plugin::PluginPre<State>,
    },
    /// A database backend.
    Database {
        /// What it says of itself.
        description: BackendDescription,
        /// Linked, ready to be instantiated.
        pre: database::DatabasePre<State>,
    },
}

/// A usable component.
pub struct Component {
    /// Its name in the catalog.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    pub(crate) kind: Kind,
    pub(crate) engine: Engine,
    pub(crate) environment: Environment,
}

impl Component {
    /// Links a compiled component and asks it what it is.
    ///
    /// # Errors
    /// If it imports what the contract does not have, lacks an export, or fails to describe itself.
    pub(crate) async fn load(
        engine: &Engine,
        environment: &Environment,
        name: &str,
        sha256: String,
        wasm: &Wasm,
    ) -> Result<Arc<Self>, LoadError> {
        let exports_backend = wasm.component_type().exports(&engine.wasm).any(|(name, _)| name.contains("/backend@"));
        let new_store = || store(engine, environment, name, limits::MEMORY, Arc::default());
        let contract = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let kind = if exports_backend {
            let pre = imports::database_linker(engine)?.instantiate_pre(wasm).map_err(contract)?;
            let pre = database::DatabasePre::new(pre).map_err(contract)?;
            let description = describe(async {
                let mut store = new_store();
                let instance = pre.instantiate_async(&mut store).await?;
                instance.coffer_plugin_backend().call_describe(&mut store).await
            });
            Kind::Database { description: description.await?, pre }
        } else {
            let pre = imports::plugin_linker(engine)?.instantiate_pre(wasm).map_err(contract)?;
            let pre = plugin::PluginPre::new(pre).map_err(contract)?;
            let description = describe(async {
                let mut store = new_store();
                let instance = pre.instantiate_async(&mut store).await?;
                instance.coffer_plugin_engine().call_describe(&mut store).await
            });
            Kind::Plugin { description: description.await?, pre }
        };
        let (engine, environment) = (engine.clone(), environment.clone());
        Ok(Arc::new(Self { name: name.to_owned(), sha256, kind, engine, environment }))
    }

    /// What it says of itself, if it is a secret engine or an auth method.
    pub fn plugin(&self) -> Option<&PluginDescription> {
        match &self.kind {
            Kind::Plugin { description, .. } => Some(description),
            Kind::Database { .. } => None,
        }
    }

    /// What it says of itself, if it is a database backend.
    pub fn backend(&self) -> Option<&BackendDescription> {
        match &self.kind {
            Kind::Database { description, .. } => Some(description),
            Kind::Plugin { .. } => None,
        }
    }

    /// Its own version.
    pub fn version(&self) -> &str {
        match &self.kind {
            Kind::Plugin { description, .. } => &description.version,
            Kind::Database { description, .. } => &description.version,
        }
    }

    pub(crate) fn store(&self, label: &str, memory: usize, grants: Arc<Grants>) -> Store<State> {
        store(&self.engine, &self.environment, label, memory, grants)
    }
}

fn store(engine: &Engine, environment: &Environment, label: &str, memory: usize, grants: Arc<Grants>) -> Store<State> {
    let state = State::new(environment.clone(), label.to_owned(), memory, grants);
    let mut store = Store::new(&engine.wasm, state);
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store.set_hostcall_fuel(limits::HOSTCALL);
    store
}

async fn describe<T>(call: impl Future<Output = wasmtime::Result<T>>) -> Result<T, LoadError> {
    match tokio::time::timeout(limits::DESCRIBE_DEADLINE, call).await {
        Ok(Ok(description)) => Ok(description),
        Ok(Err(error)) => Err(LoadError::Describe(error.root_cause().to_string())),
        Err(_) => Err(LoadError::Describe(format!("no answer within {:?}", limits::DESCRIBE_DEADLINE))),
    }
}
