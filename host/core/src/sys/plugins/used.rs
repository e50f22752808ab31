//! Who uses which plugin: mounts, and the database connections that engines have configured.

use coffer_manifest::Kind;
use coffer_runtime::{DatabaseUse, Wanted};
use semver::Version;

use crate::keys::{Ns, ROOT_NS};
use crate::routes::Context;
use crate::{Error, limits};

/// One of them, and what it runs.
struct User {
    who: String,
    kind: Kind,
    name: String,
    version: Version,
}

/// All of them.
pub(super) struct Users(Vec<User>);

impl Users {
    /// As this transaction sees them.
    pub(super) async fn find(c: &mut Context<'_>) -> Result<Self, Error> {
        let table = c.core.mounts(c.txn).await?;
        let catalog = &c.core.catalog.runtime;
        let mut users = Vec::new();
        for mount in table.mounts() {
            let Some(wanted) = mount.entry.wanted() else {
                continue;
            };
            users.extend(catalog.resolve(wanted).ok().map(|release| User {
                who: mount.entry.full_path(),
                kind: wanted.kind,
                name: wanted.name.to_owned(),
                version: release.version,
            }));
            let prefix = Ns(ROOT_NS).connections(&mount.entry.uuid);
            for key in c.txn.list(&prefix, None, limits::MAX_CONNECTIONS).await? {
                let Some(value) = c.txn.get(&key).await? else {
                    continue;
                };
                let used: DatabaseUse =
                    serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.clone()))?;
                let wanted = Wanted {
                    kind: Kind::Database,
                    name: &used.plugin,
                    version: &used.version,
                };
                users.extend(catalog.resolve(wanted).ok().map(|release| User {
                    who: format!("{}config/{}", mount.entry.full_path(), used.connection),
                    kind: Kind::Database,
                    name: used.plugin.clone(),
                    version: release.version,
                }));
            }
        }
        Ok(Self(users))
    }

    /// Those that run this.
    pub(super) fn of(&self, kind: Kind, name: &str, version: &Version) -> Vec<String> {
        let mut found: Vec<String> = self
            .0
            .iter()
            .filter(|user| user.kind == kind && user.name == name && user.version == *version)
            .map(|user| user.who.clone())
            .collect();
        found.sort();
        found
    }
}
