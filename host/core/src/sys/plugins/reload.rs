//! Hot swap: the version that is to run is loaded and tried beside the one that runs, and takes its place in one commit.
//! New requests get the new one; those under way end on the old one, and database connections are replaced one by one.

use coffer_manifest::Kind;
use coffer_runtime::{Release, Wanted};
use semver::Version;
use serde_json::json;

use super::{kind, unknown, versions};
use crate::Error;
use crate::catalog::{Entry, Plugin, waits_for};
use crate::reply::Reply;
use crate::routes::{AfterCommit, Context};

/// `sys/plugins/reload/{type}/{name}`.
pub async fn reload(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let mut warnings = Vec::new();
    if !reload_one(c, kind, &name, &mut warnings).await? {
        return Err(unknown(kind, &name));
    }
    answer(c, warnings)
}

/// `sys/plugins/reload/backend`: a plugin by its name, or the plugins of some mounts.
pub async fn reload_any(c: &mut Context<'_>) -> Result<Reply, Error> {
    let plugin = c.params.text("plugin")?.filter(|name| !name.is_empty());
    let mounts = c.params.list("mounts")?.unwrap_or_default();
    let mut warnings = Vec::new();
    match plugin {
        Some(_) if !mounts.is_empty() => {
            return Err(Error::invalid(
                "plugin and mounts cannot be set at the same time",
            ));
        }
        None if mounts.is_empty() => {
            return Err(Error::invalid("plugin or mounts must be provided"));
        }
        Some(name) => {
            let mut found = false;
            for kind in Kind::ALL {
                found |= reload_one(c, kind, &name, &mut warnings).await?;
            }
            if !found {
                return Err(Error::NotFound(format!(
                    "there is no plugin {name:?} in the catalog"
                )));
            }
        }
        None => restart(c, &mounts).await?,
    }
    answer(c, warnings)
}

fn answer(c: &Context<'_>, warnings: Vec<String>) -> Result<Reply, Error> {
    if c.params.text("scope")?.as_deref() == Some("global") {
        // Every node learns of it from the same commit.
        return Ok(Reply {
            status: Some(202),
            warnings,
            ..Reply::data(json!({ "reload_id": c.core.random.uuid() }))
        });
    }
    Ok(Reply {
        warnings,
        ..Reply::empty()
    })
}

/// Drops what the plugins of these mounts keep between calls.
async fn restart(c: &mut Context<'_>, mounts: &[String]) -> Result<(), Error> {
    let table = c.core.mounts(c.txn).await?;
    for path in mounts {
        let full = format!("{}/", path.trim_matches('/'));
        let mount = table
            .route(&full)
            .map(|(mount, _)| mount)
            .filter(|mount| mount.entry.full_path() == full && !mount.entry.is_native())
            .ok_or_else(|| Error::invalid(format!("there is no plugin mounted at {path:?}")))?;
        c.after_commit
            .push(AfterCommit::DropMount(mount.entry.uuid.clone()));
    }
    Ok(())
}

/// Returns whether there is such a plugin.
async fn reload_one(
    c: &mut Context<'_>,
    kind: Kind,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<bool, Error> {
    let table = c.core.mounts(c.txn).await?;
    let runtime = c.core.catalog.runtime.clone();
    let own = runtime.builtin(kind, name).cloned();
    let all = versions(c, kind, name).await?;
    if all.is_empty() && own.is_none() {
        return Ok(false);
    }
    let mut plugin = Plugin::load(c.txn, kind, name).await?;
    let target = target(&all, &plugin, own.as_ref(), warnings)?;
    let release = match &target {
        Some(entry) => entry.release(),
        None => own.ok_or_else(|| unknown(kind, name))?,
    };
    let stays = |reason: &dyn std::fmt::Display| {
        let runs = Wanted {
            kind,
            name,
            version: "",
        };
        let runs = runtime.resolve(runs).map_or_else(
            |error| error.to_string(),
            |runs| format!("{} runs on", runs.label()),
        );
        Error::invalid(format!(
            "{name} {} does not take over: {reason}; {runs}",
            release.label()
        ))
    };
    let component = runtime
        .load(&release)
        .await
        .map_err(|error| stays(&error))?;
    c.core
        .plugins
        .probe(&release, &component)
        .await
        .map_err(|error| stays(&error))?;
    plugin.in_force = target.map(|entry| entry.version.clone());
    if !all.is_empty() {
        plugin.store(c.txn, kind, name);
    }
    for mount in table.mounts() {
        if mount.entry.kind == name && mount.entry.table.kind() == kind {
            c.after_commit
                .push(AfterCommit::DropMount(mount.entry.uuid.clone()));
        }
    }
    tracing::info!(plugin = name, version = release.label(), "plugin reloaded");
    Ok(true)
}

/// What is to run: what is pinned, else the newest that may run; None is the built-in one.
fn target<'e>(
    all: &'e [Entry],
    plugin: &Plugin,
    own: Option<&Release>,
    warnings: &mut Vec<String>,
) -> Result<Option<&'e Entry>, Error> {
    let find = |version: &Version| all.iter().find(|entry| entry.version == *version);
    let waits = |entry: &Entry| {
        waits_for(&entry.manifest.needs, plugin)
            .map(|reason| format!("{} v{} {reason}", entry.name, entry.version))
    };
    if let Some(pin) = &plugin.pin {
        return match find(pin) {
            Some(entry) => match waits(entry) {
                Some(reason) => Err(Error::invalid(reason)),
                None => Ok(Some(entry)),
            },
            None if own.is_some_and(|own| own.version == *pin) => Ok(None),
            None => Err(Error::invalid(format!(
                "the pinned version v{pin} is not registered"
            ))),
        };
    }
    // A pre-release takes over only where there is nothing else.
    let newest_first = || all.iter().rev();
    let ordered = newest_first()
        .filter(|entry| entry.version.pre.is_empty())
        .chain(newest_first().filter(|entry| !entry.version.pre.is_empty()));
    for entry in ordered {
        match waits(entry) {
            Some(reason) => warnings.push(format!("{reason}; it does not take over before")),
            None => return Ok(Some(entry)),
        }
    }
    match own {
        Some(_) => Ok(None),
        None => Err(Error::invalid(warnings.join("; "))),
    }
}
