//! From a path to its mount. The table is rebuilt from storage when the change feed says that a mount has changed, and
//! from nothing else; mounts that have not changed keep what they have loaded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use coffer_barrier::Transaction;
use coffer_runtime::Grants;
use coffer_storage::{Change, Index};
use tokio::time::Instant;

use super::entry::MountEntry;
use super::{Mount, MountLoader};
use crate::keys::{self, Ns, ROOT_NS};
use crate::{Error, limits};

/// All mounts, as of one commit.
#[derive(Clone, Default)]
pub struct RoutingTable {
    index: Index,
    loaded: bool,
    by_path: HashMap<String, Arc<Mount>>,
    by_uuid: HashMap<String, Arc<Mount>>,
}

impl RoutingTable {
    /// The mount that a path leads to, and the path below it. The longest mount path wins.
    pub fn route<'p>(&self, path: &'p str) -> Option<(&Arc<Mount>, &'p str)> {
        let mut end = path.len();
        while let Some(slash) = path.get(..end).and_then(|head| head.rfind('/')) {
            if let Some(mount) = path.get(..=slash).and_then(|head| self.by_path.get(head)) {
                return Some((mount, path.get(slash + 1..).unwrap_or_default()));
            }
            end = slash;
        }
        // `LIST secret` means the mount `secret/`.
        if let Some(mount) = self.by_path.get(&format!("{path}/")) {
            return Some((mount, ""));
        }
        None
    }

    /// Also finds mounts that were disabled and still have leases.
    pub fn by_uuid(&self, uuid: &str) -> Option<&Arc<Mount>> {
        self.by_uuid.get(uuid)
    }

    /// The mounts in force, by path.
    pub fn mounts(&self) -> Vec<&Arc<Mount>> {
        let mut all: Vec<_> = self.by_path.values().collect();
        all.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
        all
    }

    fn add(&mut self, mount: Arc<Mount>, in_force: bool) {
        if in_force {
            self.by_path.insert(mount.entry.full_path(), mount.clone());
        }
        self.by_uuid.insert(mount.entry.uuid.clone(), mount);
    }

    /// A mount that a new one at `path` would collide with: at the same path, above it, or below it.
    pub fn collision(&self, path: &str) -> Option<&Arc<Mount>> {
        self.by_path
            .iter()
            .find(|(have, _)| have.starts_with(path) || path.starts_with(have.as_str()))
            .map(|(_, m)| m)
    }
}

/// Keeps the current [`RoutingTable`].
pub struct Router {
    table: ArcSwap<RoutingTable>,
    changed: AtomicU64,
}

impl Router {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            table: ArcSwap::default(),
            changed: AtomicU64::new(0),
        })
    }

    /// Watches the change feed. Returns whether a mount has changed.
    pub fn observe(&self, change: &Change<'_>) -> bool {
        let changed = change.keys().any(keys::is_routing);
        if changed {
            self.changed.fetch_max(change.index, Ordering::AcqRel);
        }
        changed
    }

    pub fn seal(&self) {
        self.table.store(Arc::default());
    }

    /// Has one mount loaded anew by whoever needs the table next. The others keep what they have loaded.
    pub fn forget(&self, uuid: &str) {
        self.table.rcu(|table| {
            let mut table = RoutingTable {
                loaded: false,
                ..RoutingTable::clone(table)
            };
            table.by_uuid.remove(uuid);
            table
        });
    }

    /// The table as this transaction sees it, or newer.
    pub async fn table(
        &self,
        txn: &mut Transaction,
        loader: &MountLoader,
    ) -> Result<Arc<RoutingTable>, Error> {
        let table = self.table.load_full();
        if table.loaded && table.index >= self.changed.load(Ordering::Acquire) {
            return Ok(table);
        }
        let fresh = Arc::new(load(txn, &table, loader).await?);
        self.table.rcu(|current| {
            if current.loaded && current.index > fresh.index {
                current.clone()
            } else {
                fresh.clone()
            }
        });
        Ok(fresh)
    }
}

async fn load(
    txn: &mut Transaction,
    old: &RoutingTable,
    loader: &MountLoader,
) -> Result<RoutingTable, Error> {
    let mut table = RoutingTable {
        index: txn.index(),
        loaded: true,
        ..RoutingTable::default()
    };
    loader.plugins.publish(txn).await?;
    let ns = Ns(ROOT_NS);
    let until = Instant::now() + limits::LOAD_PATIENCE;
    let mut coming = Vec::new();
    for (prefix, in_force) in [(ns.mount(""), true), (ns.unmounted(""), false)] {
        for key in txn.list(&prefix, None, limits::MAX_MOUNTS).await? {
            let Some((version, value)) = txn.get_versioned(&key).await? else {
                continue;
            };
            let entry: MountEntry =
                serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.clone()))?;
            let named = named(txn, &entry).await?;
            match old.by_uuid.get(&entry.uuid) {
                Some(mount) if mount.version == version && mount.serves(loader, &named) => {
                    table.add(mount.clone(), in_force);
                }
                _ => {
                    let loading = loader.begin(&entry);
                    coming.push((entry, (key, version), named, loading, in_force));
                }
            }
        }
    }
    for (entry, stored, named, loading, in_force) in coming {
        let mount = loader.load(entry, stored, named, loading, until).await;
        table.add(Arc::new(mount), in_force);
    }
    loader.counted.keep(&table.by_uuid);
    Ok(table)
}

/// The servers that configurations of the mount name.
async fn named(txn: &mut Transaction, entry: &MountEntry) -> Result<Grants, Error> {
    let mut grants = Grants::default();
    let prefix = Ns(&entry.ns).destinations(&entry.uuid, "");
    for key in txn.list(&prefix, None, limits::MAX_DESTINATIONS).await? {
        if let Some(value) = txn.get(&key).await? {
            let value = serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.clone()))?;
            grants.name(&value);
        }
    }
    Ok(grants)
}
