//! One version of a key: the host holds the key, storage what is said of it.

use coffer_sdk::keys::Key;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Milliseconds since 1970.
    pub created: u64,
    /// In PEM, the key's own certificate first; empty if there is none.
    #[serde(default)]
    pub certificate_chain: String,
}

/// What the host calls the key.
pub(crate) fn held(name: &str, version: u32) -> String {
    format!("key/{name}/{version}")
}

/// What the host calls the key that authenticates by this version, where the key itself does not.
pub(crate) fn held_mac(name: &str, version: u32) -> String {
    format!("mac/{name}/{version}")
}

fn stored(name: &str, version: u32) -> String {
    format!("version/{name}/{version}")
}

/// The key that the host calls so.
pub(crate) fn open(held: &str) -> Result<Key> {
    keys::open(held)?.ok_or_else(|| Error::invalid("no such key version"))
}

pub(crate) fn delete(name: &str, version: u32) -> Result<()> {
    keys::delete(&held(name, version))?;
    keys::delete(&held_mac(name, version))?;
    storage::delete(&stored(name, version))
}

impl Version {
    pub fn new(created: u64) -> Self {
        Self {
            created,
            certificate_chain: String::new(),
        }
    }

    pub fn load(name: &str, version: u32) -> Result<Self> {
        storage::get_json(&stored(name, version))?
            .ok_or_else(|| Error::invalid("no such key version"))
    }

    pub fn store(&self, name: &str, version: u32) -> Result<()> {
        storage::put_json(&stored(name, version), self)
    }
}
