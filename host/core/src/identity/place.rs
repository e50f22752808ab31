//! Where the mounts are that aliases name by accessor.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::Error;
use crate::mount::{MountEntry, RoutingTable, Table};

/// Auth mounts by accessor.
pub struct Places<'t>(HashMap<&'t str, &'t MountEntry>);

impl<'t> Places<'t> {
    pub fn of(table: &'t RoutingTable) -> Self {
        let entries = table.mounts().into_iter().map(|mount| &mount.entry);
        let auth = entries.filter(|entry| entry.table == Table::Auth);
        Self(auth.map(|entry| (entry.accessor.as_str(), entry)).collect())
    }

    /// Refuses an accessor that no auth mount has.
    pub fn check(&self, accessor: &str) -> Result<(), Error> {
        match self.0.contains_key(accessor) {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "invalid mount accessor {accessor:?}"
            ))),
        }
    }

    /// Says where it is, if it still is.
    pub fn add(&self, accessor: &str, map: &mut Map<String, Value>) {
        if let Some(entry) = self.0.get(accessor) {
            map.insert("mount_path".to_owned(), entry.full_path().into());
            map.insert("mount_type".to_owned(), entry.kind.as_str().into());
        }
    }
}
