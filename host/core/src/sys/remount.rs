//! `sys/remount`: a mount at another path. <https://developer.hashicorp.com/vault/api-docs/system/remount>
//!
//! The mount is at its new path, and nowhere else, when this answers. Its leases and tokens bear the old path: they are
//! revoked behind it, and until that is done the status says so.

use serde_json::json;

use super::mounts::{mark, mount_path, store_mount, unmark};
use crate::lease::Job;
use crate::mount::{MountEntry, Moved, RESERVED, Table};
use crate::reply::Reply;
use crate::routes::{AfterCommit, Context};
use crate::{Error, limits};

/// A full path: the table that it is in, and the path within that.
fn target(given: &str) -> Result<(Table, String), Error> {
    if given.trim() != given {
        return Err(Error::invalid(format!(
            "path {given:?} cannot contain leading or trailing whitespace"
        )));
    }
    let given = given.trim_start_matches('/');
    Ok(match given.strip_prefix(Table::Auth.prefix()) {
        Some(path) => (Table::Auth, mount_path(path)?),
        None => (Table::Secret, mount_path(given)?),
    })
}

/// Moves a mount.
pub async fn remount(c: &mut Context<'_>) -> Result<Reply, Error> {
    let path = |name| Ok::<_, Error>(c.params.text(name)?.unwrap_or_default());
    let (from, to) = (path("from")?, path("to")?);
    if from.is_empty() || to.is_empty() {
        return Err(Error::invalid(
            "both 'from' and 'to' path must be specified as a string",
        ));
    }
    let ((from_table, from), (to_table, to)) = (target(&from)?, target(&to)?);
    let (from_full, to_full) = (
        format!("{}{from}", from_table.prefix()),
        format!("{}{to}", to_table.prefix()),
    );
    let mounts = c.core.mounts(c.txn).await?;
    let mount = mounts
        .route(&from_full)
        .map(|(mount, _)| mount.clone())
        .filter(|mount| mount.entry.full_path() == from_full)
        .ok_or_else(|| Error::invalid(format!("no matching mount at {from_full:?}")))?;
    if mount.entry.is_native() {
        return Err(Error::invalid(format!("cannot remount {from_full:?}")));
    }
    let reserved = to_table == Table::Secret && RESERVED.iter().any(|taken| to.starts_with(taken));
    if to_table != from_table || reserved {
        return Err(Error::invalid(format!(
            "cannot remount to destination {to_full}"
        )));
    }
    if let Some(other) = mounts.collision(&to_full) {
        let taken = other.entry.full_path();
        return Err(Error::invalid(format!("path already in use at {taken:?}")));
    }
    let now = c.core.clock.now();
    let id = c.core.random.uuid();
    let entry = MountEntry {
        path: to,
        moved: Some(Moved {
            id: id.clone(),
            from: from_full.clone(),
        }),
        ..mount.entry.clone()
    };
    mount.pin(c.txn);
    store_mount(c.txn, &entry);
    unmark(c.txn, &mount.entry);
    mark(c.txn, &entry).await?;
    Job::Prefix {
        prefix: from_full,
        until: now,
    }
    .schedule(c.txn, c.ns, &id, now)?;
    c.after_commit.push(AfterCommit::DropMount(entry.uuid));
    Ok(Reply::flat(json!({ "migration_id": id })).with_warning(
        "Mount move has been queued. Its leases and tokens are being revoked; sys/remount/status tells when that is done",
    ))
}

/// How far a move is.
pub async fn status(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("migration_id")?;
    let mounts = c.core.mounts(c.txn).await?;
    let moved = mounts.mounts().into_iter().find_map(|mount| {
        let moved = mount.entry.moved.as_ref().filter(|moved| moved.id == id)?;
        Some((moved.from.clone(), mount.entry.full_path()))
    });
    let (from, to) = moved.ok_or(Error::Nothing)?;
    let job = Job::Prefix {
        prefix: from.clone(),
        until: c.core.clock.now(),
    };
    // Clients that do not find it done look again after ten seconds: mostly it is worth waiting for.
    let patience = tokio::time::Instant::now() + limits::REMOUNT_PATIENCE;
    let done = loop {
        if !job.is_scheduled(&c.core.barrier.begin()?, &id).await? {
            break true;
        }
        if tokio::time::Instant::now() >= patience {
            break false;
        }
        tokio::time::sleep(limits::REMOUNT_LOOK).await;
    };
    Ok(Reply::data(json!({
        "migration_id": id,
        "migration_info": {
            "source_mount": from,
            "target_mount": to,
            "status": if done { "success" } else { "in-progress" },
        },
    })))
}
