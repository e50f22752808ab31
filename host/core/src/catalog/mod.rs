//! The catalog of plugins that are not built in: what was registered, which version is in force, and what was granted.
//!
//! A component's bytes are stored by their digest, in pieces; what the server's compiler made of them is stored beside
//! them. The runtime reads a table of all that may be run, which is made anew when the change feed says that something
//! here has changed.

mod entry;
mod register;
mod signature;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_barrier::{Barrier, Transaction};
use coffer_manifest::{Kind, Needs};
use coffer_runtime::{Catalog, Registered, Releases, Versions};
use semver::Version;

pub use entry::{Entry, Grant, Plugin, missing_grants};
pub use register::{Registration, register, remove, sweep};
pub use signature::{Policy, Signature, SignaturePolicy, fingerprint, signer};
pub use store::Pieces;

use crate::stored::load;
use crate::{Error, keys, limits};

/// What the core's catalog needs to know of the server's configuration.
#[derive(Clone, Debug, Default)]
pub struct CatalogConfig {
    /// Whether registered components must be signed.
    pub signatures: SignaturePolicy,
    /// Whether this is a development server, where a version can be replaced.
    pub development: bool,
    /// Where the files are that Vault's `command` names.
    pub directory: Option<std::path::PathBuf>,
}

/// The stored catalog.
pub struct PluginCatalog {
    pub(crate) config: CatalogConfig,
    pub(crate) runtime: Arc<Catalog>,
    pub(crate) pieces: Pieces,
    /// One registration at a time: what two would do to each other's pieces is nobody's to think about.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl PluginCatalog {
    /// The catalog in this barrier. The runtime gets its components from it.
    pub fn new(config: CatalogConfig, barrier: Arc<Barrier>, runtime: Arc<Catalog>) -> Self {
        let pieces = Pieces::new(barrier);
        runtime.attach(Arc::new(pieces.clone()));
        Self {
            config,
            runtime,
            pieces,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Tells the runtime what may be run, as this transaction sees it.
    pub async fn publish(&self, txn: &mut Transaction) -> Result<(), Error> {
        let mut plugins: BTreeMap<(Kind, String), (Plugin, Versions)> = BTreeMap::new();
        for entry in entries(txn).await? {
            let key = (entry.kind, entry.name.clone());
            if !plugins.contains_key(&key) {
                let plugin = Plugin::load(txn, entry.kind, &entry.name).await?;
                let versions = Versions {
                    in_force: plugin.in_force.clone(),
                    all: BTreeMap::new(),
                };
                plugins.insert(key.clone(), (plugin, versions));
            }
            if let Some((plugin, versions)) = plugins.get_mut(&key) {
                let registered = Registered {
                    sha256: entry.sha256.as_str().into(),
                    refused: waits_for(&entry.manifest.needs, plugin),
                    granted: Arc::new(entry.manifest.needs),
                };
                versions.all.insert(entry.version, registered);
            }
        }
        let releases: Releases = plugins
            .into_iter()
            .map(|(key, (_, versions))| (key, versions))
            .collect();
        self.runtime.publish(releases);
        Ok(())
    }
}

/// Why a version may not be run, in the words of who has to do something about it.
pub fn waits_for(needs: &Needs, plugin: &Plugin) -> Option<String> {
    let missing = missing_grants(needs, plugin);
    if missing.is_empty() {
        return None;
    }
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    Some(format!(
        "waits for an operator to grant it {}",
        missing.join(", ")
    ))
}

/// All registered versions.
pub async fn entries(txn: &mut Transaction) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for key in txn
        .list(keys::PLUGIN_ENTRIES, None, limits::MAX_PLUGINS)
        .await?
    {
        found.extend(load(txn, &key).await?);
    }
    Ok(found)
}

/// One of them.
pub async fn entry(
    txn: &mut Transaction,
    kind: Kind,
    name: &str,
    version: &Version,
) -> Result<Option<Entry>, Error> {
    load(
        txn,
        &keys::plugin_entry(kind.name(), name, &version.to_string()),
    )
    .await
}
