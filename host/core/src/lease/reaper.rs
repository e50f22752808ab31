//! The reaper. The index of due entries is cut into groups (one per mount and per thing that its leases depend on), and
//! each group is worked on by itself, in the order of time: so a database that is down holds up nothing but its own
//! leases, and costs a few attempts per back-off instead of one per lease. Jobs are groups too, with workers of their own,
//! and groups that have failed may use only some of the workers: neither waits behind backends that hang.
//!
//! It sleeps until the earliest entry is due, and is woken by the change feed when an earlier one is stored.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coffer_clock::UnixMillis;
use coffer_storage::Change;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::job::{Job, Progress};
use super::revoke::{self, Failure};
use crate::keys::{self, Due, DueKind, Ns};
use crate::{Core, Error, limits, token};

/// A group that is being worked on or that waits for its backend.
#[derive(Debug, Clone, Copy)]
enum GroupState {
    Busy { class: Class },
    Down { until: UnixMillis, failures: u32 },
}

/// Whose workers a group uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Job,
    Leases,
    /// Leases whose last revocations failed.
    Failing,
}

impl Class {
    fn of(group: &str, failures: u32) -> Self {
        match failures {
            _ if keys::is_job_group(group) => Self::Job,
            0 => Self::Leases,
            _ => Self::Failing,
        }
    }

    fn workers(self) -> usize {
        match self {
            Self::Job => limits::REAPER_JOBS,
            Self::Leases => limits::REAPER_GROUPS,
            Self::Failing => limits::REAPER_FAILING,
        }
    }
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
        let mut seen = HashSet::new();
        loop {
            let groups = txn
                .children("due/", after.as_deref(), limits::REAPER_PAGE)
                .await?;
            for name in &groups {
                let group = name.trim_end_matches('/');
                seen.insert(group.to_owned());
                let failures = match lock(&self.groups).get(group).copied() {
                    Some(GroupState::Busy { .. }) => continue,
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
                } else if self.begin(group, failures) {
                    let (reaper, core, group) = (self.clone(), core.clone(), group.to_owned());
                    workers.spawn(async move { reaper.work(&core, group, failures).await });
                }
            }
            match groups.last() {
                Some(last) if groups.len() == limits::REAPER_PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        // Nobody waits any more for what others have ended.
        lock(&self.groups).retain(|group, state| {
            matches!(state, GroupState::Busy { .. }) || seen.contains(group)
        });
        Ok(next)
    }

    /// Takes a worker for a group, if one is free.
    fn begin(&self, group: &str, failures: u32) -> bool {
        let class = Class::of(group, failures);
        let mut groups = lock(&self.groups);
        let busy = groups
            .values()
            .filter(|state| matches!(state, GroupState::Busy { class: of } if *of == class));
        let free = busy.count() < class.workers();
        if free {
            groups.insert(group.to_owned(), GroupState::Busy { class });
        }
        free
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
                let until = core.clock.now() + backoff(failures, limits::GROUP_BACKOFF_MAX);
                let failures = failures.saturating_add(1);
                groups.insert(group, GroupState::Down { until, failures });
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

/// Works on what is due, several at a time, from the first to the last: an entry that takes long holds up no other as
/// long as there is a worker left.
async fn drain(core: &Arc<Core>, group: &str) -> Result<Drained, Error> {
    let mut queue = Queue::new(group);
    let mut running = JoinSet::new();
    let (mut waiting, mut succeeded, mut down) = (false, false, None);
    let mut failures = 0;
    loop {
        while failures < limits::REAPER_CONCURRENCY && running.len() < limits::REAPER_CONCURRENCY {
            let Some(due) = queue.next(core).await? else {
                break;
            };
            let core = core.clone();
            running.spawn(async move {
                let reaped = reap(&core, &due).await;
                (due, reaped)
            });
        }
        let Some(finished) = running.join_next().await else {
            break;
        };
        match finished {
            Ok((_, Ok(Reaped::Done))) => (succeeded, failures) = (true, 0),
            Ok((_, Ok(Reaped::Waiting))) => waiting = true,
            Ok((_, Ok(Reaped::Unavailable(reason)))) => {
                failures += 1;
                down = Some(reason);
            }
            Ok((_, Err(Error::Sealed))) => return Err(Error::Sealed),
            Ok((due, Err(error))) => {
                // Whatever is wrong with it, the others are not to wait for it.
                warn!(group, id = due.id, %error, "what is due could not be seen to");
                let wait = match error {
                    Error::Corrupt(_) => limits::LEASE_BACKOFF_MAX,
                    _ => limits::GROUP_BACKOFF_MAX,
                };
                postpone(core, &due, wait).await?;
            }
            Err(_) => {
                (succeeded, failures) = (false, limits::REAPER_CONCURRENCY);
                down = Some("the revocation was cut short".to_owned());
            }
        }
    }
    Ok(match down {
        Some(reason) if !succeeded => Drained::Down(reason),
        _ if waiting => Drained::Waiting,
        _ => Drained::Empty,
    })
}

/// The due entries of a group, in the order of time, each once.
struct Queue {
    prefix: String,
    after: Option<String>,
    page: std::vec::IntoIter<Due>,
}

impl Queue {
    fn new(group: &str) -> Self {
        Self {
            prefix: format!("due/{group}/"),
            after: None,
            page: Vec::new().into_iter(),
        }
    }

    async fn next(&mut self, core: &Core) -> Result<Option<Due>, Error> {
        if let Some(due) = self.page.next() {
            return Ok(Some(due));
        }
        let txn = core.barrier.begin()?;
        let keys = txn
            .list(&self.prefix, self.after.as_deref(), limits::REAPER_PAGE)
            .await?;
        let now = core.clock.now();
        let due: Vec<Due> = keys
            .iter()
            .filter_map(|key| Due::parse(key))
            .take_while(|due| due.at <= now)
            .collect();
        if let Some(last) = due.last() {
            self.after = Some(last.key());
        }
        self.page = due.into_iter();
        Ok(self.page.next())
    }
}

/// Moves an entry that cannot be worked on out of the way of the others.
async fn postpone(core: &Arc<Core>, due: &Due, wait: Duration) -> Result<(), Error> {
    core.transact(|mut txn| async move {
        let Some(value) = txn.get(&due.key()).await? else {
            return Ok(((), txn));
        };
        let later = Due {
            at: core.clock.now() + wait,
            ..due.clone()
        };
        txn.delete(due.key());
        txn.put(later.key(), value.to_vec());
        Ok(((), txn))
    })
    .await
}

enum Reaped {
    Done,
    Waiting,
    /// It is due again later, because what it depends on is not there.
    Unavailable(String),
}

/// Does what one due entry stands for.
async fn reap(core: &Arc<Core>, due: &Due) -> Result<Reaped, Error> {
    match due.kind {
        DueKind::Lease => match revoke::revoke_due(core, &due.ns, &due.id, due).await {
            Ok(()) => Ok(Reaped::Done),
            Err(Failure::Unavailable(reason)) => Ok(Reaped::Unavailable(reason)),
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
    let mut after: Option<String> = None;
    loop {
        let from = &after;
        let step = core.transact(|mut txn| async move {
            let Some(job) = Job::load(&mut txn, key).await? else {
                return Ok((Progress::Done, txn));
            };
            let now = core.clock.now();
            let progress = job
                .step(&mut txn, &core.tokens, &due.ns, from.clone(), now)
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
            Progress::More(next) => after = next,
            Progress::Waiting => return Ok(Reaped::Waiting),
            Progress::Done => return Ok(Reaped::Done),
        }
    }
}
