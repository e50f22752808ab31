//! Ending one lease: the plugin undoes what it stands for, then it is forgotten. In that order, so that a crash in between
//! means that the plugin is asked once more, and never that something is left behind.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// What it depends on is down; the lease is as it was.
    #[error("{0}")]
    Unavailable(String),
    /// It was noted in the lease, which is due again later.
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
        Some(lease) if lease.due == due.at => revoke(core, &lease).await,
        _ => {
            core.transact(|mut txn| async move {
                let current = entry::load(&mut txn, ns, id).await?;
                if !matches!(current, Some(Leased::Secret(lease)) if lease.due == due.at) {
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

/// Forgets a lease, even if the plugin cannot undo what it stands for.
pub async fn force(core: &Arc<Core>, ns: &str, id: &str) -> Result<(), Error> {
    let _claim = core.in_flight.claim(id).await;
    let Some(lease) = current(core, ns, id).await? else {
        return Ok(());
    };
    match revoke(core, &lease).await {
        Ok(()) => Ok(()),
        Err(Failure::Host(error @ Error::Sealed)) => Err(error),
        Err(failure) => {
            warn!(
                lease = id,
                ?failure,
                "a lease is forgotten by force; what it stood for may still exist"
            );
            forget(core, ns, id).await
        }
    }
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
            Error::Plugin(answer) if answer.kind == ErrorKind::Unavailable => {
                Err(Failure::Unavailable(answer.message.clone()))
            }
            Error::Unavailable { .. } => Err(Failure::Unavailable(error.to_string())),
            Error::Plugin(_) | Error::Call { .. } => record(core, lease, error.to_string()).await,
            _ => Err(Failure::Host(error)),
        },
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

/// Notes the failure and tries again later.
async fn record(core: &Arc<Core>, lease: &Lease, reason: String) -> Result<(), Failure> {
    let attempts = lease.attempts.saturating_add(1);
    warn!(
        lease = lease.id,
        attempts,
        irrevocable = attempts >= limits::IRREVOCABLE_AFTER,
        reason,
        "a lease could not be revoked"
    );
    let why = reason.as_str();
    core.transact(|mut txn| async move {
        if let Some(Leased::Secret(before)) = entry::load(&mut txn, &lease.ns, &lease.id).await? {
            let due = core.clock.now() + backoff(lease.attempts, limits::LEASE_BACKOFF_MAX);
            let after = Lease {
                attempts,
                due,
                last_error: Some(why.to_owned()),
                ..(*before).clone()
            };
            after.replace(&mut txn, &before)?;
        }
        Ok(((), txn))
    })
    .await?;
    Err(Failure::Recorded(reason))
}
