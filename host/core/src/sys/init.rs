//! What a new barrier holds: the first token, the default policy, and the host's own mounts.

use coffer_barrier::Transaction;
use coffer_clock::{Random, UnixMillis};

use super::mounts::store_mount;
use super::policies::store_policy;
use crate::keys::{Ns, ROOT_NS};
use crate::mount::{CUBBYHOLE, IDENTITY, MountEntry, SYSTEM, TOKEN, Table};
use crate::policy::DEFAULT_POLICY;
use crate::policy_store::StoredPolicy;
use crate::token::{TokenEntry, TokenKeys};
use crate::{Core, Error, limits};

/// Everything but the keys, into the transaction that `init` commits.
pub fn initialize(
    txn: &mut Transaction,
    random: &Random,
    now: UnixMillis,
    root_token: &str,
    kv: bool,
) {
    let default = StoredPolicy {
        text: DEFAULT_POLICY.to_owned(),
        version: 1,
        cas_required: false,
        modified: now,
        expires: None,
    };
    store_policy(txn, ROOT_NS, "default", &default);
    let system = mount(
        random,
        now,
        Table::Secret,
        "sys/",
        SYSTEM,
        "system endpoints used for control, policy and debugging",
    );
    store_mount(txn, &system);
    store_mount(txn, &cubbyhole(random, now));
    store_mount(txn, &identity(random, now));
    let token = mount(
        random,
        now,
        Table::Auth,
        "token/",
        TOKEN,
        "token based credentials",
    );
    store_mount(txn, &token);
    if kv {
        let mut entry = mount(
            random,
            now,
            Table::Secret,
            "secret/",
            "kv",
            "key/value secret storage",
        );
        entry.options = Some([("version".to_owned(), "2".to_owned())].into());
        store_mount(txn, &entry);
    }
    let Some(keys) = TokenKeys::generate(txn, random) else {
        tracing::error!("the keys of the token store could not be made");
        return;
    };
    let accessor = keys.accessor(root_token);
    let entry = TokenEntry::root(ROOT_NS, accessor, &token.uuid, now);
    if let Err(error) = keys.create(txn, root_token, &entry) {
        tracing::error!(%error, "the first token could not be stored");
    }
}

fn cubbyhole(random: &Random, now: UnixMillis) -> MountEntry {
    let help = "per-token private secret storage";
    let mount = mount(random, now, Table::Secret, "cubbyhole/", CUBBYHOLE, help);
    MountEntry {
        local: true,
        ..mount
    }
}

fn identity(random: &Random, now: UnixMillis) -> MountEntry {
    let help = "identity store";
    mount(random, now, Table::Secret, "identity/", IDENTITY, help)
}

/// Adds what a barrier that was made before has not. It looks at what is stored: to route would load every plugin.
pub async fn complete(core: &Core) -> Result<(), Error> {
    super::host::note_version(core).await?;
    core.transact(|mut txn| async move {
        let prefix = Ns(ROOT_NS).mount("");
        let mut missing = vec![
            cubbyhole(&core.random, core.clock.now()),
            identity(&core.random, core.clock.now()),
        ];
        for key in txn.list(&prefix, None, limits::MAX_MOUNTS).await? {
            let Some(value) = txn.get(&key).await? else {
                continue;
            };
            let entry: MountEntry =
                serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key))?;
            missing.retain(|mount| mount.kind != entry.kind);
        }
        for mount in &missing {
            store_mount(&mut txn, mount);
        }
        Ok(((), txn))
    })
    .await
}

/// A mount as it is first.
pub(super) fn mount(
    random: &Random,
    now: UnixMillis,
    table: Table,
    path: &str,
    kind: &str,
    description: &str,
) -> MountEntry {
    let prefix = if table == Table::Auth { "auth_" } else { "" };
    MountEntry {
        ns: ROOT_NS.to_owned(),
        uuid: random.uuid(),
        accessor: format!("{prefix}{kind}_{}", hex::encode(random.bytes::<4>())),
        table,
        path: path.to_owned(),
        kind: kind.to_owned(),
        description: description.to_owned(),
        options: None,
        config: crate::mount::MountConfig::default(),
        local: false,
        seal_wrap: false,
        external_entropy_access: false,
        plugin_version: String::new(),
        metered: false,
        moved: None,
        created: now,
    }
}
