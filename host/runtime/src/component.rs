//! A component, compiled and linked: which world it is for, and what it says of itself.

use std::sync::Arc;

use coffer_manifest::{Destination, Kind as ManifestKind, Manifest};
use wasmtime::component::Component as Wasm;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::database::exports::coffer::plugin::backend;
use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::bindings::{database, plugin};
use crate::description::{check_backend, check_plugin};
use crate::inspect::CONTRACT;
use crate::outside::Outside;
use crate::release::Release;
use crate::state::{Environment, State};
use crate::{CallError, Engine, LoadError, imports, limits};

pub use backend::Description as BackendDescription;
pub use contract::Description as PluginDescription;
use contract::EngineKind;

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
    pub name: Arc<str>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: Arc<str>,
    /// Its manifest, if it has one.
    pub manifest: Option<Manifest>,
    pub(crate) kind: Kind,
    pub(crate) engine: Engine,
    pub(crate) environment: Environment,
    outside: Option<Arc<dyn Outside>>,
    stays_inside: bool,
}

/// What a component needs to touch anything but its mount's storage.
const OUTSIDE: [&str; 4] = ["effects@", "databases@", "network@", "http@"];

impl Component {
    /// Links a compiled component and asks it what it is.
    ///
    /// # Errors
    /// If it imports what the contract does not have, lacks an export, fails to describe itself, or says what it may not.
    pub(crate) async fn load(
        engine: &Engine,
        environment: &Environment,
        release: &Release,
        wasm: &Wasm,
        manifest: Option<Manifest>,
        outside: Option<Arc<dyn Outside>>,
    ) -> Result<Arc<Self>, LoadError> {
        let exports_backend = wasm
            .component_type()
            .exports(&engine.wasm)
            .any(|(name, _)| name.contains("/backend@"));
        let wasi = wasm
            .component_type()
            .imports(&engine.wasm)
            .any(|(name, _)| name.starts_with("wasi:"));
        let stays_inside = !wasm
            .component_type()
            .imports(&engine.wasm)
            .filter_map(|(name, _)| name.strip_prefix(CONTRACT))
            .any(|name| OUTSIDE.iter().any(|outside| name.starts_with(outside)));
        let name = release.name.clone();
        let new_store = || store(engine, environment, &name);
        let contract = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let kind = if exports_backend {
            let pre = imports::database_linker(engine, wasi)?
                .instantiate_pre(wasm)
                .map_err(contract)?;
            let pre = database::DatabasePre::new(pre).map_err(contract)?;
            let description = describe(engine, async {
                let mut store = new_store();
                let instance = pre.instantiate_async(&mut store).await?;
                instance
                    .coffer_plugin_backend()
                    .call_describe(&mut store)
                    .await
            });
            let description = description.await?;
            check_backend(&description).map_err(LoadError::Description)?;
            Kind::Database { description, pre }
        } else {
            let pre = imports::plugin_linker(engine, wasi)?
                .instantiate_pre(wasm)
                .map_err(contract)?;
            let pre = plugin::PluginPre::new(pre).map_err(contract)?;
            let description = describe(engine, async {
                let mut store = new_store();
                let instance = pre.instantiate_async(&mut store).await?;
                instance
                    .coffer_plugin_engine()
                    .call_describe(&mut store)
                    .await
            });
            let description = description.await?;
            check_plugin(&description).map_err(LoadError::Description)?;
            Kind::Plugin { description, pre }
        };
        let (engine, environment) = (engine.clone(), environment.clone());
        if let Some(manifest) = &manifest {
            let described = match &kind {
                Kind::Plugin { description, .. } => agrees(manifest, description),
                Kind::Database { description, .. } => backend_agrees(manifest, description),
            };
            described.map_err(LoadError::Description)?;
        }
        Ok(Arc::new(Self {
            name,
            sha256: release.sha256.clone(),
            manifest,
            kind,
            engine,
            environment,
            outside,
            stays_inside,
        }))
    }

    /// Whether it imports nothing by which it could touch anything but its mount's storage.
    pub fn stays_inside(&self) -> bool {
        self.stays_inside
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

    /// A store for an instance of it, with the limits that hold unless its mount has others.
    pub(crate) fn store(&self) -> Store<State> {
        let mut store = store(&self.engine, &self.environment, &self.name);
        store.data_mut().outside.clone_from(&self.outside);
        store
    }
}

/// Whether a secret engine or an auth method is what its manifest says.
fn agrees(manifest: &Manifest, description: &PluginDescription) -> Result<(), String> {
    let kind = match description.kind {
        EngineKind::Secret => ManifestKind::Secret,
        EngineKind::Auth => ManifestKind::Auth,
    };
    same("kind", manifest.kind, kind)?;
    same(
        "version",
        &manifest.version.to_string(),
        &description.version,
    )?;
    if description.tick > 0 && !manifest.needs.periodic {
        return Err("it has periodic work, which its manifest does not ask for".to_owned());
    }
    Ok(())
}

/// Whether a database backend is what its manifest says.
fn backend_agrees(manifest: &Manifest, description: &BackendDescription) -> Result<(), String> {
    same("kind", manifest.kind, ManifestKind::Database)?;
    same(
        "version",
        &manifest.version.to_string(),
        &description.version,
    )?;
    let asks = manifest.needs.network.contains(&Destination::Configuration);
    if !description.destination_fields.is_empty() && !asks {
        return Err(
            "it connects to what its configuration names, which its manifest does not ask for"
                .to_owned(),
        );
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Display>(what: &str, manifest: T, said: T) -> Result<(), String> {
    if manifest == said {
        return Ok(());
    }
    Err(format!(
        "its {what} is {said}, but its manifest says {manifest}"
    ))
}

fn store(engine: &Engine, environment: &Environment, component: &Arc<str>) -> Store<State> {
    let mut store = Store::new(
        &engine.wasm,
        State::new(environment.clone(), component.clone()),
    );
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    // Tokio's own yield lets its timers and sockets have their turn too: with one that just wakes itself, a spinning guest
    // would delay them by dozens of ticks.
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(tokio::task::yield_now()),
        ))
    });
    store.set_hostcall_fuel(limits::RESPONSE + limits::HOSTCALL);
    store
}

async fn describe<T>(
    engine: &Engine,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, LoadError> {
    let _running = engine.running();
    match tokio::time::timeout(limits::DESCRIBE_DEADLINE, call).await {
        Ok(Ok(description)) => Ok(description),
        Ok(Err(error)) => Err(LoadError::Describe(CallError::of(&error).to_string())),
        Err(_) => Err(LoadError::Describe(format!(
            "no answer within {:?}",
            limits::DESCRIBE_DEADLINE
        ))),
    }
}
