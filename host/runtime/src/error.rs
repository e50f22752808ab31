use coffer_barrier::BarrierError;

use crate::limits;

pub use crate::bindings::plugin::coffer::plugin::types::{Error as PluginError, ErrorKind};

/// Why a component cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no component of this name.
    #[error("plugin not found in the catalog: {0}")]
    Unknown(String),
    /// It is a component for something else.
    #[error("plugin {name:?} is not a {expected} plugin")]
    WrongKind {
        /// Its name.
        name: String,
        /// What was looked for.
        expected: &'static str,
    },
    /// It is no component, imports what the host does not offer, or lacks what its world exports.
    #[error("the component does not fit the contract: {0}")]
    Contract(String),
    /// What it says of itself is refused.
    #[error("the component's description is refused: {0}")]
    Description(String),
    /// Its bytes are not where they should be.
    #[error("the component cannot be had: {0}")]
    Missing(String),
    /// It may not be run.
    #[error("plugin {0}")]
    Refused(String),
    /// The host's own compiler does not run.
    #[error("{0}")]
    Compiler(String),
    /// It failed to describe itself.
    #[error("the component failed to describe itself: {0}")]
    Describe(String),
}

impl LoadError {
    /// Whether trying again would come to the same.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Contract(_) | Self::Description(_))
    }
}

impl From<coffer_manifest::ManifestError> for LoadError {
    fn from(error: coffer_manifest::ManifestError) -> Self {
        Self::Contract(error.to_string())
    }
}

/// Why a call into a plugin gave no answer. The instance is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It did not finish in time.
    #[error("deadline of {0} ms exceeded")]
    Deadline(u64),
    /// Others of its mount ran until its time was over.
    #[error("no turn within {waited} ms: the mount may run {calls} calls at the same time")]
    Crowded {
        /// How long it waited, in milliseconds.
        waited: u64,
        /// The mount's limit.
        calls: usize,
    },
    /// It wanted more memory than it may have.
    #[error("memory limit of {0} bytes exceeded")]
    Memory(usize),
    /// It read and wrote more than fits into one transaction.
    #[error(
        "storage budget exceeded: one call may read and write {} keys and {} bytes; more takes several calls",
        limits::CALL_KEYS,
        limits::CALL_STORAGE
    )]
    Storage,
    /// It called itself too deeply.
    #[error("stack overflow")]
    Stack,
    /// It trapped otherwise: a panic, a division by zero.
    #[error("trap: {0}")]
    Trap(String),
    /// It answered with more than it may.
    #[error("response too large: {0}")]
    ResponseTooLarge(String),
    /// It answered with something that makes no sense.
    #[error("invalid response: {0}")]
    InvalidResponse(String),
    /// Somebody else has changed what it read, and nothing outside was touched yet: run it again.
    #[error("somebody else has changed {0:?}")]
    Conflict(String),
    /// A key that the host holds for it is damaged, or of an algorithm that this host does not have.
    #[error("the stored key {0:?} cannot be used: {1}")]
    Key(String, coffer_keys::KeyError),
    /// The barrier failed below it.
    #[error(transparent)]
    Barrier(BarrierError),
    /// The component cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl CallError {
    /// Whether it is the guest's doing, and not what the host found below or around it.
    pub(crate) fn is_guests(&self) -> bool {
        !matches!(
            self,
            Self::Crowded { .. }
                | Self::Conflict(_)
                | Self::Key(..)
                | Self::Barrier(_)
                | Self::Load(_)
        )
    }

    /// What wasmtime says of a call that it ended.
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        let reason = error.root_cause().to_string();
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::StackOverflow) => Self::Stack,
            Some(_) => Self::Trap(
                reason
                    .strip_prefix("wasm trap: ")
                    .unwrap_or(&reason)
                    .to_owned(),
            ),
            // wasmtime has no type for it.
            None if reason.contains("fuel allocated for hostcalls has been exhausted") => {
                Self::ResponseTooLarge("more than may be passed to the host at once".to_owned())
            }
            None => Self::Trap(reason),
        }
    }
}

/// Makes a plugin's error.
pub(crate) fn plugin_error(kind: ErrorKind, message: impl Into<String>) -> PluginError {
    PluginError {
        kind,
        message: message.into(),
    }
}
