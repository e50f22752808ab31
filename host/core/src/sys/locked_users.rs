//! `sys/locked-users`: who has failed to log in too often.
//! <https://developer.hashicorp.com/vault/api-docs/system/user-lockout>

use serde_json::json;

use crate::Error;
use crate::reply::Reply;
use crate::routes::Context;

/// Who is locked out, by mount.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let wanted = c.params.text("mount_accessor")?.unwrap_or_default();
    let mounts = c.core.mounts(c.txn).await?;
    let mut accessors = Vec::new();
    let mut total = 0;
    for mount in mounts.mounts() {
        let accessor = &mount.entry.accessor;
        if !wanted.is_empty() && wanted != *accessor {
            continue;
        }
        let names = c.core.locked(c.txn, mount).await?;
        if names.is_empty() {
            continue;
        }
        total += names.len();
        accessors.push(json!({
            "mount_accessor": accessor, "counts": names.len(), "alias_identifiers": names,
        }));
    }
    Ok(Reply::data(json!({
        "by_namespace": [{
            "namespace_id": c.ns, "namespace_path": "", "counts": total, "mount_accessors": accessors,
        }],
        "total": total,
    })))
}

/// Lets somebody in again, if they were locked out.
pub async fn unlock(c: &mut Context<'_>) -> Result<Reply, Error> {
    let accessor = c.params.require("mount_accessor")?;
    let name = c.params.require("alias_identifier")?;
    let mounts = c.core.mounts(c.txn).await?;
    let mounts = mounts.mounts();
    let mount = mounts.iter().find(|mount| mount.entry.accessor == accessor);
    if let Some(mount) = mount {
        c.core.unlock(c.txn, mount, &name);
    }
    Ok(Reply::empty())
}
