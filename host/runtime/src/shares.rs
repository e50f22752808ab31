//! What each mount may have of the calls that run at the same time: whatever holds up the calls of one, others find room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// The shares of the mounts that have been called lately.
#[derive(Default)]
pub(crate) struct Shares {
    mounts: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Shares {
    /// Waits until the mount may run one more call; None if the runtime has ended.
    pub async fn turn(&self, mount: &Arc<str>) -> Option<OwnedSemaphorePermit> {
        let share = self
            .mounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(mount.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(limits::CALLS_PER_MOUNT)))
            .clone();
        share.acquire_owned().await.ok()
    }

    /// Forgets those of which nothing is used.
    pub fn sweep(&self) {
        self.mounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, share| Arc::strong_count(share) > 1);
    }
}
