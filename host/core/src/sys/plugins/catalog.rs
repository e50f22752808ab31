//! What there is, registering and removing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_manifest::Kind;
use coffer_runtime::{MAX_COMPONENT, Release};
use serde_json::{Map, Value, json};

use super::used::Users;
use super::{kind, unknown, version, versions};
use crate::Error;
use crate::catalog::{self, Entry, Plugin, Registration, missing_grants};
use crate::reply::Reply;
use crate::routes::Context;

/// Everything, by kind and in detail.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut names: BTreeMap<Kind, Vec<String>> = Kind::ALL.map(|kind| (kind, Vec::new())).into();
    let mut detailed = Vec::new();
    let builtins: Vec<Release> = c.core.catalog.runtime.builtins().cloned().collect();
    for release in builtins {
        names
            .entry(release.kind)
            .or_default()
            .push(release.name.to_string());
        detailed.push(builtin(&release));
    }
    let users = Users::find(c).await?;
    for entry in catalog::entries(c.txn).await? {
        names
            .entry(entry.kind)
            .or_default()
            .push(entry.name.clone());
        let plugin = Plugin::load(c.txn, entry.kind, &entry.name).await?;
        detailed.push(details(&entry, &plugin, &users));
    }
    let mut data = Map::new();
    for (kind, mut names) in names {
        names.sort();
        names.dedup();
        data.insert(kind.name().to_owned(), json!(names));
    }
    data.insert("detailed".to_owned(), detailed.into());
    Ok(Reply::data(data.into()))
}

/// The names of one kind.
pub async fn list_kind(c: &mut Context<'_>) -> Result<Reply, Error> {
    let kind = kind(c)?;
    let registered = catalog::entries(c.txn).await?;
    let builtins = c.core.catalog.runtime.builtins();
    let mut names: Vec<String> = builtins
        .filter(|release| release.kind == kind)
        .map(|release| release.name.to_string())
        .chain(
            registered
                .into_iter()
                .filter(|entry| entry.kind == kind)
                .map(|entry| entry.name),
        )
        .collect();
    names.sort();
    names.dedup();
    Reply::list(names)
}

fn builtin(release: &Release) -> Value {
    json!({
        "args": [],
        "builtin": true,
        "command": "",
        "deprecation_status": "supported",
        "name": &*release.name,
        "sha256": &*release.sha256,
        "type": release.kind,
        "version": release.label(),
    })
}

fn details(entry: &Entry, plugin: &Plugin, users: &Users) -> Value {
    let missing: Vec<String> = missing_grants(&entry.manifest.needs, plugin)
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "args": entry.args,
        "asks": entry.manifest.needs.capabilities(),
        "builtin": false,
        "command": entry.source,
        "contract": entry.manifest.contract,
        "description": entry.manifest.description,
        "in_force": plugin.in_force.as_ref() == Some(&entry.version),
        "name": entry.name,
        "pinned": plugin.pin.as_ref() == Some(&entry.version),
        "registered": crate::time::rfc3339(entry.registered),
        "registered_by": entry.registered_by,
        "sha256": entry.sha256,
        "signed_by": entry.signed_by,
        "size": entry.size,
        "type": entry.kind,
        "used_by": users.of(entry.kind, &entry.name, &entry.version),
        "version": format!("v{}", entry.version),
        "waits_for": missing,
    })
}

/// One plugin: the version asked for, else the one that runs.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.require("name")?;
    let kinds = match c.params.has("type") {
        true => vec![kind(c)?],
        false => Kind::ALL.to_vec(),
    };
    let asked = version(c)?;
    let with_component = c.params.boolean("component")?.unwrap_or(false);
    let users = Users::find(c).await?;
    for kind in kinds.iter().copied() {
        let plugin = Plugin::load(c.txn, kind, &name).await?;
        let all = versions(c, kind, &name).await?;
        let own = c.core.catalog.runtime.builtin(kind, &name).cloned();
        let wanted = asked.as_ref().or(plugin.in_force.as_ref());
        let entry = match wanted {
            Some(wanted) => all.iter().find(|entry| entry.version == *wanted),
            None if own.is_none() => all.last(),
            None => None,
        };
        if let Some(entry) = entry {
            let mut data = details(entry, &plugin, &users);
            if with_component && let Some(map) = data.as_object_mut() {
                let store = &c.core.catalog.pieces;
                let bytes = coffer_runtime::ComponentStore::component(store, &entry.sha256)
                    .await
                    .map_err(Error::NotFound)?;
                map.insert("component".to_owned(), BASE64_STANDARD.encode(bytes).into());
                map.insert("signatures".to_owned(), json!(entry.signatures));
            }
            return Ok(Reply::data(data));
        }
        if let Some(own) = own.filter(|own| wanted.is_none_or(|wanted| own.version == *wanted)) {
            return Ok(Reply::data(builtin(&own)));
        }
    }
    Err(match kinds.as_slice() {
        [kind] => unknown(*kind, &name),
        _ => Error::NotFound(format!("there is no plugin {name:?} in the catalog")),
    })
}

/// Registers a version.
pub async fn register(c: &mut Context<'_>) -> Result<Reply, Error> {
    let kind = kind(c).map_err(|_| {
        Error::invalid("missing or invalid plugin type: it is auth, database or secret")
    })?;
    for unsupported in ["oci_image", "runtime"] {
        if !c.params.text(unsupported)?.unwrap_or_default().is_empty() {
            return Err(Error::invalid(format!(
                "{unsupported} names a container, and plugins are WebAssembly components: `coffer plugin register` takes oci:// references"
            )));
        }
    }
    let signatures = match c.params.map().get("signatures") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|error| Error::invalid(format!("signatures: {error}")))?,
    };
    let (component, source) = component(c).await?;
    let sha256 = match c.params.text("sha256")? {
        Some(sha256) => sha256,
        None => c.params.text("sha_256")?.unwrap_or_default(),
    };
    let replace = c.params.boolean("replace")?.unwrap_or(false);
    if replace && !c.core.catalog.config.development {
        return Err(Error::invalid(
            "a registered version can be replaced on a development server only; register another version",
        ));
    }
    let by = c.caller()?.held.token.entry.display_name.clone();
    let registration = Registration {
        kind,
        name: c.params.require("name")?,
        version: c.params.text("version")?.unwrap_or_default(),
        component,
        sha256,
        source,
        args: c.params.list("args")?.unwrap_or_default(),
        signatures,
        key: c.params.text("key")?.filter(|key| !key.is_empty()),
        grant: c.params.boolean("grant")?.unwrap_or(false),
        replace,
        by,
    };
    let plugins = c.core.catalog.clone();
    let _turn = plugins.turn.lock().await;
    let now = c.core.clock.now();
    let done = catalog::register(&plugins, c.txn, registration, now).await?;
    c.commit_and_continue().await?;
    catalog::sweep(&plugins, c.txn).await?;
    let users = Users::find(c).await?;
    let plugin = Plugin::load(c.txn, kind, &done.entry.name).await?;
    tracing::info!(
        plugin = done.entry.name,
        version = %done.entry.version,
        sha256 = done.entry.sha256,
        by = done.entry.registered_by,
        "plugin registered"
    );
    Ok(Reply {
        warnings: done.warnings,
        ..Reply::data(details(&done.entry, &plugin, &users))
    })
}

/// The component's bytes, and where they are from.
async fn component(c: &Context<'_>) -> Result<(Vec<u8>, String), Error> {
    let command = c.params.text("command")?.unwrap_or_default();
    if let Some(text) = c.params.text("component")?.filter(|text| !text.is_empty()) {
        let bytes = BASE64_STANDARD
            .decode(text.trim())
            .map_err(|error| Error::invalid(format!("component is not base64: {error}")))?;
        let source = c.params.text("source")?.filter(|source| !source.is_empty());
        return Ok((bytes, source.unwrap_or(command)));
    }
    if command.is_empty() {
        return Err(Error::invalid(
            "there is nothing to register: give component (base64), or command, a file in the server's plugin_directory",
        ));
    }
    // The file could be another one tomorrow: as in Vault, the caller says which it is.
    if !c.params.has("sha256") && !c.params.has("sha_256") {
        return Err(Error::invalid("missing SHA-256 value"));
    }
    let directory = c.core.catalog.config.directory.as_ref().ok_or_else(|| {
        Error::invalid("the server's configuration names no plugin_directory to find command in")
    })?;
    if command.contains(['/', '\\', '\0']) || command.starts_with('.') {
        return Err(Error::invalid(format!(
            "command {command:?} is no name of a file in the plugin directory"
        )));
    }
    let bytes = read_file(directory.join(&command))
        .await
        .map_err(|error| Error::invalid(format!("{command:?} cannot be read: {error}")))?;
    Ok((bytes, command))
}

async fn read_file(path: std::path::PathBuf) -> Result<Vec<u8>, String> {
    use tokio::io::AsyncReadExt;
    let no = |error: std::io::Error| error.kind().to_string();
    let file = tokio::fs::File::open(path).await.map_err(no)?;
    let meta = file.metadata().await.map_err(no)?;
    if !meta.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let most = MAX_COMPONENT as u64;
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(no)?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {most} bytes"));
    }
    Ok(bytes)
}

/// Removes a version.
pub async fn remove(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let plugins = c.core.catalog.clone();
    let _turn = plugins.turn.lock().await;
    let all = versions(c, kind, &name).await?;
    let entry = match (version(c)?, all.as_slice()) {
        // As in Vault, removing what is not there is no mistake.
        (_, []) => return Ok(Reply::empty()),
        (Some(version), all) => match all.iter().find(|entry| entry.version == version) {
            Some(entry) => entry.clone(),
            None => return Ok(Reply::empty()),
        },
        (None, [only]) => only.clone(),
        (None, all) => {
            let versions: Vec<_> = all.iter().map(|entry| entry.version.to_string()).collect();
            return Err(Error::invalid(format!(
                "{name} is registered in several versions ({}); say which",
                versions.join(", ")
            )));
        }
    };
    let used = Users::find(c).await?.of(kind, &name, &entry.version);
    if !used.is_empty() {
        return Err(Error::invalid(format!(
            "{name} v{} is in use by {}; move these to another version or disable them first",
            entry.version,
            used.join(", ")
        )));
    }
    catalog::remove(c.txn, &entry).await?;
    c.commit_and_continue().await?;
    catalog::sweep(&plugins, c.txn).await?;
    tracing::info!(plugin = name, version = %entry.version, "plugin deregistered");
    Ok(Reply::empty())
}
