//! When the key that values are sealed with is replaced: by time, or by how much it has sealed.
//! <https://developer.hashicorp.com/vault/api-docs/system/rotate-config>

use std::sync::Arc;

use coffer_barrier::{BarrierError, KeyStatus};
use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::core::Turn;
use crate::keys::ROTATION;
use crate::{Core, Error, limits, stored};

/// When.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub enabled: bool,
    /// The most that one key seals. AES-GCM with random nonces is safe up to 2³² values (NIST SP 800-38D, 8.3).
    pub max_operations: u64,
    /// How old one becomes, in seconds; 0 for any age.
    pub interval: u64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            enabled: true,
            max_operations: limits::MAX_OPERATIONS,
            interval: 0,
        }
    }
}

impl Rotation {
    /// Whether a key has done enough.
    fn is_due(&self, key: KeyStatus, now: UnixMillis) -> bool {
        let aged = self.interval > 0 && now >= key.installed.plus_seconds(self.interval);
        self.enabled && (aged || key.encryptions >= self.max_operations)
    }
}

impl Core {
    /// When the key is replaced.
    pub(crate) async fn rotation(&self) -> Result<Rotation, Error> {
        let stored = stored::load(&mut self.barrier.begin()?, ROTATION).await?;
        Ok(stored.unwrap_or_default())
    }

    /// Replaces the key that values are sealed with.
    pub(crate) async fn rotate(&self) -> Result<(), Error> {
        self.change_keys(|| self.barrier.rotate(self.clock.now()))
            .await
    }

    /// Replaces the root key.
    pub(crate) async fn rotate_root(&self) -> Result<(), Error> {
        self.change_keys(|| self.seal.rotate_root()).await
    }

    /// Changes the barrier's keys, again when somebody else was first.
    pub(crate) async fn change_keys<F>(&self, change: impl Fn() -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), BarrierError>> + Send,
    {
        let mut turn = Turn::default();
        loop {
            match change().await {
                Err(BarrierError::Conflict { key }) => turn.lost(self, key).await?,
                changed => return Ok(changed?),
            }
        }
    }
}

/// Notes how much the key has sealed, and replaces it when it has done enough. Looks in real time: keys are old by days.
pub async fn run(core: Arc<Core>) {
    loop {
        tokio::time::sleep(limits::KEY_CHECK).await;
        match check(&core).await {
            Ok(()) | Err(Error::Sealed) => {}
            Err(error) => warn!(%error, "the barrier's key could not be looked after"),
        }
    }
}

async fn check(core: &Core) -> Result<(), Error> {
    core.barrier.note_encryptions().await?;
    let key = core.barrier.key_status().await?;
    if core.rotation().await?.is_due(key, core.clock.now()) {
        core.rotate().await?;
        let term = key.term + 1;
        info!(term, "the key that values are sealed with was replaced");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_by_age_or_by_use() {
        let key = KeyStatus {
            term: 1,
            installed: UnixMillis(1000),
            encryptions: 2_000_000,
        };
        let rotation = |enabled, max_operations, interval| Rotation {
            enabled,
            max_operations,
            interval,
        };
        let due = |rotation: Rotation, now| rotation.is_due(key, UnixMillis(now));
        assert!(due(rotation(true, 2_000_000, 0), 0));
        assert!(!due(rotation(true, 2_000_001, 0), u64::MAX));
        assert!(due(rotation(true, 3_000_000, 10), 11_000));
        assert!(!due(rotation(true, 3_000_000, 10), 10_999));
        assert!(!due(rotation(false, 1, 1), u64::MAX));
    }
}
