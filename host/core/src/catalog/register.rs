//! Registering a component: everything that can be wrong with it is found before it is in the catalog.

use std::sync::Arc;

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use coffer_manifest::{Kind, check_name};
use coffer_runtime::{Release, digest, inspect, parse_version};
use semver::Version;

use super::signature::{self, Policy, Signature};
use super::{Entry, Grant, Plugin, PluginCatalog, entries, entry, missing_grants};
use crate::mount::NATIVE;
use crate::{Error, limits};

/// A component that somebody wants in the catalog.
#[derive(Debug)]
pub struct Registration {
    pub kind: Kind,
    pub name: String,
    /// Empty takes the component's own.
    pub version: String,
    pub component: Vec<u8>,
    /// The digest that it is expected to have, in hexadecimal; empty if nothing is expected.
    pub sha256: String,
    pub source: String,
    pub args: Vec<String>,
    pub signatures: Vec<Signature>,
    /// A public key in PEM that may sign this plugin from now on.
    pub key: Option<String>,
    /// Whether all that it asks for is granted.
    pub grant: bool,
    /// Whether it takes the place of another component of the same version.
    pub replace: bool,
    /// Who registers.
    pub by: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Registered {
    pub entry: Entry,
    pub warnings: Vec<String>,
}

/// Registers a component. It runs once it is reloaded; the first of its name, where there is none built in, at once.
///
/// # Errors
/// If there is anything wrong with it.
pub async fn register(
    catalog: &PluginCatalog,
    txn: &mut Transaction,
    mut wanted: Registration,
    now: UnixMillis,
) -> Result<Registered, Error> {
    check_name(&wanted.name).map_err(Error::invalid)?;
    if NATIVE.contains(&wanted.name.as_str()) {
        return Err(Error::invalid(format!(
            "a plugin cannot be called {:?}: that is what the host does itself",
            wanted.name
        )));
    }
    // To read all of a component takes longer than a request that waits for this thread should.
    let component = std::mem::take(&mut wanted.component);
    let read = tokio::task::spawn_blocking(move || {
        let (sha256, inspection) = (digest(&component), inspect(&component));
        (component, sha256, inspection)
    });
    let (component, sha256, inspection) = read
        .await
        .map_err(|error| Error::invalid(format!("the component cannot be read: {error}")))?;
    wanted.component = component;
    if !wanted.sha256.is_empty() && !wanted.sha256.eq_ignore_ascii_case(&sha256) {
        return Err(Error::invalid(format!(
            "the component has the SHA-256 {sha256}, not {}",
            wanted.sha256
        )));
    }
    let refused = |reason: &dyn std::fmt::Display| {
        Error::invalid(format!("plugin {:?} is refused: {reason}", wanted.name))
    };
    let inspection = inspection.map_err(|error| refused(&error))?;
    let manifest = inspection
        .manifest
        .ok_or_else(|| refused(&"it has no manifest; `coffer plugin build` writes one into it"))?;
    if manifest.kind != wanted.kind {
        return Err(refused(&format_args!(
            "it is for {}, not for {}",
            manifest.kind, wanted.kind
        )));
    }
    let version = version(&wanted.version, &manifest.version).map_err(|error| refused(&error))?;
    let mut plugin = Plugin::load(txn, wanted.kind, &wanted.name).await?;
    let mut warnings = Vec::new();
    let signed_by = check_signature(catalog, &wanted, &mut plugin, &mut warnings)
        .map_err(|error| refused(&error))?;
    let before = entry(txn, wanted.kind, &wanted.name, &version).await?;
    if before
        .as_ref()
        .is_some_and(|before| before.sha256 != sha256)
        && !wanted.replace
    {
        return Err(refused(&format_args!(
            "version {version} is registered with another component; register it under another version, or deregister that one first"
        )));
    }
    if entries(txn).await?.len() >= limits::MAX_PLUGINS {
        return Err(Error::invalid(format!(
            "there are {} plugins already",
            limits::MAX_PLUGINS
        )));
    }
    let release = Release {
        kind: wanted.kind,
        name: wanted.name.as_str().into(),
        version: version.clone(),
        sha256: sha256.as_str().into(),
        builtin: false,
        granted: Arc::new(manifest.needs.clone()),
    };
    let (_, code) = catalog
        .runtime
        .prove(&release, &wanted.component, Some(manifest.clone()))
        .await
        .map_err(|error| refused(&error))?;
    if wanted.grant {
        for capability in manifest.needs.capabilities() {
            let grant = Grant {
                by: wanted.by.clone(),
                at: now,
            };
            plugin.grants.entry(capability).or_insert(grant);
        }
    }
    let missing = missing_grants(&manifest.needs, &plugin);
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        warnings.push(format!(
            "it asks for {}, which nobody has granted: it does not run before somebody does (coffer plugin grant)",
            missing.join(", ")
        ));
    }
    let alone =
        plugin.in_force.is_none() && catalog.runtime.builtin(wanted.kind, &wanted.name).is_none();
    if alone {
        plugin.in_force = Some(version.clone());
    }
    plugin.store(txn, wanted.kind, &wanted.name);
    let entry = Entry {
        kind: wanted.kind,
        name: wanted.name,
        version,
        size: wanted.component.len() as u64,
        sha256,
        manifest,
        source: wanted.source,
        args: wanted.args,
        signatures: wanted.signatures,
        signed_by,
        registered: now,
        registered_by: wanted.by,
    };
    entry.store(txn);
    catalog
        .pieces
        .keep(&entry.sha256, &wanted.component)
        .await?;
    coffer_runtime::ComponentStore::keep_compiled(
        &catalog.pieces,
        &entry.sha256,
        &catalog.runtime.engine(),
        &code,
    )
    .await;
    Ok(Registered { entry, warnings })
}

fn version(asked: &str, own: &Version) -> Result<Version, String> {
    if asked.is_empty() {
        return Ok(own.clone());
    }
    let version =
        parse_version(asked).ok_or_else(|| format!("{asked:?} is no semantic version"))?;
    if version != *own {
        return Err(format!("it is version {own} of itself, not {version}"));
    }
    Ok(version)
}

/// Who signed it. A plugin that has keys is signed by one of them, or it is not signed.
fn check_signature(
    catalog: &PluginCatalog,
    wanted: &Registration,
    plugin: &mut Plugin,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, String> {
    let config = &catalog.config.signatures;
    if config.policy == Policy::Off {
        return Ok(None);
    }
    let print = |keys: &[String]| {
        keys.iter()
            .map(|pem| signature::fingerprint(pem))
            .collect::<Result<Vec<_>, _>>()
    };
    if let Some(key) = &wanted.key {
        let new = signature::fingerprint(key)?;
        if !config.keys.is_empty() && !print(&config.keys)?.contains(&new) {
            return Err("the server's configuration does not trust this key".to_owned());
        }
        let known = print(&plugin.keys)?;
        if !known.is_empty() && !known.contains(&new) {
            return Err(format!(
                "it is pinned to the key {}, and this is another",
                known.join(", ")
            ));
        }
        if known.is_empty() {
            plugin.keys.push(key.clone());
        }
    }
    let keys = if plugin.keys.is_empty() {
        &config.keys
    } else {
        &plugin.keys
    };
    let signer = signature::signer(&wanted.component, &wanted.signatures, keys)?;
    if signer.is_some() {
        return Ok(signer);
    }
    let unsigned = if wanted.signatures.is_empty() {
        "it is not signed"
    } else if keys.is_empty() {
        "no key is known that could have signed it; give one with -key"
    } else {
        "none of its signatures is by a key that is known"
    };
    // Who names a key wants it checked, whatever the server's policy; and who had one stays with it.
    if config.policy == Policy::Require || !plugin.keys.is_empty() {
        return Err(unsigned.to_owned());
    }
    warnings.push(unsigned.to_owned());
    Ok(None)
}

/// Removes an entry. Its bytes are left to [`sweep`].
///
/// # Errors
/// If storage fails.
pub async fn remove(txn: &mut Transaction, entry: &Entry) -> Result<(), Error> {
    txn.delete(entry.key());
    let mut plugin = Plugin::load(txn, entry.kind, &entry.name).await?;
    if plugin.in_force.as_ref() == Some(&entry.version) {
        plugin.in_force = None;
    }
    let others = entries(txn).await?;
    let last = !others
        .iter()
        .any(|other| (other.kind, &other.name) == (entry.kind, &entry.name));
    if last {
        // What was granted was granted to this plugin, not to who may be called so next.
        txn.delete(crate::keys::plugin(entry.kind.name(), &entry.name));
    } else {
        plugin.store(txn, entry.kind, &entry.name);
    }
    Ok(())
}

/// Removes the bytes that no entry names: of plugins that were removed, and of registrations that were cut off. To be
/// called by who has the turn, when what it did is durable.
///
/// # Errors
/// If storage fails.
pub async fn sweep(catalog: &PluginCatalog, txn: &mut Transaction) -> Result<(), Error> {
    let named = entries(txn).await?;
    for sha256 in catalog.pieces.digests().await? {
        let is_named = named.iter().any(|entry| entry.sha256 == sha256);
        if !is_named {
            catalog.pieces.remove(&sha256).await?;
        }
    }
    Ok(())
}
