//! What each mount may have of the calls that run at the same time: whatever holds up the calls of one, others find room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::plugin::MountContext;

/// The shares of the mounts that have been called lately.
#[derive(Default)]
pub(crate) struct Shares {
    mounts: Mutex<HashMap<Arc<str>, Arc<Share>>>,
}

struct Share {
    turns: Arc<Semaphore>,
    /// Changed under the lock of all shares only.
    size: AtomicUsize,
    /// Turns that were taken away while they were used: they end with the calls that have them.
    owed: AtomicUsize,
}

/// One call's part of its mount's share.
pub(crate) struct Turn {
    share: Arc<Share>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// Waits until the mount may run one more call; None if the runtime has ended.
    pub async fn turn(&self, mount: &MountContext) -> Option<Turn> {
        let share = {
            let mut mounts = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
            let share = mounts
                .entry(mount.id.clone())
                .or_insert_with(|| Arc::new(Share::new(mount.concurrency)));
            share.resize(mount.concurrency);
            share.clone()
        };
        let permit = share.turns.clone().acquire_owned().await.ok()?;
        Some(Turn {
            share,
            permit: Some(permit),
        })
    }

    /// Forgets those of which nothing is used.
    pub fn sweep(&self) {
        self.mounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, share| Arc::strong_count(share) > 1);
    }
}

impl Share {
    fn new(size: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(size)),
            size: AtomicUsize::new(size),
            owed: AtomicUsize::new(0),
        }
    }

    /// A mount that was tuned keeps its share: the calls under way count in the new one.
    fn resize(&self, size: usize) {
        let had = self.size.swap(size, Relaxed);
        if size > had {
            let more = size - had;
            let taken = |owed: usize| Some(owed.saturating_sub(more));
            let owed = self.owed.fetch_update(Relaxed, Relaxed, taken);
            let owed = owed.unwrap_or_else(|owed| owed);
            self.turns.add_permits(more.saturating_sub(owed));
        } else if size < had {
            let forgotten = self.turns.forget_permits(had - size);
            self.owed.fetch_add(had - size - forgotten, Relaxed);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let owed = |owed: usize| owed.checked_sub(1);
        if let Some(permit) = self.permit.take()
            && self.share.owed.load(Relaxed) > 0
            && self.share.owed.fetch_update(Relaxed, Relaxed, owed).is_ok()
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_share_that_shrinks_takes_back_what_is_in_use_when_it_ends() {
        let share = Arc::new(Share::new(3));
        let turn = || Turn {
            share: share.clone(),
            permit: share.turns.clone().try_acquire_owned().ok(),
        };
        let taken = [turn(), turn(), turn()];
        share.resize(1);
        let [first, second, third] = taken;
        drop(first);
        drop(second);
        assert_eq!(share.turns.available_permits(), 0);
        drop(third);
        assert_eq!(share.turns.available_permits(), 1);
        let one = turn();
        share.resize(2);
        assert_eq!(share.turns.available_permits(), 1);
        share.resize(0);
        share.resize(2);
        assert_eq!(share.turns.available_permits(), 1);
        drop(one);
        assert_eq!(share.turns.available_permits(), 2);
    }
}
