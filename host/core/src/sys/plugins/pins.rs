//! Pins: the version that an operator wants to run where none is asked for, whatever is registered after it. A pin counts
//! from the next reload on.

use serde_json::{Value, json};

use super::{kind, version, versions};
use crate::Error;
use crate::catalog::{Plugin, entries};
use crate::reply::Reply;
use crate::routes::Context;

/// All pins.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut names: Vec<_> = entries(c.txn)
        .await?
        .into_iter()
        .map(|entry| (entry.kind, entry.name))
        .collect();
    names.sort();
    names.dedup();
    let mut pins: Vec<Value> = Vec::new();
    for (kind, name) in names {
        if let Some(pin) = Plugin::load(c.txn, kind, &name).await?.pin {
            pins.push(json!({ "name": name, "type": kind, "version": format!("v{pin}") }));
        }
    }
    Ok(Reply::data(json!({ "pinned_versions": pins })))
}

/// One pin.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let pin = Plugin::load(c.txn, kind, &name).await?.pin;
    let pin = pin.ok_or_else(|| Error::NotFound(format!("no version of {name} is pinned")))?;
    Ok(Reply::data(
        json!({ "name": name, "type": kind, "version": format!("v{pin}") }),
    ))
}

/// Pins a version.
pub async fn pin(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let version = version(c)?.ok_or_else(|| Error::invalid("version must be specified"))?;
    let registered = versions(c, kind, &name).await?;
    let own = c.core.catalog.runtime.builtin(kind, &name);
    let known = registered.iter().any(|entry| entry.version == version)
        || own.is_some_and(|own| own.version == version);
    if !known || registered.is_empty() {
        return Err(Error::invalid(format!(
            "{name} v{version} is not registered"
        )));
    }
    let mut plugin = Plugin::load(c.txn, kind, &name).await?;
    plugin.pin = Some(version);
    plugin.store(c.txn, kind, &name);
    Ok(Reply::empty())
}

/// Takes a pin away.
pub async fn unpin(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let mut plugin = Plugin::load(c.txn, kind, &name).await?;
    if plugin.pin.take().is_some() {
        plugin.store(c.txn, kind, &name);
    }
    Ok(Reply::empty())
}
