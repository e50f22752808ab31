//! `sys/internal/inspect`: what the router knows. Off but where the configuration has `introspection_endpoint`.
//! <https://developer.hashicorp.com/vault/api-docs/system/inspect/router>

use serde_json::{Value, json};

use crate::Error;
use crate::mount::Mount;
use crate::reply::Reply;
use crate::routes::Context;

fn allowed(c: &Context<'_>) -> Result<(), Error> {
    match c.core.config.introspection {
        true => Ok(()),
        false => Err(Error::UnsupportedPath),
    }
}

/// All mounts, in the order of what they are looked up by.
pub async fn router(c: &mut Context<'_>) -> Result<Reply, Error> {
    allowed(c)?;
    let tag = c.params.require("tag")?;
    let by: fn(&Mount) -> String = match tag.as_str() {
        "root" => |mount| mount.entry.full_path(),
        "uuid" => |mount| mount.entry.uuid.clone(),
        "accessor" => |mount| mount.entry.accessor.clone(),
        "storage" => |mount| storage(mount),
        _ => return Err(Error::UnsupportedPath),
    };
    let table = c.core.mounts(c.txn).await?;
    let mut mounts = table.mounts();
    mounts.sort_by_key(|mount| by(mount));
    let mounts = mounts.into_iter().map(|mount| {
        let entry = &mount.entry;
        json!({
            "accessor": entry.accessor,
            "mount_namespace": "",
            "mount_path": entry.full_path(),
            "mount_type": entry.kind,
            "storage_prefix": storage(mount),
            "tainted": false,
            "uuid": entry.uuid,
        })
    });
    let mounts: Vec<Value> = mounts.collect();
    Ok(Reply::data(json!({ tag: mounts })))
}

/// Where what a mount stores lies.
fn storage(mount: &Mount) -> String {
    crate::keys::Ns(&mount.entry.ns).data(&mount.entry.uuid)
}

/// The request itself, as the server sees it; no secret of it.
pub async fn request(c: &mut Context<'_>) -> Result<Reply, Error> {
    allowed(c)?;
    let caller = c.caller()?;
    let (entry, identity) = (&caller.held.token.entry, caller.identity.as_deref());
    let headers: Vec<_> = c
        .request
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    Ok(Reply::data(json!({
        "data": c.params.map(),
        "cluster_id": c.core.cluster.load_full().map(|cluster| cluster.id.clone()),
        "entity": identity.map(|identity| &identity.entity.name),
        "groups": identity.map(|identity| identity.groups().map(|group| &group.name).collect::<Vec<_>>()),
        "vault_version": c.core.config.version,
        "req": {
            "client_token_accessor": entry.accessor,
            "client_token_remaining_uses": entry.num_uses,
            "connection": { "remote_addr": c.request.remote.ip(), "remote_port": c.request.remote.port() },
            "display_name": entry.display_name,
            "entity_id": entry.entity,
            "header_names": headers,
            "mount_point": "sys/",
            "mount_type": "system",
            "operation": "read",
            "path": c.request.path.strip_prefix("sys/"),
            "unauthenticated": false,
        },
    })))
}
