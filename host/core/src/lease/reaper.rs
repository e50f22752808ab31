//! The reaper. The index of due entries is cut into groups (one per mount and per thing that its leases depend on), and
//! each group is worked on by itself, in the order of time: so a database that is down holds up nothing but its own
//! leases, and costs one attempt per back-off instead of one per lease.
//!
//! It sleeps until the earliest entry is due, and is woken by the change feed when an earlier one is stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coffer_clock::UnixMillis;
use coffer_storage::Change;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::job::{Job, Progress};
use super::revoke::{self, Failure};
use crate::keys::{Due, DueKind, JOB_GROUP, Ns};
use crate::{Core, Error, limits, token};

/// A group that is being worked on or that waits for its backend.
#[derive(Debug, Clone, Copy)]
enum GroupState {
    Busy,
    Down { until: UnixMillis, failures: u32 },
}

/// What the reaper shares with those that wake it.
pub struct Reaper {
    groups: Mutex<HashMap<String, GroupState>>,
    wake: Notify,
    /// When the reaper means to wake; entries due before it must notify.
    alarm: Mutex<UnixMillis>,
}

impl Reaper {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            groups: Mutex::default(),
            wake: Notify::new(),
            alarm: Mutex::new(UnixMillis(u64::MAX)),
        })
    }

    /// Watches the change feed for entries that are due before the reaper means to wake.
    pub fn observe(&self, change: &Change<'_>) {
        let earliest = change.keys().filter_map(Due::parse).map(|due| due.at).min();
        if earliest.is_some_and(|at| at < *lock(&self.alarm)) {
            self.wake.notify_one();
        }
    }

    /// Works until the barrier is sealed.
    pub async fn run(self: Arc<Self>, core: Arc<Core>) {
        let mut workers = JoinSet::new();
        lock(&self.groups).clear();
        loop {
            let woken = self.wake.notified();
            // Anything stored from here on is either seen by the scan or wakes us after it.
            *lock(&self.alarm) = UnixMillis(u64::MAX);
            let next = match self.scan(&core, &mut workers).await {
                Ok(next) => next,
                Err(Error::Sealed) => break,
                Err(error) => {
                    warn!(%error, "looking for expired leases failed");
                    core.clock.now() + limits::REVOKE_BACKOFF_MIN
                }
            };
            *lock(&self.alarm) = next;
            tokio::select! {
                () = woken => {}
                () = core.clock.sleep_until(next) => {}
                Some(_) = workers.join_next() => {}
            }
        }
        workers.shutdown().await;
    }

    /// Starts work on every group that has something due and is not held back, and returns when to look again.
    async fn scan(
        self: &Arc<Self>,
        core: &Arc<Core>,
        workers: &mut JoinSet<()>,
    ) -> Result<UnixMillis, Error> {
        let mut txn = core.barrier.begin()?;
        let now = core.clock.now();
        let mut next = now + limits::REAPER_NAP;
        let mut after: Option<String> = None;
        loop {
            let groups = txn
                .children("due/", after.as_deref(), limits::REAPER_PAGE)
                .await?;
            for name in &groups {
                let group = name.trim_end_matches('/');
                let failures = match lock(&self.groups).get(group).copied() {
                    Some(GroupState::Busy) => continue,
                    Some(GroupState::Down { until, .. }) if until > now => {
                        next = next.min(until);
                        continue;
                    }
                    Some(GroupState::Down { failures, .. }) => failures,
                    None => 0,
                };
                let Some(due) = first_due(&mut txn, group).await? else {
                    continue;
                };
                if due > now {
                    next = next.min(due);
                } else if workers.len() < limits::REAPER_GROUPS {
                    lock(&self.groups).insert(group.to_owned(), GroupState::Busy);
                    let (reaper, core, group) = (self.clone(), core.clone(), group.to_owned());
                    workers.spawn(async move { reaper.work(&core, group, failures).await });
                }
            }
            match groups.last() {
                Some(last) if groups.len() == limits::REAPER_PAGE => after = Some(last.clone()),
                _ => return Ok(next),
            }
        }
    }

    /// Works off what is due in one group.
    async fn work(self: Arc<Self>, core: &Arc<Core>, group: String, failures: u32) {
        let outcome = drain(core, &group).await;
        let mut groups = lock(&self.groups);
        match outcome {
            Ok(Drained::Empty) => {
                groups.remove(&group);
            }
            Ok(Drained::Waiting) => {
                let until = core.clock.now() + limits::REVOKE_BACKOFF_MIN;
                groups.insert(group, GroupState::Down { until, failures: 0 });
            }
            Ok(Drained::Down(reason)) => {
                let wait = backoff(failures, limits::GROUP_BACKOFF_MAX);
                warn!(group, failures = failures + 1, retry_in = ?wait, reason, "revocations wait for their backend");
                let until = core.clock.now() + wait;
                groups.insert(
                    group,
                    GroupState::Down {
                        until,
                        failures: failures.saturating_add(1),
                    },
                );
            }
            Err(error) => {
                if !matches!(error, Error::Sealed) {
                    warn!(group, %error, "revoking expired leases failed");
                }
                let until = core.clock.now() + backoff(failures, limits::GROUP_BACKOFF_MAX);
                groups.insert(
                    group,
                    GroupState::Down {
                        until,
                        failures: failures.saturating_add(1),
                    },
                );
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Doubles with every failure.
pub(super) fn backoff(failures: u32, max: Duration) -> Duration {
    limits::REVOKE_BACKOFF_MIN
        .saturating_mul(1 << failures.min(20))
        .min(max)
}

async fn first_due(
    txn: &mut coffer_barrier::Transaction,
    group: &str,
) -> Result<Option<UnixMillis>, Error> {
    let first = txn.list(&format!("due/{group}/"), None, 1).await?;
    Ok(first
        .first()
        .and_then(|key| Due::parse(key))
        .map(|due| due.at))
}

enum Drained {
    Empty,
    /// Jobs are left that wait for leases of other groups.
    Waiting,
    Down(String),
}

async fn drain(core: &Arc<Core>, group: &str) -> Result<Drained, Error> {
    let mut waiting = false;
    let mut after: Option<String> = None;
    loop {
        let now = core.clock.now();
        let txn = core.barrier.begin()?;
        let page = txn
            .list(
                &format!("due/{group}/"),
                after.as_deref(),
                limits::REAPER_PAGE,
            )
            .await?;
        drop(txn);
        let due: Vec<Due> = page
            .iter()
            .filter_map(|key| Due::parse(key))
            .take_while(|due| due.at <= now)
            .collect();
        if due.is_empty() {
            return Ok(if waiting {
                Drained::Waiting
            } else {
                Drained::Empty
            });
        }
        let mut running = JoinSet::new();
        let mut queue = due.into_iter();
        let mut down = None;
        loop {
            while down.is_none() && running.len() < limits::REAPER_CONCURRENCY {
                let Some(due) = queue.next() else { break };
                // Jobs stay in their place until they are done: step over those that wait.
                if group == JOB_GROUP {
                    after = Some(due.key());
                }
                let core = core.clone();
                running.spawn(async move { reap(&core, &due).await });
            }
            let Some(finished) = running.join_next().await else {
                break;
            };
            match finished {
                Ok(Ok(Reaped::Done)) => {}
                Ok(Ok(Reaped::Waiting)) => waiting = true,
                Ok(Ok(Reaped::Down(reason))) => down = Some(reason),
                Ok(Err(error)) => return Err(error),
                Err(_) => down = Some("the revocation was cut short".to_owned()),
            }
        }
        if let Some(reason) = down {
            return Ok(Drained::Down(reason));
        }
    }
}

enum Reaped {
    Done,
    Waiting,
    Down(String),
}

/// Does what one due entry stands for.
async fn reap(core: &Arc<Core>, due: &Due) -> Result<Reaped, Error> {
    match due.kind {
        DueKind::Lease => match revoke::revoke_due(core, &due.ns, &due.id, due).await {
            Ok(()) => Ok(Reaped::Done),
            Err(Failure::Unavailable(reason)) => Ok(Reaped::Down(reason)),
            Err(Failure::Recorded(_)) => Ok(Reaped::Done),
            Err(Failure::Host(error)) => Err(error),
        },
        DueKind::Token => expire_token(core, due).await.map(|()| Reaped::Done),
        DueKind::Job => run_job(core, due).await,
    }
}

async fn expire_token(core: &Arc<Core>, due: &Due) -> Result<(), Error> {
    core.transact(|mut txn| async move {
        let now = core.clock.now();
        match token::read_entry(&mut txn, &Ns(&due.ns).token(&due.id)).await? {
            Some((_, entry)) if entry.is_expired(now) => {
                core.tokens.revoke(&mut txn, &due.id, &entry, false, now)?;
            }
            Some((_, entry)) if entry.expires == Some(due.at) => {}
            _ => txn.delete(due.key()),
        }
        Ok(((), txn))
    })
    .await
}

async fn run_job(core: &Arc<Core>, due: &Due) -> Result<Reaped, Error> {
    let key = due.key();
    let key = key.as_str();
    loop {
        let step = core.transact(|mut txn| async move {
            let Some(job) = Job::load(&mut txn, key).await? else {
                return Ok((Progress::Done, txn));
            };
            let progress = job
                .step(&mut txn, &core.tokens, &due.ns, core.clock.now())
                .await?;
            if progress == Progress::Done {
                txn.delete(key);
                if let Job::Unmount { uuid } = &job {
                    info!(mount = uuid, "nothing is left of the disabled mount");
                }
            }
            Ok((progress, txn))
        });
        match step.await? {
            Progress::More => {}
            Progress::Waiting => return Ok(Reaped::Waiting),
            Progress::Done => return Ok(Reaped::Done),
        }
    }
}
