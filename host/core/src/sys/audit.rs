//! `sys/audit` and `sys/audit-hash`.

use serde_json::{Map, json};

use crate::audit::{AuditEntry, DeviceConfig};
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, limits, stored};

/// The path of a device: as the list has it, with its trailing slash.
fn path(c: &Context<'_>) -> Result<String, Error> {
    let path = c.params.require("path")?;
    let path = path.trim_matches('/');
    let good = |c: char| c.is_ascii_graphic() || c == '/';
    if path.is_empty() || path.len() > limits::AUDIT_PATH || !path.chars().all(good) {
        return Err(Error::invalid(format!(
            "a path of an audit device has 1 to {} printable characters of ASCII",
            limits::AUDIT_PATH
        )));
    }
    Ok(format!("{path}/"))
}

pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let devices = c.core.audit.devices(&c.core.barrier).await?;
    let all = devices
        .iter()
        .map(|device| (device.entry.path.clone(), device.entry.describe()));
    Ok(Reply::flat(all.collect::<Map<_, _>>().into()))
}

/// Makes a device, once it has shown that it can write.
pub async fn enable(c: &mut Context<'_>) -> Result<Reply, Error> {
    let path = path(c)?;
    let (params, random) = (&c.params, &c.core.random);
    let config = DeviceConfig {
        path,
        kind: params.require("type")?,
        description: params.text("description")?.unwrap_or_default(),
        options: params.texts("options")?.unwrap_or_default(),
        local: params.boolean("local")?.unwrap_or(false),
    };
    let entry = AuditEntry::new(config, random);
    entry.check(&c.core.audit.config)?;
    let key = Ns(c.ns).audit(&entry.path);
    let there = c
        .txn
        .list(&Ns(c.ns).audit(""), None, limits::AUDIT_DEVICES)
        .await?;
    if there.len() >= limits::AUDIT_DEVICES {
        return Err(Error::invalid(format!(
            "there are {} audit devices, as many as there can be",
            there.len()
        )));
    }
    for have in &there {
        let value = c.txn.get(have).await?;
        let have: AuditEntry = value
            .and_then(|value| serde_json::from_slice(&value).ok())
            .ok_or_else(|| Error::Corrupt(have.clone()))?;
        if have.path.starts_with(&entry.path) || entry.path.starts_with(&have.path) {
            return Err(Error::invalid(format!(
                "path already in use at {}",
                have.path
            )));
        }
        if entry.file().is_some() && entry.file() == have.file() {
            return Err(Error::invalid(format!(
                "{} writes to this file already",
                have.path
            )));
        }
    }
    entry.prove(random, c.core.clock.now()).await?;
    c.txn
        .put(key, serde_json::to_vec(&entry).unwrap_or_default());
    Ok(Reply::empty())
}

pub async fn disable(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = Ns(c.ns).audit(&path(c)?);
    let entry: Option<AuditEntry> = stored::load(c.txn, &key).await?;
    if entry.is_some_and(|entry| entry.configured) {
        return Err(Error::invalid(
            "the server's configuration names this device: take it out of there, and restart",
        ));
    }
    c.txn.delete(key);
    Ok(Reply::empty())
}

/// What the device shows of a text, so that it can be looked for.
pub async fn hash(c: &mut Context<'_>) -> Result<Reply, Error> {
    let path = path(c)?;
    let input = c
        .params
        .text("input")?
        .ok_or_else(|| Error::invalid("the \"input\" parameter is empty"))?;
    let devices = c.core.audit.devices(&c.core.barrier).await?;
    let device = devices
        .get(&path)
        .ok_or_else(|| Error::invalid(format!("unknown audit backend {path}")))?;
    Ok(Reply::flat(json!({ "hash": device.hasher.hash(&input) })))
}
