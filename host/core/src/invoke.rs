//! The host's own calls into plugins: ending and prolonging leases, and periodic work.

use std::collections::HashMap;
use std::sync::Arc;

use coffer_barrier::{BarrierError, Transaction};
use coffer_clock::UnixMillis;
use coffer_runtime::{CallError, LeaseKind, Outcome, Renewal};
use tracing::warn;

use crate::core::Turn;
use crate::keys::ROOT_NS;
use crate::lease::{self, Lease, Leased};
use crate::mount::{Backend, Mount, PluginMount};
use crate::token::TokenEntry;
use crate::{Core, Error, limits};

impl Mount {
    /// What serves it, or why nothing does.
    pub(crate) fn plugin(&self) -> Result<&PluginMount, Error> {
        let unavailable = |reason: &str| Error::Unavailable {
            mount: self.entry.full_path(),
            reason: reason.to_owned(),
        };
        match &self.backend {
            Backend::Plugin(plugin) => Ok(plugin),
            Backend::Unavailable(reason) => Err(unavailable(reason)),
            Backend::System | Backend::Token => Err(unavailable("it is the host's own")),
        }
    }

    /// What a call came to, in the host's terms. A conflict says to run it again, if nothing outside was touched.
    pub(crate) fn settle<T>(&self, outcome: Outcome<T>) -> Result<(T, Option<Transaction>), Error> {
        match outcome.result {
            Ok(Ok(answer)) => Ok((answer, outcome.txn)),
            Ok(Err(error)) => Err(Error::Plugin(error)),
            Err(CallError::Conflict(key)) if !outcome.touched => Err(Error::Conflict(key)),
            Err(CallError::Barrier(error)) => Err(error.into()),
            Err(CallError::Load(error)) => Err(Error::Unavailable {
                mount: self.entry.full_path(),
                reason: error.to_string(),
            }),
            Err(error) => Err(Error::Call {
                mount: self.entry.full_path(),
                error,
            }),
        }
    }
}

fn described(lease: &Lease) -> coffer_runtime::Lease {
    coffer_runtime::Lease {
        lease_id: lease.id.clone(),
        kind: LeaseKind::Secret,
        path: lease.path.clone(),
        internal: lease.internal.clone(),
        issued: lease.issued.0,
        expires: lease.expires.0,
    }
}

impl Core {
    /// Has the plugin undo what the lease stands for, and forgets the lease in the same commit.
    pub(crate) async fn call_revoke(&self, lease: &Lease) -> Result<(), Error> {
        let mut turn = Turn::default();
        loop {
            match self.try_revoke(lease).await {
                Err(Error::Conflict(key)) => turn.lost(self, key).await?,
                other => return other,
            }
        }
    }

    async fn try_revoke(&self, lease: &Lease) -> Result<(), Error> {
        let mut txn = self.barrier.begin()?;
        let table = self.mounts(&mut txn).await?;
        let Some(mount) = table.by_uuid(&lease.mount) else {
            return Err(Error::Unavailable {
                mount: lease.id.clone(),
                reason: "its mount is unknown".to_owned(),
            });
        };
        let plugin = mount.plugin()?;
        let outcome = self
            .plugins
            .revoke(&plugin.component, &plugin.context, txn, described(lease))
            .await;
        let ((), txn) = mount.settle(outcome)?;
        let mut txn = match txn {
            Some(txn) => txn,
            None => self.barrier.begin()?,
        };
        if let Some(Leased::Secret(current)) = lease::load(&mut txn, &lease.ns, &lease.id).await? {
            current.remove(&mut txn);
        }
        txn.commit().await?;
        Ok(())
    }

    /// Has the plugin prolong what a lease stands for. Returns what the role allows, and the transaction.
    pub(crate) async fn call_renew(
        &self,
        lease: &Lease,
        increment: u64,
    ) -> Result<(Renewal, Transaction), Error> {
        let mut txn = self.barrier.begin()?;
        let table = self.mounts(&mut txn).await?;
        let mount = table
            .by_uuid(&lease.mount)
            .ok_or_else(|| Error::invalid("the lease's mount is gone"))?;
        let plugin = mount.plugin()?;
        let outcome = self
            .plugins
            .renew(
                &plugin.component,
                &plugin.context,
                txn,
                described(lease),
                increment,
            )
            .await;
        let (renewal, txn) = mount.settle(outcome)?;
        Ok((renewal, txn.map_or_else(|| self.barrier.begin(), Ok)?))
    }

    /// Asks the auth method whether a token that it made may be renewed, and by what rules.
    pub(crate) async fn call_renew_token(
        &self,
        mount: &Mount,
        entry: &TokenEntry,
        lease_id: String,
        increment: u64,
        txn: Transaction,
    ) -> Result<(Renewal, Transaction), Error> {
        let plugin = mount.plugin()?;
        let lease = coffer_runtime::Lease {
            lease_id,
            kind: LeaseKind::Token,
            path: entry
                .path
                .strip_prefix(&mount.entry.full_path())
                .unwrap_or(&entry.path)
                .to_owned(),
            internal: entry.internal.clone().unwrap_or_else(|| "null".to_owned()),
            issued: entry.created.0,
            expires: entry.expires.map_or(0, |expires| expires.0),
        };
        let outcome = self
            .plugins
            .renew(&plugin.component, &plugin.context, txn, lease, increment)
            .await;
        let (renewal, txn) = mount.settle(outcome)?;
        Ok((renewal, txn.map_or_else(|| self.barrier.begin(), Ok)?))
    }
}

/// Runs every mount's periodic work when it is due, until the barrier is sealed.
pub(crate) async fn tick_all(core: Arc<Core>) {
    let mut due: HashMap<String, UnixMillis> = HashMap::new();
    loop {
        let changed = core.mounts_changed.notified();
        let Ok(mut txn) = core.barrier.begin() else {
            return;
        };
        let mounts = core.mounts(&mut txn).await;
        drop(txn);
        let now = core.clock.now();
        let mut next = now + limits::REAPER_NAP;
        match mounts {
            Ok(table) => {
                due.retain(|uuid, _| table.by_uuid(uuid).is_some());
                for mount in table.mounts() {
                    let Backend::Plugin(plugin) = &mount.backend else {
                        continue;
                    };
                    let every = plugin
                        .component
                        .plugin()
                        .map_or(0, |description| description.tick);
                    if every == 0 {
                        continue;
                    }
                    let at = due
                        .entry(mount.entry.uuid.clone())
                        .or_insert_with(|| now.plus_seconds(every));
                    if *at <= now {
                        *at = now.plus_seconds(every);
                        if let Err(error) = tick(&core, mount, plugin).await {
                            warn!(mount = mount.entry.full_path(), %error, "periodic work failed");
                        }
                    }
                    next = next.min(*at);
                }
            }
            Err(error) => warn!(%error, "the mounts cannot be read"),
        }
        tokio::select! {
            () = core.clock.sleep_until(next) => {}
            () = changed => {}
        }
    }
}

/// Drops instances and connections that nobody has used for a while. In real time: it is about memory, not about leases.
pub(crate) async fn sweep(core: Arc<Core>) {
    loop {
        tokio::time::sleep(limits::SWEEP).await;
        core.plugins.sweep();
    }
}

async fn tick(core: &Core, mount: &Mount, plugin: &PluginMount) -> Result<(), Error> {
    debug_assert_eq!(mount.entry.ns, ROOT_NS);
    let mut turn = Turn::default();
    loop {
        let txn = core.barrier.begin()?;
        let outcome = core
            .plugins
            .tick(&plugin.component, &plugin.context, txn)
            .await;
        let touched = outcome.touched;
        let lost = match mount.settle(outcome) {
            Ok(((), Some(txn))) => match txn.commit().await {
                Ok(_) => return Ok(()),
                Err(BarrierError::Conflict { key }) if !touched => key,
                Err(error) => return Err(error.into()),
            },
            Ok(((), None)) => return Ok(()),
            Err(Error::Conflict(key)) => key,
            Err(error) => return Err(error),
        };
        turn.lost(core, lost).await?;
    }
}
