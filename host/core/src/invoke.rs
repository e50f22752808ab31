//! The host's own calls into plugins: ending and prolonging leases, and periodic work.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use coffer_barrier::{BarrierError, Transaction};
use coffer_clock::UnixMillis;
use coffer_runtime::{CallError, LeaseKind, Outcome, Renewal};
use tokio::task::JoinSet;
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
            Backend::Native(_) => Err(unavailable("it is the host's own")),
        }
    }

    /// How often its periodic work is due, in seconds; None if it has none.
    fn ticks_every(&self) -> Option<u64> {
        let plugin = self.plugin().ok()?;
        let every = plugin.component.plugin()?.tick;
        (every > 0).then_some(every)
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
        mount.pin(&mut txn);
        let outcome = self
            .plugins
            .revoke(&plugin.component, &plugin.context, txn, described(lease))
            .await;
        let ((), txn) = mount.settle(outcome)?;
        let mut txn = match txn {
            Some(txn) => txn,
            None => self.barrier.begin()?,
        };
        mount.pin(&mut txn);
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
        self.ask_renewal(mount, described(lease), increment, txn)
            .await
    }

    async fn ask_renewal(
        &self,
        mount: &Mount,
        lease: coffer_runtime::Lease,
        increment: u64,
        mut txn: Transaction,
    ) -> Result<(Renewal, Transaction), Error> {
        let plugin = mount.plugin()?;
        mount.pin(&mut txn);
        let outcome = self
            .plugins
            .renew(&plugin.component, &plugin.context, txn, lease, increment)
            .await;
        let (renewal, txn) = mount.settle(outcome)?;
        let mut txn = txn.map_or_else(|| self.barrier.begin(), Ok)?;
        mount.pin(&mut txn);
        Ok((renewal, txn))
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
        self.ask_renewal(mount, lease, increment, txn).await
    }
}

/// Runs every mount's periodic work when it is due, until the barrier is sealed: each by itself, so that one whose
/// database hangs holds up no other.
pub(crate) async fn tick_all(core: Arc<Core>) {
    let mut due: HashMap<String, UnixMillis> = HashMap::new();
    let mut running: JoinSet<String> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
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
                    let Some(every) = mount.ticks_every() else {
                        continue;
                    };
                    let uuid = &mount.entry.uuid;
                    let at = due
                        .entry(uuid.clone())
                        .or_insert_with(|| now.plus_seconds(every));
                    if *at <= now && busy.insert(uuid.clone()) {
                        *at = now.plus_seconds(every);
                        let (core, mount) = (core.clone(), mount.clone());
                        running.spawn(async move {
                            if let Err(error) = tick(&core, &mount).await {
                                warn!(mount = mount.entry.full_path(), %error, "periodic work failed");
                            }
                            mount.entry.uuid.clone()
                        });
                    }
                    if !busy.contains(uuid) {
                        next = next.min(*at);
                    }
                }
            }
            Err(error) => warn!(%error, "the mounts cannot be read"),
        }
        tokio::select! {
            () = core.clock.sleep_until(next) => {}
            () = changed => {}
            Some(done) = running.join_next() => match done {
                Ok(uuid) => {
                    busy.remove(&uuid);
                }
                // It has panicked, and whose it was is not known.
                Err(_) => busy.clear(),
            },
        }
    }
}

/// Tries to load the components of mounts that are unavailable once more: it may only have been too slow.
pub(crate) async fn reload_unavailable(core: Arc<Core>) {
    loop {
        // In real time: how long compiling takes has nothing to do with leases.
        tokio::time::sleep(limits::SWEEP).await;
        let Ok(mut txn) = core.barrier.begin() else {
            return;
        };
        let Ok(table) = core.mounts(&mut txn).await else {
            continue;
        };
        drop(txn);
        for mount in table.mounts() {
            if matches!(mount.backend, Backend::Unavailable(_))
                && let Some(wanted) = mount.entry.wanted()
                && core.catalog.runtime.get(wanted).await.is_ok()
            {
                core.forget_mount(&mount.entry.uuid);
            }
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

async fn tick(core: &Core, mount: &Mount) -> Result<(), Error> {
    debug_assert_eq!(mount.entry.ns, ROOT_NS);
    let mut turn = Turn::default();
    loop {
        let mut txn = core.barrier.begin()?;
        // As it is now: it may have been tuned since, or disabled.
        let table = core.mounts(&mut txn).await?;
        let Some(mount) = table.by_uuid(&mount.entry.uuid) else {
            return Ok(());
        };
        let plugin = mount.plugin()?;
        mount.pin(&mut txn);
        let outcome = core
            .plugins
            .tick(&plugin.component, &plugin.context, txn)
            .await;
        let touched = outcome.touched;
        let lost = match mount.settle(outcome) {
            Ok(((), Some(mut txn))) => {
                mount.pin(&mut txn);
                match txn.commit().await {
                    Ok(_) => return Ok(()),
                    Err(BarrierError::Conflict { key }) if !touched => key,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(((), None)) => return Ok(()),
            Err(Error::Conflict(key)) => key,
            Err(error) => return Err(error),
        };
        turn.lost(core, lost).await?;
    }
}
