//! What is stored of a plugin: each registered version, and what holds for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use coffer_manifest::{Capability, Destination, KeyOperation, Kind, Manifest, Needs};
use coffer_runtime::Release;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::signature::Signature;
use crate::stored::load;
use crate::{Error, keys};

/// A registered version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub kind: Kind,
    /// In the catalog; the component may call itself something else.
    pub name: String,
    pub version: Version,
    /// Of the component, in hexadecimal.
    pub sha256: String,
    /// Of the component, in bytes.
    pub size: u64,
    pub manifest: Manifest,
    /// Where it came from, as who registered it says: a file, `oci://...`.
    pub source: String,
    /// What Vault's API knows of a plugin besides; kept to be shown.
    #[serde(default)]
    pub args: Vec<String>,
    /// As they came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// The fingerprint of the key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    pub registered: UnixMillis,
    /// The display name of who registered it.
    pub registered_by: String,
}

impl Entry {
    pub fn store(&self, txn: &mut Transaction) {
        txn.put(self.key(), serde_json::to_vec(self).unwrap_or_default());
    }

    /// As the runtime runs it.
    pub fn release(&self) -> Release {
        Release {
            kind: self.kind,
            name: self.name.as_str().into(),
            version: self.version.clone(),
            sha256: self.sha256.as_str().into(),
            builtin: false,
            granted: Arc::new(self.manifest.needs.clone()),
        }
    }

    pub fn key(&self) -> String {
        keys::plugin_entry(self.kind.name(), &self.name, &self.version.to_string())
    }
}

/// Who granted something, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    pub by: String,
    pub at: UnixMillis,
}

/// What holds for all versions of a plugin.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugin {
    /// What runs where no version is asked for. None: the built-in one, if there is one.
    pub in_force: Option<Version>,
    /// What an operator wants to run there, once it is reloaded.
    pub pin: Option<Version>,
    /// The public keys that may sign it, in PEM.
    pub keys: Vec<String>,
    pub grants: BTreeMap<Capability, Grant>,
}

impl Plugin {
    /// As it is stored, or as it begins.
    pub async fn load(txn: &mut Transaction, kind: Kind, name: &str) -> Result<Self, Error> {
        let found = load(txn, &keys::plugin(kind.name(), name)).await?;
        Ok(found.unwrap_or_default())
    }

    pub fn store(&self, txn: &mut Transaction, kind: Kind, name: &str) {
        txn.put(
            keys::plugin(kind.name(), name),
            serde_json::to_vec(self).unwrap_or_default(),
        );
    }

    fn grants(&self, wanted: &Capability) -> bool {
        match wanted {
            // Who writes the configuration grants what it names; and periodic work is under the same limits as a request.
            Capability::Network(Destination::Configuration) | Capability::Periodic => true,
            // The key of a mount is that mount's, and stays with the host unless somebody says otherwise.
            Capability::Keys(operation) if *operation != KeyOperation::Export => true,
            Capability::Network(_) | Capability::Keys(_) | Capability::Pod => {
                self.grants.contains_key(wanted)
            }
            Capability::Memory(bytes) => {
                *bytes <= coffer_runtime::MEMORY as u64
                    || self
                        .grants
                        .keys()
                        .any(|granted| matches!(granted, Capability::Memory(most) if most >= bytes))
            }
            Capability::Deadline(seconds) => {
                *seconds <= coffer_runtime::DEADLINE.as_secs()
                    || self.grants.keys().any(
                        |granted| matches!(granted, Capability::Deadline(most) if most >= seconds),
                    )
            }
        }
    }
}

/// What a component asks for and nobody has granted.
pub fn missing_grants(needs: &Needs, plugin: &Plugin) -> Vec<Capability> {
    let mut missing = needs.capabilities();
    missing.retain(|capability| !plugin.grants(capability));
    missing
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_asked_for_beyond_the_usual_must_be_granted() {
        let needs = Needs {
            network: ["configuration", "api.example:443"]
                .map(|text| text.parse().unwrap())
                .into(),
            keys: KeyOperation::ALL.into(),
            periodic: true,
            pod: true,
            memory: Some(128 << 20),
            deadline: Some(20),
        };
        let mut plugin = Plugin::default();
        let missing = |plugin: &Plugin| -> Vec<String> {
            let missing = missing_grants(&needs, plugin);
            missing.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            missing(&plugin),
            [
                "network:api.example:443",
                "keys:export",
                "pod",
                "memory:134217728"
            ]
        );
        let mut grant = |text: &str| {
            let grant = Grant {
                by: "root".to_owned(),
                at: UnixMillis(1),
            };
            plugin.grants.insert(text.parse().unwrap(), grant);
            missing(&plugin)
        };
        assert_eq!(grant("keys:sign").len(), 4);
        assert_eq!(grant("pod").len(), 3);
        assert_eq!(grant("keys:export").len(), 2);
        assert_eq!(grant("memory:1048576").len(), 2);
        assert_eq!(grant("memory:268435456"), ["network:api.example:443"]);
        assert_eq!(grant("network:api.example:80").len(), 1);
        assert!(grant("network:api.example:443").is_empty());
    }
}
