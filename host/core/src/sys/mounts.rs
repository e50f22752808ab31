//! `sys/mounts` and `sys/auth`: what is mounted where, and how it is tuned.

use coffer_barrier::Transaction;
use coffer_manifest::Kind;
use coffer_runtime::{LoadError, Wanted};
use serde_json::{Map, Value};

use super::init::mount as new_mount;
use super::plugin_limits;
use crate::keys::Ns;
use crate::lease::Job;
use crate::mount::{Mount, MountConfig, MountEntry, RESERVED, SYSTEM, TOKEN, Table};
use crate::params::Params;
use crate::reply::Reply;
use crate::request::Method;
use crate::routes::{AfterCommit, Context};
use crate::{Error, limits};
use std::sync::Arc;

pub(super) fn store_mount(txn: &mut Transaction, entry: &MountEntry) {
    txn.put(
        Ns(&entry.ns).mount(&entry.uuid),
        serde_json::to_vec(entry).unwrap_or_default(),
    );
}

fn table_of(prefix: &str) -> Table {
    if prefix.is_empty() {
        Table::Secret
    } else {
        Table::Auth
    }
}

/// All mounts of one table.
pub async fn list(c: &mut Context<'_>, prefix: &str) -> Result<Reply, Error> {
    let table = c.core.mounts(c.txn).await?;
    let wanted = table_of(prefix);
    let mounts = table
        .mounts()
        .into_iter()
        .filter(|mount| mount.entry.table == wanted);
    let data: Map<String, Value> = mounts
        .map(|mount| (mount.entry.path.clone(), mount.describe()))
        .collect();
    Ok(Reply::flat(data.into()))
}

/// The path below the table, with its slash; and whether `tune` is meant.
fn target(c: &Context<'_>) -> Result<(String, bool), Error> {
    let given = c.params.require("path")?;
    let (path, tune) = match given.strip_suffix("/tune") {
        Some(path) => (path, true),
        None => (given.as_str(), false),
    };
    Ok((mount_path(path)?, tune))
}

/// A path within a table, with its slash at the end, if a mount can be there.
pub(super) fn mount_path(given: &str) -> Result<String, Error> {
    let path = given.trim_matches('/');
    let fits = !path.is_empty()
        && path.len() <= limits::MAX_MOUNT_PATH
        && !path.contains("//")
        && !path.ends_with('*')
        && !path.split('/').any(|segment| segment == "+")
        && !path.chars().any(char::is_control);
    if !fits {
        return Err(Error::invalid(format!("{given:?} is no path for a mount")));
    }
    Ok(format!("{path}/"))
}

/// Two that mount at once must not both win a path: whoever is second sees the other's marker.
pub(super) async fn mark(txn: &mut Transaction, entry: &MountEntry) -> Result<(), Error> {
    let marker = Ns(&entry.ns).mounted(&entry.full_path());
    txn.get(&marker).await?;
    txn.put(marker, entry.uuid.clone().into_bytes());
    Ok(())
}

/// Frees its path.
pub(super) fn unmark(txn: &mut Transaction, entry: &MountEntry) {
    txn.delete(Ns(&entry.ns).mounted(&entry.full_path()));
}

async fn find(c: &mut Context<'_>, prefix: &str, path: &str) -> Result<Option<Arc<Mount>>, Error> {
    let full = format!("{prefix}{path}");
    let table = c.core.mounts(c.txn).await?;
    Ok(table
        .route(&full)
        .map(|(mount, _)| mount.clone())
        .filter(|mount| mount.entry.full_path() == full))
}

/// One mount, or how it is tuned.
pub async fn read(c: &mut Context<'_>, prefix: &str) -> Result<Reply, Error> {
    let (path, tune) = target(c)?;
    let mount = find(c, prefix, &path).await?;
    match mount {
        Some(mount) if tune => {
            let tuning = mount
                .entry
                .describe_tuning(mount.default_lease_ttl, mount.max_lease_ttl);
            Ok(Reply::flat(tuning.into()))
        }
        Some(mount) => Ok(Reply::flat(mount.describe())),
        None if tune => Err(Error::invalid(format!(
            "cannot fetch sysview for path \"{prefix}{path}\""
        ))),
        None if prefix.is_empty() => {
            Err(Error::invalid(format!("No secret engine mount at {path}")))
        }
        None => Err(Error::invalid(format!("No auth engine at {path}"))),
    }
}

/// Enables or tunes.
pub async fn write(c: &mut Context<'_>, prefix: &str) -> Result<Reply, Error> {
    debug_assert_eq!(c.request.method, Method::Post);
    let (path, is_tune) = target(c)?;
    if is_tune {
        tune(c, prefix, &path).await
    } else {
        enable(c, prefix, &path).await
    }
}

async fn enable(c: &mut Context<'_>, prefix: &str, path: &str) -> Result<Reply, Error> {
    let table = table_of(prefix);
    if table == Table::Secret && RESERVED.iter().any(|taken| path.starts_with(taken)) {
        return Err(Error::invalid(format!("cannot mount {path:?}")));
    }
    let mut kind = c.params.text("type")?.unwrap_or_default();
    let mut options = c.params.texts("options")?;
    let config = c.params.object("config")?.unwrap_or_default();
    let plugin_name = match c.params.text("plugin_name")? {
        Some(name) => Some(name),
        None => config.text("plugin_name")?,
    };
    if kind.is_empty() || kind == "plugin" {
        kind = plugin_name.unwrap_or_default();
    }
    if matches!(kind.as_str(), "kv-v1" | "kv-v2" | "generic") {
        let version = if kind == "kv-v2" { "2" } else { "1" };
        options
            .get_or_insert_default()
            .insert("version".to_owned(), version.to_owned());
        "kv".clone_into(&mut kind);
    }
    if kind.is_empty() {
        return Err(Error::invalid("backend type must be specified as a string"));
    }
    let version = c.params.text("plugin_version")?.unwrap_or_default();
    require_plugin(c, table, &kind, &version).await?;
    if kind == "kv"
        && !matches!(
            options
                .as_ref()
                .and_then(|o| o.get("version"))
                .map(String::as_str),
            None | Some("" | "1" | "2")
        )
    {
        return Err(Error::invalid(
            "the option \"version\" of kv is \"1\" or \"2\"",
        ));
    }
    let mounts = c.core.mounts(c.txn).await?;
    if mounts.mounts().len() >= limits::MAX_MOUNTS {
        return Err(Error::invalid(format!(
            "there are {} mounts already",
            limits::MAX_MOUNTS
        )));
    }
    if let Some(other) = mounts.collision(&format!("{prefix}{path}")) {
        return Err(Error::invalid(format!(
            "path is already in use at {}",
            other.entry.path
        )));
    }
    let now = c.core.clock.now();
    let description = c.params.text("description")?.unwrap_or_default();
    let mut entry = new_mount(&c.core.random, now, table, path, &kind, &description);
    entry.options = options;
    entry.local = c.params.boolean("local")?.unwrap_or(false);
    entry.seal_wrap = c.params.boolean("seal_wrap")?.unwrap_or(false);
    entry.external_entropy_access = c
        .params
        .boolean("external_entropy_access")?
        .unwrap_or(false);
    entry.plugin_version = version;
    configure(&mut entry, &config, c.core.config.max_lease_ttl)?;
    plugin_limits::configure(&mut entry, &config)?;
    store_mount(c.txn, &entry);
    mark(c.txn, &entry).await?;
    Ok(Reply::empty())
}

/// Refuses to mount what cannot run.
async fn require_plugin(
    c: &mut Context<'_>,
    table: Table,
    name: &str,
    version: &str,
) -> Result<(), Error> {
    // What was registered a moment ago counts.
    c.core.mounts(c.txn).await?;
    let wanted = |kind| Wanted {
        kind,
        name,
        version,
    };
    let catalog = &c.core.catalog.runtime;
    let found = match catalog.get(wanted(table.kind())).await {
        Err(LoadError::Unknown(what)) => {
            let elsewhere = Kind::ALL
                .into_iter()
                .find(|kind| catalog.resolve(wanted(*kind)).is_ok());
            let asked = match table {
                Table::Auth => "an auth method",
                Table::Secret => "a secret engine",
            };
            match elsewhere {
                Some(_) => return Err(Error::invalid(format!("plugin {name:?} is not {asked}"))),
                None => Err(LoadError::Unknown(what)),
            }
        }
        other => other,
    };
    found
        .map(|_| ())
        .map_err(|error| Error::invalid(error.to_string()))
}

async fn tune(c: &mut Context<'_>, prefix: &str, path: &str) -> Result<Reply, Error> {
    let Some(mount) = find(c, prefix, path).await? else {
        return Err(Error::invalid(format!(
            "no mount entry found for \"{prefix}{path}\""
        )));
    };
    let mut entry = mount.entry.clone();
    refuse_tuning(&entry, &c.params)?;
    mount.pin(c.txn);
    let params = std::mem::take(&mut c.params);
    configure(&mut entry, &params, c.core.config.max_lease_ttl)?;
    plugin_limits::configure(&mut entry, &params)?;
    if let Some(description) = params.text("description")? {
        entry.description = description;
    }
    if let Some(options) = params.texts("options")? {
        tune_options(&mut entry, options)?;
    }
    if let Some(version) = params.text("plugin_version")? {
        require_plugin(c, entry.table, &entry.kind, &version).await?;
        entry.plugin_version = version;
    }
    plugin_limits::meter(c, &mount, &entry).await?;
    store_mount(c.txn, &entry);
    c.after_commit.push(AfterCommit::DropMount(entry.uuid));
    Ok(Reply::empty())
}

/// What cannot be tuned: nothing that is asked for is left undone without a word.
fn refuse_tuning(entry: &MountEntry, params: &Params) -> Result<(), Error> {
    if entry.kind == TOKEN && params.has("token_type") {
        return Err(Error::invalid(
            "'token_type' cannot be set for 'token' or 'ns_token' auth mounts",
        ));
    }
    if entry.kind == SYSTEM {
        for name in ["default_lease_ttl", "max_lease_ttl"] {
            if params.has(name) {
                return Err(Error::invalid(format!(
                    "cannot tune parameter {name} of {:?}",
                    entry.path
                )));
            }
        }
    }
    Ok(())
}

fn tune_options(
    entry: &mut MountEntry,
    options: std::collections::BTreeMap<String, String>,
) -> Result<(), Error> {
    let have = entry.options.get_or_insert_default();
    if entry.kind == "kv"
        && let Some(version) = options.get("version")
    {
        let current = have.get("version").filter(|version| !version.is_empty());
        let current = current.map_or("1", String::as_str);
        // The engine takes over what version 1 has stored; there is no way back.
        if version != current && (current, version.as_str()) != ("1", "2") {
            return Err(Error::invalid(format!(
                "cannot change the version of this mount from {current} to {version}"
            )));
        }
    }
    have.extend(options);
    Ok(())
}

/// The settings that enabling and tuning share. Only what is given changes.
fn configure(entry: &mut MountEntry, params: &Params, server_max: u64) -> Result<(), Error> {
    let config: &mut MountConfig = &mut entry.config;
    let ttl = |name: &str| -> Result<Option<u64>, Error> {
        match params.text(name)?.as_deref() {
            Some("system" | "-1") => Ok(Some(0)),
            _ => params.seconds(name),
        }
    };
    if let Some(ttl) = ttl("default_lease_ttl")? {
        config.default_lease_ttl = ttl;
    }
    if let Some(ttl) = ttl("max_lease_ttl")? {
        config.max_lease_ttl = ttl;
    }
    let max = if config.max_lease_ttl > 0 {
        config.max_lease_ttl
    } else {
        server_max
    };
    if config.default_lease_ttl > max {
        let whose = if config.max_lease_ttl > 0 {
            "given max lease TTL"
        } else {
            "system max lease TTL"
        };
        return Err(Error::invalid(format!(
            "given default lease TTL greater than {whose}"
        )));
    }
    if let Some(force) = params.boolean("force_no_cache")? {
        config.force_no_cache = force;
    }
    if let Some(visibility) = params.text("listing_visibility")? {
        if !matches!(visibility.as_str(), "" | "hidden" | "unauth") {
            return Err(Error::invalid("invalid listing_visibility_type"));
        }
        config.listing_visibility = visibility;
    }
    if let Some(token_type) = params.text("token_type")? {
        if entry.table != Table::Auth {
            return Err(Error::invalid(
                "'token_type' can only be modified on auth mounts",
            ));
        }
        if !matches!(
            token_type.as_str(),
            "" | "service" | "batch" | "default-service" | "default-batch"
        ) {
            return Err(Error::invalid(format!(
                "invalid value {token_type:?} for 'token_type'"
            )));
        }
        config.token_type = token_type;
    }
    if let Some(lockout) = params.object("user_lockout_config")? {
        if entry.table != Table::Auth {
            return Err(Error::invalid(
                "'user_lockout_config' can only be modified on auth mounts",
            ));
        }
        config.user_lockout.configure(&lockout)?;
    }
    for (name, list) in [
        (
            "passthrough_request_headers",
            &mut config.passthrough_request_headers,
        ),
        (
            "allowed_response_headers",
            &mut config.allowed_response_headers,
        ),
        (
            "audit_non_hmac_request_keys",
            &mut config.audit_non_hmac_request_keys,
        ),
        (
            "audit_non_hmac_response_keys",
            &mut config.audit_non_hmac_response_keys,
        ),
    ] {
        if let Some(given) = params.list(name)? {
            *list = given;
        }
    }
    Ok(())
}

/// Disables: the mount is gone when this returns; its leases, and then its data, follow behind.
pub async fn disable(c: &mut Context<'_>, prefix: &str) -> Result<Reply, Error> {
    let (path, tune) = target(c)?;
    if tune {
        return Err(Error::UnsupportedOperation);
    }
    let Some(mount) = find(c, prefix, &path).await? else {
        return Ok(Reply::empty());
    };
    let entry = &mount.entry;
    if entry.is_native() {
        let what = if prefix.is_empty() {
            "unmount"
        } else {
            "disable"
        };
        return Err(Error::invalid(format!("cannot {what} {path:?}")));
    }
    let ns = Ns(&entry.ns);
    c.txn.require(ns.mount(&entry.uuid), Some(mount.version));
    c.txn.delete(ns.mount(&entry.uuid));
    unmark(c.txn, entry);
    c.txn.put(
        ns.unmounted(&entry.uuid),
        serde_json::to_vec(entry).unwrap_or_default(),
    );
    Job::Unmount {
        uuid: entry.uuid.clone(),
    }
    .schedule(c.txn, c.ns, &entry.uuid, c.core.clock.now())?;
    c.after_commit
        .push(AfterCommit::DropMount(entry.uuid.clone()));
    Ok(Reply::empty())
}
