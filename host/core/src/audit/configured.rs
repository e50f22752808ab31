//! The devices that the server's configuration names: there as long as it does.

use super::{AuditEntry, DeviceConfig};
use crate::keys::{Ns, ROOT_NS};
use crate::{Core, Error, limits, stored};

/// Makes what is stored of them what the configuration says: a device that it names no more goes, one that it names
/// otherwise is made anew.
///
/// # Errors
/// If one cannot write, or if two get in each other's way: nothing may be answered then.
pub async fn configure(core: &Core) -> Result<(), Error> {
    let wanted = &core.config.audit.devices;
    core.transact(|mut txn| async move {
        let prefix = Ns(ROOT_NS).audit("");
        let mut there = Vec::new();
        for key in txn.list(&prefix, None, limits::AUDIT_DEVICES).await? {
            let entry: Option<AuditEntry> = stored::load(&mut txn, &key).await?;
            there.extend(entry.map(|entry| (key, entry)));
        }
        for (key, entry) in there.iter().filter(|(_, entry)| entry.configured) {
            if !wanted.iter().any(|config| entry.is(config)) {
                txn.delete(key.clone());
            }
        }
        let missing = |config: &&DeviceConfig| {
            !there
                .iter()
                .any(|(_, entry)| entry.configured && entry.is(config))
        };
        for config in wanted.iter().filter(missing) {
            let named = |reason: &dyn std::fmt::Display| {
                Error::Audit(format!("{} in the configuration: {reason}", config.path))
            };
            if there
                .iter()
                .any(|(_, entry)| !entry.configured && entry.path == config.path)
            {
                return Err(named(&"a device of this path was made through the API"));
            }
            let entry = AuditEntry {
                configured: true,
                ..AuditEntry::new(config.clone(), &core.random)
            };
            let proved = entry.prove(&core.random, core.clock.now()).await;
            proved.map_err(|error| named(&error))?;
            let stored = serde_json::to_vec(&entry).map_err(|error| named(&error))?;
            txn.put(Ns(ROOT_NS).audit(&entry.path), stored);
        }
        Ok(((), txn))
    })
    .await
}
