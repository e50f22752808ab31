//! Mounts: where secret engines and auth methods are found, and what they run.

mod entry;
mod limits;
mod passwords;
mod router;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coffer_barrier::Transaction;
use coffer_clock::Random;
use coffer_manifest::Destination;
use coffer_runtime::{
    Catalog, Component, Figures, Grants, LoadError, MountContext, MountInfo, PathDescription,
    Release,
};
use coffer_storage::Index;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use entry::{
    CUBBYHOLE, IDENTITY, MountConfig, MountEntry, Moved, NATIVE, RESERVED, SYSTEM, TOKEN, Table,
};
pub use router::{Router, RoutingTable};

use crate::catalog::PluginCatalog;
use crate::keys::Ns;
use crate::routes::Route;
use passwords::NamespacePasswords;

/// A mount with what serves it.
pub struct Mount {
    pub entry: MountEntry,
    /// Where the entry is stored.
    pub key: String,
    /// The commit that wrote it.
    pub version: Index,
    pub backend: Backend,
    /// The times in force, in seconds.
    pub default_lease_ttl: u64,
    pub max_lease_ttl: u64,
}

/// What answers below a mount.
pub enum Backend {
    /// The host itself, with these paths.
    Native(&'static [Route]),
    /// A component.
    Plugin(PluginMount),
    /// A component that cannot be used, and why.
    Unavailable(String),
}

/// A component at a mount.
pub struct PluginMount {
    pub release: Release,
    pub component: Arc<Component>,
    /// The servers that its configuration names.
    pub named: Grants,
    pub context: Arc<MountContext>,
}

impl PluginMount {
    fn declared(&self, path: &str) -> Option<&PathDescription> {
        let paths = &self.component.plugin()?.paths;
        paths
            .iter()
            .find(|declared| matches(&declared.pattern, path))
    }

    /// What the component says of a path, if anything is special about it.
    pub fn special(&self, path: &str) -> Special {
        self.declared(path)
            .map_or_else(Special::default, Special::from)
    }

    /// Who wants to log in with this, if the component's manifest says where that stands: in the path or in the data.
    pub fn login_name(&self, path: &str, data: &str) -> Option<String> {
        let field = self.component.manifest.as_ref()?.login_name.as_deref()?;
        let pattern = &self.declared(path)?.pattern;
        let capture = format!("{{{field}}}");
        let at = pattern.split('/').position(|segment| segment == capture);
        if let Some(at) = at {
            return path.split('/').nth(at).map(str::to_owned);
        }
        let data: serde_json::Value = serde_json::from_str(data).ok()?;
        data.get(field)?.as_str().map(str::to_owned)
    }

    /// The fields of a path that name servers to connect to.
    pub fn server_fields(&self, path: &str) -> Vec<&str> {
        let fields = self.declared(path).map_or(&[][..], |path| &path.fields);
        let named = fields.iter().filter(|field| field.destination);
        named.map(|field| field.name.as_str()).collect()
    }

    /// Whether it asked to connect to what its configuration names.
    pub fn takes_servers(&self) -> bool {
        let network = &self.release.granted.network;
        network.contains(&Destination::Configuration)
    }
}

/// What the host must know of a plugin's path before it asks the plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    pub unauthenticated: bool,
    pub sudo: bool,
    pub checks_existence: bool,
    /// Whether some field names servers to connect to.
    pub names_servers: bool,
}

impl From<&PathDescription> for Special {
    fn from(path: &PathDescription) -> Self {
        Self {
            unauthenticated: path.unauthenticated,
            sudo: path.sudo,
            checks_existence: path.checks_existence,
            names_servers: path.fields.iter().any(|field| field.destination),
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
    pub plugins: Arc<PluginCatalog>,
    pub default_lease_ttl: u64,
    pub max_lease_ttl: u64,
    pub random: Random,
    pub counted: Counted,
}

/// What is counted of each mount's plugin, by the mount's id: it goes on when the mount is loaded anew.
#[derive(Default)]
pub struct Counted(Mutex<HashMap<String, (Release, Arc<Figures>)>>);

impl Counted {
    /// That of the mount's plugin, from nothing if it runs another now.
    fn of(&self, uuid: &str, release: &Release) -> Arc<Figures> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(uuid) {
            Some((counted, figures)) if counted == release => figures.clone(),
            _ => {
                let figures = Arc::new(Figures::default());
                all.insert(uuid.to_owned(), (release.clone(), figures.clone()));
                figures
            }
        }
    }

    /// Forgets mounts that are gone.
    fn keep(&self, mounts: &HashMap<String, Arc<Mount>>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uuid, _| mounts.contains_key(uuid));
    }
}

/// A component on its way.
type Loading = JoinHandle<Result<Arc<Component>, LoadError>>;

impl MountLoader {
    fn catalog(&self) -> &Arc<Catalog> {
        &self.plugins.runtime
    }

    /// What this mount is to run now; None if it is the host's own.
    pub fn release(&self, entry: &MountEntry) -> Option<Result<Release, LoadError>> {
        let wanted = entry.wanted()?;
        Some(self.catalog().resolve(wanted))
    }

    /// Begins to load what the mount is to run, so that several are loaded at the same time.
    pub fn begin(&self, entry: &MountEntry) -> Option<Loading> {
        let release = self.release(entry)?.ok()?;
        let catalog = self.catalog().clone();
        // Whoever waits may give up: the component is loaded all the same, for the next who asks.
        Some(tokio::spawn(async move { catalog.load(&release).await }))
    }

    /// Never fails: what cannot be loaded is unavailable, and says why.
    pub async fn load(
        &self,
        entry: MountEntry,
        (key, version): (String, Index),
        named: Grants,
        loading: Option<Loading>,
        until: Instant,
    ) -> Mount {
        let set = |tuned: u64, server: u64| if tuned > 0 { tuned } else { server };
        let max_lease_ttl = set(entry.config.max_lease_ttl, self.max_lease_ttl);
        let default_lease_ttl =
            set(entry.config.default_lease_ttl, self.default_lease_ttl).min(max_lease_ttl);
        let backend = match entry.kind.as_str() {
            SYSTEM => Backend::Native(crate::sys::ROUTES),
            TOKEN => Backend::Native(crate::token::ROUTES),
            CUBBYHOLE => Backend::Native(crate::cubbyhole::ROUTES),
            IDENTITY => Backend::Native(crate::identity::ROUTES),
            _ => match self.component(&entry, loading, until).await {
                Ok((release, component)) => {
                    let info = MountInfo {
                        path: entry.full_path(),
                        accessor: entry.accessor.clone(),
                        default_lease_ttl,
                        max_lease_ttl,
                        options: serde_json::to_string(&entry.options.clone().unwrap_or_default())
                            .unwrap_or_default(),
                    };
                    let figures = self.counted.of(&entry.uuid, &release);
                    let passwords = NamespacePasswords {
                        ns: entry.ns.clone(),
                        random: self.random.clone(),
                    };
                    let context =
                        context(&entry, info, &release, named.clone(), figures, passwords);
                    Backend::Plugin(PluginMount {
                        release,
                        component,
                        named,
                        context: Arc::new(context),
                    })
                }
                Err(reason) => {
                    tracing::error!(
                        mount = entry.full_path(),
                        reason,
                        "the mount is unavailable"
                    );
                    Backend::Unavailable(reason)
                }
            },
        };
        Mount {
            entry,
            key,
            version,
            backend,
            default_lease_ttl,
            max_lease_ttl,
        }
    }

    async fn component(
        &self,
        entry: &MountEntry,
        loading: Option<Loading>,
        until: Instant,
    ) -> Result<(Release, Arc<Component>), String> {
        let release = match self.release(entry) {
            Some(Ok(release)) => release,
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("it is the host's own".to_owned()),
        };
        let Some(loading) = loading else {
            return Err("its plugin has just been changed; try again".to_owned());
        };
        let component = match timeout_at(until, loading).await {
            Ok(Ok(Ok(component))) => component,
            Ok(Ok(Err(error))) => return Err(error.to_string()),
            Ok(Err(error)) => return Err(format!("loading its component failed: {error}")),
            Err(_) => return Err(LOADING.to_owned()),
        };
        if component.plugin().is_none() {
            return Err(format!(
                "plugin {:?} is not a secret engine or auth method",
                entry.kind
            ));
        }
        Ok((release, component))
    }
}

/// Why a mount is unavailable whose component takes long to compile.
pub const LOADING: &str = "its component is being compiled; try again in a moment";

/// What the plugin is told, and the limits that it runs under: those of the mount, else those that it asked for and was
/// granted, else the usual.
fn context(
    entry: &MountEntry,
    info: MountInfo,
    release: &Release,
    named: Grants,
    figures: Arc<Figures>,
    passwords: NamespacePasswords,
) -> MountContext {
    let granted = &release.granted;
    let limits = &entry.config.plugin_limits;
    let mut grants = named;
    grants.fix(granted);
    let set = |limit: u64| (limit > 0).then_some(limit);
    let size = |limit: u64| set(limit).and_then(|limit| usize::try_from(limit).ok());
    MountContext {
        id: entry.uuid.as_str().into(),
        storage_prefix: Ns(&entry.ns).data(&entry.uuid),
        keys_prefix: Ns(&entry.ns).held_keys(&entry.uuid),
        connections_prefix: Ns(&entry.ns).connections(&entry.uuid),
        info,
        deadline: set(limits.deadline)
            .or(granted.deadline)
            .map_or(coffer_runtime::DEADLINE, Duration::from_secs),
        memory: size(limits.memory)
            .or(granted.memory.and_then(|bytes| usize::try_from(bytes).ok()))
            .unwrap_or(coffer_runtime::MEMORY),
        response: size(limits.response_size).unwrap_or(coffer_runtime::RESPONSE),
        concurrency: size(limits.concurrency).unwrap_or(coffer_runtime::CALLS_PER_MOUNT),
        connections: set(limits.connections)
            .and_then(|limit| u32::try_from(limit).ok())
            .unwrap_or(coffer_runtime::MAX_CONNECTIONS),
        meter: entry.metered.then(|| Arc::new(entry.meter())),
        key_operations: granted.keys.clone(),
        pod: granted.pod,
        grants: Arc::new(grants),
        figures,
        passwords: Arc::new(passwords),
    }
}

impl Mount {
    /// Makes it a condition of the commit that the mount is as it was when this began: what is written below one that is
    /// gone would stay for ever, and below one whose limits were tuned would be counted by none of them.
    pub fn pin(&self, txn: &mut Transaction) {
        txn.require(self.key.clone(), Some(self.version));
    }

    /// Whether it runs what it is to run now. What is unavailable is tried again.
    pub fn serves(&self, loader: &MountLoader, named: &Grants) -> bool {
        match &self.backend {
            Backend::Native(_) => true,
            Backend::Unavailable(_) => false,
            Backend::Plugin(plugin) => {
                loader.release(&self.entry) == Some(Ok(plugin.release.clone()))
                    && plugin.named == *named
            }
        }
    }

    /// The version and hash of what runs there.
    pub fn running(&self) -> (String, &str) {
        match &self.backend {
            Backend::Plugin(plugin) => (plugin.release.label(), &plugin.release.sha256),
            Backend::Native(_) => (format!("v{}+builtin", env!("CARGO_PKG_VERSION")), ""),
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
