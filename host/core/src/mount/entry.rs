//! What is stored of a mount.

use std::collections::BTreeMap;

use coffer_barrier::Meter;
use coffer_clock::UnixMillis;
use coffer_manifest::Kind;
use coffer_runtime::Wanted;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::limits::PluginLimits;
use crate::keys::Ns;
use crate::lockout::LockoutConfig;

/// Secret engines and auth methods are mounted in tables of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    Secret,
    Auth,
}

impl Table {
    /// What every path of the table starts with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Secret => "",
            Self::Auth => "auth/",
        }
    }

    /// What kind of plugin is mounted there.
    pub fn kind(self) -> Kind {
        match self {
            Self::Secret => Kind::Secret,
            Self::Auth => Kind::Auth,
        }
    }
}

/// What the host does itself is mounted like everything else, under these types.
pub const SYSTEM: &str = "system";
/// The token store's type.
pub const TOKEN: &str = "token";
/// The type of what each token keeps for itself.
pub const CUBBYHOLE: &str = "cubbyhole";

/// The type of the identity store.
pub const IDENTITY: &str = "identity";

/// All of these.
pub const NATIVE: &[&str] = &[SYSTEM, TOKEN, CUBBYHOLE, IDENTITY];

/// What no secret engine's path may start with.
pub const RESERVED: &[&str] = &["sys/", "auth/", "identity/", "cubbyhole/", "audit/"];

/// What a mount is tuned to. Times in seconds, 0 for the server's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountConfig {
    pub default_lease_ttl: u64,
    pub max_lease_ttl: u64,
    pub force_no_cache: bool,
    /// `unauth`: shown to callers without a token; `hidden` or empty: not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listing_visibility: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passthrough_request_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_response_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit_non_hmac_request_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit_non_hmac_response_keys: Vec<String>,
    /// Of auth mounts: what kind of token logins make.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_type: String,
    /// Of auth mounts: when somebody is locked out.
    #[serde(
        rename = "user_lockout_config",
        skip_serializing_if = "LockoutConfig::is_default"
    )]
    pub user_lockout: LockoutConfig,
    /// What its plugin may use.
    #[serde(skip_serializing_if = "PluginLimits::is_unsaid")]
    pub plugin_limits: PluginLimits,
}

/// That a mount was given another path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The migration's, and that of the job which revokes what bears the old path.
    pub id: String,
    /// The full path before.
    pub from: String,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MountEntry {
    pub ns: String,
    pub uuid: String,
    pub accessor: String,
    pub table: Table,
    /// Within its table, with its trailing slash: `database/`, `approle/`.
    pub path: String,
    /// The component's name in the catalog, or that of what the host does itself, such as [`SYSTEM`].
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub config: MountConfig,
    #[serde(default)]
    pub local: bool,
    #[serde(default)]
    pub seal_wrap: bool,
    #[serde(default)]
    pub external_entropy_access: bool,
    /// Empty takes the one in force.
    #[serde(default)]
    pub plugin_version: String,
    /// Whether what its plugin stores is counted: where there is a limit, and while what was there before it is counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub metered: bool,
    /// The last time that it was given another path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    pub created: UnixMillis,
}

impl MountEntry {
    /// From `/v1/` on: `auth/approle/`.
    pub fn full_path(&self) -> String {
        format!("{}{}", self.table.prefix(), self.path)
    }

    /// Whether it is the host's own.
    pub fn is_native(&self) -> bool {
        NATIVE.contains(&self.kind.as_str())
    }

    /// What it runs; None if it is the host's own.
    pub fn wanted(&self) -> Option<Wanted<'_>> {
        (!self.is_native()).then_some(Wanted {
            kind: self.table.kind(),
            name: &self.kind,
            version: &self.plugin_version,
        })
    }

    /// What counts what its plugin stores, with the limits in force.
    pub fn meter(&self) -> Meter {
        let (ns, limits) = (Ns(&self.ns), &self.config.plugin_limits);
        let max = |limit: u64| i64::try_from(limit).ok().filter(|limit| *limit > 0);
        Meter {
            prefix: ns.all_data(&self.uuid),
            entries: ns.usage(&self.uuid, "entries"),
            bytes: ns.usage(&self.uuid, "bytes"),
            max_entries: max(limits.storage_entries),
            max_bytes: max(limits.storage_bytes),
        }
    }

    /// Whether callers without a token may see it.
    pub fn is_listed(&self) -> bool {
        self.config.listing_visibility == "unauth"
    }

    /// As the mount lists show it.
    pub fn describe(&self, running_version: &str, running_sha256: &str) -> Value {
        let mut value = json!({
            "accessor": self.accessor,
            "config": self.describe_config(),
            "description": self.description,
            "external_entropy_access": self.external_entropy_access,
            "local": self.local,
            "options": self.options,
            "plugin_version": self.plugin_version,
            "running_plugin_version": running_version,
            "running_sha256": running_sha256,
            "seal_wrap": self.seal_wrap,
            "type": self.kind,
            "uuid": self.uuid,
        });
        if !self.is_native()
            && let Some(map) = value.as_object_mut()
        {
            map.insert("deprecation_status".into(), "supported".into());
        }
        value
    }

    fn describe_config(&self) -> Value {
        let mut value = serde_json::to_value(&self.config).unwrap_or_default();
        if let Some(config) = value.get_mut("user_lockout_config") {
            *config = self.config.user_lockout.describe().into();
        }
        if self.table == Table::Auth
            && self.config.token_type.is_empty()
            && let Some(map) = value.as_object_mut()
        {
            map.insert("token_type".into(), "default-service".into());
        }
        value
    }

    /// As `tune` shows it: with the times in force.
    pub fn describe_tuning(&self, default_ttl: u64, max_ttl: u64) -> Map<String, Value> {
        let Value::Object(mut map) = self.describe_config() else {
            return Map::new();
        };
        map.insert("default_lease_ttl".into(), default_ttl.into());
        map.insert("max_lease_ttl".into(), max_ttl.into());
        map.insert("description".into(), self.description.clone().into());
        map.remove("user_lockout_config");
        if !self.config.user_lockout.is_default() {
            map.extend(self.config.user_lockout.describe());
        }
        if let Some(options) = &self.options {
            map.insert("options".into(), json!(options));
        }
        if !self.plugin_version.is_empty() {
            map.insert("plugin_version".into(), self.plugin_version.clone().into());
        }
        map
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_entry_is_stored_and_read_back() {
        let text = r#"{"ns":"root","uuid":"u","accessor":"kv_1","table":"secret","path":"kv/","type":"kv","created":5}"#;
        let entry: MountEntry = serde_json::from_str(text).unwrap();
        assert_eq!(entry.full_path(), "kv/");
        assert!(!entry.is_native() && !entry.is_listed());
        let again: MountEntry =
            serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(again, entry);
        assert_eq!(
            entry.describe("v1", "")["config"],
            json!({"default_lease_ttl":0,"force_no_cache":false,"max_lease_ttl":0})
        );
    }
}
