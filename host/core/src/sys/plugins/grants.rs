//! What plugins ask for, and what operators have granted: the second of the two keys to every capability.

use coffer_manifest::Capability;
use serde_json::{Map, Value, json};

use super::{kind, unknown, version, versions};
use crate::Error;
use crate::catalog::{Grant, Plugin, missing_grants};
use crate::reply::Reply;
use crate::routes::Context;

/// What each version asks for, what was granted by whom, and what each still waits for.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let all = versions(c, kind, &name).await?;
    if all.is_empty() {
        return Err(unknown(kind, &name));
    }
    let plugin = Plugin::load(c.txn, kind, &name).await?;
    let (mut asks, mut waits) = (Map::new(), Map::new());
    for entry in &all {
        let version = format!("v{}", entry.version);
        let needs = &entry.manifest.needs;
        asks.insert(version.clone(), json!(needs.capabilities()));
        let missing = missing_grants(needs, &plugin);
        if !missing.is_empty() {
            waits.insert(version, json!(missing));
        }
    }
    let granted: Map<String, Value> = plugin
        .grants
        .iter()
        .map(|(capability, grant)| {
            let at = crate::time::rfc3339(grant.at);
            (capability.to_string(), json!({ "by": grant.by, "at": at }))
        })
        .collect();
    Ok(Reply::data(json!({
        "name": name,
        "type": kind,
        "asks": asks,
        "granted": granted,
        "waits_for": waits,
    })))
}

fn capabilities(c: &Context<'_>) -> Result<Vec<Capability>, Error> {
    let texts = c.params.list("capabilities")?.unwrap_or_default();
    texts
        .iter()
        .map(|text| text.parse().map_err(Error::Invalid))
        .collect()
}

/// Grants what is named, or all that a version asks for (the newest, if none is said).
pub async fn grant(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let all = versions(c, kind, &name).await?;
    let mut granted = capabilities(c)?;
    if granted.is_empty() {
        let entry = match version(c)? {
            Some(version) => all.iter().find(|entry| entry.version == version),
            None => all.last(),
        };
        let entry = entry.ok_or_else(|| unknown(kind, &name))?;
        granted = entry.manifest.needs.capabilities();
    } else {
        let asked = |capability: &Capability| {
            all.iter()
                .any(|entry| entry.manifest.needs.capabilities().contains(capability))
        };
        if let Some(stray) = granted.iter().find(|capability| !asked(capability)) {
            return Err(Error::invalid(format!(
                "no version of {name} asks for {stray}"
            )));
        }
    }
    let by = c.caller()?.held.token.entry.display_name.clone();
    let at = c.core.clock.now();
    let mut plugin = Plugin::load(c.txn, kind, &name).await?;
    for capability in granted {
        tracing::info!(plugin = name, %capability, by, "capability granted");
        let grant = Grant { by: by.clone(), at };
        plugin.grants.entry(capability).or_insert(grant);
    }
    plugin.store(c.txn, kind, &name);
    Ok(Reply::empty())
}

/// Takes back what is named, at once: a mount that runs a version which asks for it is unavailable.
pub async fn withdraw(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (kind, name) = (kind(c)?, c.params.require("name")?);
    let mut plugin = Plugin::load(c.txn, kind, &name).await?;
    let named = capabilities(c)?;
    if named.is_empty() {
        return Err(Error::invalid("capabilities must be specified"));
    }
    for capability in named {
        tracing::info!(plugin = name, %capability, "capability withdrawn");
        plugin.grants.remove(&capability);
    }
    plugin.store(c.txn, kind, &name);
    Ok(Reply::empty())
}
