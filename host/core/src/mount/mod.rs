//! Mounts: where secret engines and auth methods are found, and what they run.

mod entry;
mod router;

use std::sync::Arc;

use coffer_runtime::{Catalog, Component, MountContext, MountInfo, PathDescription};
use coffer_storage::Index;

pub use entry::{MountConfig, MountEntry, SYSTEM, TOKEN, Table};
pub use router::{Router, RoutingTable};

use crate::keys::Ns;

/// A mount with what serves it.
pub struct Mount {
    pub entry: MountEntry,
    /// The commit that wrote the entry.
    pub version: Index,
    pub backend: Backend,
    /// The times in force, in seconds.
    pub default_lease_ttl: u64,
    pub max_lease_ttl: u64,
}

/// What answers below a mount.
pub enum Backend {
    /// `sys/`.
    System,
    /// `auth/token/`.
    Token,
    /// A component.
    Plugin(PluginMount),
    /// A component that cannot be used, and why.
    Unavailable(String),
}

/// A component at a mount.
pub struct PluginMount {
    pub component: Arc<Component>,
    pub context: Arc<MountContext>,
}

impl PluginMount {
    /// What the component says of a path, if anything is special about it.
    pub fn special(&self, path: &str) -> Special {
        let paths = self
            .component
            .plugin()
            .map_or(&[][..], |description| &description.paths);
        paths
            .iter()
            .find(|declared| matches(&declared.pattern, path))
            .map_or_else(Special::default, Special::from)
    }
}

/// What the host must know of a plugin's path before it asks the plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    pub unauthenticated: bool,
    pub sudo: bool,
    pub checks_existence: bool,
}

impl From<&PathDescription> for Special {
    fn from(path: &PathDescription) -> Self {
        Self {
            unauthenticated: path.unauthenticated,
            sudo: path.sudo,
            checks_existence: path.checks_existence,
        }
    }
}

/// Whether a path fits a pattern of the contract: `{name}` is one segment, `{name*}` the rest.
pub fn matches(pattern: &str, path: &str) -> bool {
    let mut rest = Some(path.trim_end_matches('/'));
    for segment in pattern.split('/') {
        if segment.ends_with("*}") {
            return true;
        }
        let Some(here) = rest else { return false };
        let (first, after) = match here.split_once('/') {
            Some((first, after)) => (first, Some(after)),
            None => (here, None),
        };
        let wild = segment.starts_with('{');
        if (wild && first.is_empty()) || (!wild && segment != first) {
            return false;
        }
        rest = after;
    }
    rest.is_none()
}

/// Turns stored mounts into ones that can serve.
pub struct MountLoader {
    pub catalog: Arc<Catalog>,
    pub default_lease_ttl: u64,
    pub max_lease_ttl: u64,
}

impl MountLoader {
    /// Never fails: what cannot be loaded is unavailable, and says why.
    pub async fn load(&self, entry: MountEntry, version: Index) -> Mount {
        let set = |tuned: u64, server: u64| if tuned > 0 { tuned } else { server };
        let max_lease_ttl = set(entry.config.max_lease_ttl, self.max_lease_ttl);
        let default_lease_ttl =
            set(entry.config.default_lease_ttl, self.default_lease_ttl).min(max_lease_ttl);
        let backend = match entry.kind.as_str() {
            SYSTEM => Backend::System,
            TOKEN => Backend::Token,
            kind => match self.catalog.get(kind).await {
                Ok(component) if component.plugin().is_some() => {
                    let context = Arc::new(MountContext {
                        id: entry.uuid.as_str().into(),
                        storage_prefix: Ns(&entry.ns).data(&entry.uuid),
                        info: MountInfo {
                            path: entry.full_path(),
                            accessor: entry.accessor.clone(),
                            default_lease_ttl,
                            max_lease_ttl,
                            options: serde_json::to_string(
                                &entry.options.clone().unwrap_or_default(),
                            )
                            .unwrap_or_default(),
                        },
                        deadline: coffer_runtime::DEADLINE,
                        memory: coffer_runtime::MEMORY,
                        response: coffer_runtime::RESPONSE,
                    });
                    Backend::Plugin(PluginMount { component, context })
                }
                Ok(_) => Backend::Unavailable(format!(
                    "plugin {kind:?} is not a secret engine or auth method"
                )),
                Err(error) => {
                    tracing::error!(mount = entry.full_path(), %error, "the mount is unavailable");
                    Backend::Unavailable(error.to_string())
                }
            },
        };
        Mount {
            entry,
            version,
            backend,
            default_lease_ttl,
            max_lease_ttl,
        }
    }
}

impl Mount {
    /// The version and hash of what runs there.
    pub fn running(&self) -> (String, &str) {
        match &self.backend {
            Backend::Plugin(plugin) => (
                format!("v{}", plugin.component.version()),
                &plugin.component.sha256,
            ),
            Backend::System | Backend::Token => {
                (format!("v{}+builtin", env!("CARGO_PKG_VERSION")), "")
            }
            Backend::Unavailable(_) => (String::new(), ""),
        }
    }

    /// As the mount lists show it.
    pub fn describe(&self) -> serde_json::Value {
        let (version, sha256) = self.running();
        let mut value = self.entry.describe(&version, sha256);
        if let (Backend::Unavailable(reason), Some(map)) = (&self.backend, value.as_object_mut()) {
            map.insert("unavailable".into(), reason.clone().into());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        #[rustfmt::skip]
        let table = [
            ("login", "login", true), ("login", "login/", true), ("login", "login/x", false), ("login", "logi", false),
            ("role/{name}", "role/a", true), ("role/{name}", "role/", false), ("role/{name}", "role/a/b", false),
            ("role/{name}/id", "role/a/id", true), ("data/{path*}", "data/a/b", true), ("data/{path*}", "data", true),
            ("{path*}", "any/thing", true), ("", "", true),
        ];
        for (pattern, path, fits) in table {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }
}
