//! The limits of a mount's plugin as they are set, and the count of what it has stored before it had one.
//!
//! That count is made in the request that sets the limit, a page at a time: the limit can be kept only from then on, and
//! whoever sets it is to know when that is. Nothing stands still meanwhile. First the mount is marked as metered, in a
//! commit of its own: from there on every commit of its plugin notes in the counters what it adds or takes away, and one
//! that began before it is run again, for it requires the mount as it was. Then a snapshot is counted, and the counters
//! are put right by the difference between that and what they are at in the same snapshot, in the commit that sets the
//! limit. Who is cut off in between leaves a mount that is metered for nothing until it is tuned again.

use super::mounts::store_mount;
use crate::Error;
use crate::limits;
use crate::mount::{Mount, MountEntry};
use crate::params::Params;
use crate::routes::Context;

/// Takes over what a mount's configuration says of its plugin's limits.
pub(super) fn configure(entry: &mut MountEntry, params: &Params) -> Result<(), Error> {
    if entry.is_native() && params.has("plugin_limits") {
        return Err(Error::invalid(format!(
            "cannot tune plugin_limits of {:?}: it has no plugin",
            entry.path
        )));
    }
    entry.config.plugin_limits.change(params)?;
    entry.metered = entry.config.plugin_limits.limits_storage();
    Ok(())
}

/// Begins to count what the mount stores, or stops it, as its new entry wants it. To be called when nothing is left that
/// could be refused.
pub(super) async fn meter(
    c: &mut Context<'_>,
    mount: &Mount,
    entry: &MountEntry,
) -> Result<(), Error> {
    let (was, meter) = (&mount.entry, entry.meter());
    if !entry.metered {
        if was.metered {
            c.txn.delete(meter.entries);
            c.txn.delete(meter.bytes);
        }
        return Ok(());
    }
    if was.config.plugin_limits.limits_storage() {
        return Ok(());
    }
    let begun = MountEntry {
        metered: true,
        ..was.clone()
    };
    if !was.metered {
        store_mount(c.txn, &begun);
        c.commit_and_continue().await?;
    }
    let current = c.txn.get(&mount.key).await?;
    if current.is_none_or(|stored| serde_json::from_slice(&stored).ok() != Some(begun)) {
        // Somebody else has tuned it just now.
        return Err(Error::Conflict(mount.key.clone()));
    }
    let mut missing = c.txn.metered(&meter).await?.negated();
    let mut after = None;
    loop {
        let page = c
            .txn
            .measure(&meter, after.as_deref(), limits::COUNT_PAGE)
            .await?;
        missing = missing.plus(page.0);
        after = page.1;
        if after.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    c.txn.add(meter.entries, missing.entries);
    c.txn.add(meter.bytes, missing.bytes);
    Ok(())
}
