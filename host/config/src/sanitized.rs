//! The configuration as it may be shown: `sys/config/state/sanitized`. What is secret (there is nothing yet), and where files
//! with keys are, is left out. <https://developer.hashicorp.com/vault/api-docs/system/config-state>

use coffer_api::Address;
use coffer_core::LockoutConfig;
use serde_json::{Map, Value, json};

use crate::{Listener, LogFormat, LogLevel, ServerConfig, StorageConfig};

impl ServerConfig {
    /// What of it may be shown.
    pub fn sanitized(&self) -> Map<String, Value> {
        let listeners: Vec<_> = self.listeners.iter().map(listener).collect();
        let lockouts: Vec<_> = self.user_lockout.iter().map(lockout).collect();
        let audit: Vec<_> = self.audit.iter().map(|device| {
            json!({ "path": device.path, "type": device.kind, "description": device.description })
        }).collect();
        let storage = match &self.storage {
            Some(StorageConfig::Redb { .. }) => "redb",
            Some(StorageConfig::Memory) => "inmem",
            None => "",
        };
        let told = json!({
            "api_addr": self.api_addr.as_deref().unwrap_or_default(),
            "audit": audit,
            "cache_size": 0,
            "cluster_addr": "",
            "cluster_name": self.cluster_name.as_deref().unwrap_or_default(),
            "default_lease_ttl": self.default_lease_ttl.unwrap_or(0),
            "disable_cache": false,
            "disable_clustering": false,
            "disable_mlock": false,
            "enable_ui": false,
            "introspection_endpoint": self.introspection,
            "listeners": listeners,
            "log_format": self.log_format.map_or("", LogFormat::name),
            "log_level": self.log_level.map_or("", LogLevel::directive),
            "max_lease_ttl": self.max_lease_ttl.unwrap_or(0),
            "pid_file": self.pid_file,
            "plugin_directory": self.plugin_directory,
            "raw_storage_endpoint": self.raw_storage,
            "seals": [{ "disabled": false, "type": "shamir" }],
            "storage": {
                "type": storage,
                "cluster_addr": "",
                "disable_clustering": false,
                "redirect_addr": self.api_addr.as_deref().unwrap_or_default(),
            },
            "user_lockout_configs": lockouts,
        });
        match told {
            Value::Object(told) => told,
            _ => Map::new(),
        }
    }
}

fn listener(listener: &Listener) -> Value {
    let kind = match listener.address {
        Address::Tcp(_) => "tcp",
        Address::Unix(_) => "unix",
    };
    let mut config = json!({ "address": listener.address.to_string() });
    if kind == "tcp" {
        config["tls_disable"] = listener.tls.is_none().into();
    }
    json!({ "type": kind, "config": config })
}

/// Durations in nanoseconds, as Go has them.
fn lockout((kind, config): (&String, &LockoutConfig)) -> Value {
    let nanoseconds =
        |seconds: Option<u64>| seconds.map(|seconds| seconds.saturating_mul(1_000_000_000));
    json!({
        "type": kind,
        "lockout_threshold": config.threshold,
        "lockout_duration": nanoseconds(config.duration),
        "lockout_counter_reset": nanoseconds(config.counter_reset),
        "disable_lockout": config.is_disabled(),
    })
}
