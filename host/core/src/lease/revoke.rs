//! Ending one lease: the plugin undoes what it stands for, then it is forgotten. In that order, so that a crash in between
//! means that the plugin is asked once more, and never that something is left behind.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coffer_runtime::ErrorKind;
use tokio::sync::Notify;
use tracing::warn;

use super::entry::{self, Lease, Leased};
use super::reaper::backoff;
use crate::keys::Due;
use crate::{Core, Error, limits};

/// Why a lease was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What it depends on is down. That was noted in the lease, which is due again soon.
    #[error("{0}")]
    Unavailable(String),
    /// The plugin could not do it. That was noted in the lease, which is due again later.
    #[error("{0}")]
    Recorded(String),
    /// The host itself failed.
    #[error(transparent)]
    Host(#[from] Error),
}

/// The leases that somebody is at: those being revoked, so that nobody asks the plugin twice at the same time, and those
/// whose request is still making what they stand for, so that it is not looked for before it is there.
#[derive(Default)]
pub struct InFlight {
    ids: Mutex<HashSet<String>>,
    finished: Notify,
}

/// A lease that nobody else touches until this is dropped.
pub struct Claim {
    all: Arc<InFlight>,
    id: String,
}

impl InFlight {
    /// Waits until nobody is at it.
    pub async fn claim(self: &Arc<Self>, id: &str) -> Claim {
        loop {
            let finished = self.finished.notified();
            if self
                .ids
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id.to_owned())
            {
                return Claim {
                    all: self.clone(),
                    id: id.to_owned(),
                };
            }
            finished.await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.all
            .ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
        self.all.finished.notify_waiters();
    }
}

/// Revokes a lease because its due entry says so. An entry that the lease no longer agrees with is dropped.
pub(super) async fn revoke_due(
    core: &Arc<Core>,
    ns: &str,
    id: &str,
    due: &Due,
) -> Result<(), Failure> {
    let _claim = core.in_flight.claim(id).await;
    match current(core, ns, id).await? {
        Some(lease) if lease.due <= due.at => revoke(core, &lease).await,
        _ => {
            core.transact(|mut txn| async move {
                let current = entry::load(&mut txn, ns, id).await?;
                if !matches!(current, Some(Leased::Secret(lease)) if lease.due <= due.at) {
                    txn.delete(due.key());
                }
                Ok(((), txn))
            })
            .await?;
            Ok(())
        }
    }
}

/// Revokes a lease now. A lease that is gone is revoked.
pub async fn revoke_now(core: &Arc<Core>, ns: &str, id: &str) -> Result<(), Failure> {
    let _claim = core.in_flight.claim(id).await;
    match current(core, ns, id).await? {
        Some(lease) => revoke(core, &lease).await,
        None => Ok(()),
    }
}

/// What depends on something that was found to be down while leases were forgotten by force: mounts and groups.
pub type Dead = HashSet<(String, String)>;

/// Forgets a lease, even if the plugin cannot undo what it stands for. The plugin is not asked long, and not at all if
/// what the lease depends on is dead.
pub async fn force(core: &Arc<Core>, ns: &str, id: &str, dead: &mut Dead) -> Result<(), Error> {
    // Whoever is at it may be waiting for what is dead.
    let claim = tokio::time::timeout(limits::FORCE, core.in_flight.claim(id)).await;
    let Some(lease) = current(core, ns, id).await? else {
        return Ok(());
    };
    let depends_on = (lease.mount.clone(), lease.group.clone());
    if claim.is_err() {
        dead.insert(depends_on.clone());
    }
    let failure = if dead.contains(&depends_on) {
        "what it depends on is down".to_owned()
    } else {
        match tokio::time::timeout(limits::FORCE, core.call_revoke(&lease)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error @ Error::Sealed)) => return Err(error),
            Ok(Err(error)) => {
                if is_unavailable(&error) {
                    dead.insert(depends_on);
                }
                error.to_string()
            }
            Err(_) => {
                dead.insert(depends_on);
                format!("no answer within {:?}", limits::FORCE)
            }
        }
    };
    warn!(
        lease = id,
        failure, "a lease is forgotten by force; what it stood for may still exist"
    );
    forget(core, ns, id).await
}

async fn current(core: &Core, ns: &str, id: &str) -> Result<Option<Lease>, Error> {
    let mut txn = core.barrier.begin()?;
    Ok(match entry::load(&mut txn, ns, id).await? {
        Some(Leased::Secret(lease)) => Some(*lease),
        _ => None,
    })
}

async fn revoke(core: &Arc<Core>, lease: &Lease) -> Result<(), Failure> {
    match core.call_revoke(lease).await {
        Ok(()) => Ok(()),
        Err(error) => match &error {
            error if is_unavailable(error) => {
                record(core, lease, &error.to_string(), limits::GROUP_BACKOFF_MAX).await?;
                Err(Failure::Unavailable(error.to_string()))
            }
            Error::Plugin(_) | Error::Call { .. } => {
                record(core, lease, &error.to_string(), limits::LEASE_BACKOFF_MAX).await?;
                Err(Failure::Recorded(error.to_string()))
            }
            _ => Err(Failure::Host(error)),
        },
    }
}

/// Whether what the lease depends on is not there.
fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::Plugin(answer) => answer.kind == ErrorKind::Unavailable,
        error => matches!(error, Error::Unavailable { .. }),
    }
}

/// Removes the lease whatever has happened to it meanwhile: what it stood for is not there.
pub async fn forget(core: &Core, ns: &str, id: &str) -> Result<(), Error> {
    core.transact(|mut txn| async move {
        if let Some(Leased::Secret(lease)) = entry::load(&mut txn, ns, id).await? {
            lease.remove(&mut txn);
        }
        Ok(((), txn))
    })
    .await
}

/// Notes the failure; it is tried again later, after `longest` at most.
async fn record(
    core: &Arc<Core>,
    lease: &Lease,
    reason: &str,
    longest: Duration,
) -> Result<(), Error> {
    let attempts = lease.attempts.saturating_add(1);
    warn!(
        lease = lease.id,
        attempts,
        irrevocable = attempts >= limits::IRREVOCABLE_AFTER,
        reason,
        "a lease could not be revoked"
    );
    core.transact(|mut txn| async move {
        if let Some(Leased::Secret(before)) = entry::load(&mut txn, &lease.ns, &lease.id).await? {
            let due = core.clock.now() + backoff(lease.attempts, longest);
            let after = Lease {
                attempts,
                due,
                last_error: Some(reason.to_owned()),
                ..(*before).clone()
            };
            after.replace(&mut txn, &before)?;
        }
        Ok(((), txn))
    })
    .await
}
