use coffer_storage::StorageError;

/// Why the barrier refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// There are no keys in memory.
    #[error("Vault is sealed")]
    Sealed,
    /// Somebody else has changed what this transaction read; run it again.
    #[error("somebody else has changed {key:?}")]
    Conflict {
        /// The key.
        key: String,
    },
    /// What is stored does not open: it was changed, moved, or cut short.
    #[error("the value stored at {0:?} is corrupt")]
    Corrupt(String),
    /// The key or the value is longer than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// A [meter](crate::Meter) allows no more; nothing was written.
    #[error(
        "the mount's storage is full: {limit} is {max}, {used} are in use, and this needs {more} more"
    )]
    Full {
        /// The limit's name.
        limit: &'static str,
        /// What it is.
        max: i64,
        /// What is in use.
        used: i64,
        /// What was to come to it.
        more: i64,
    },
    /// Init of something initialised.
    #[error("Vault is already initialized")]
    AlreadyInitialized,
    /// Unseal before init.
    #[error("server is not yet initialized")]
    NotInitialized,
    /// The number of shares or the threshold makes no sense.
    #[error("{0}")]
    InvalidConfig(String),
    /// The shares given do not make the key.
    #[error("failed to unseal: {0}")]
    InvalidShares(String),
    /// Storage failed.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for BarrierError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict { key } => Self::Conflict { key },
            other => Self::Storage(other),
        }
    }
}
