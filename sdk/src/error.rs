use std::fmt;

pub use crate::bindings::plugin::coffer::plugin::types::{Error, ErrorKind};

/// A handler's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// The caller's input is wrong: 400.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// The caller may not do this: 403.
    pub fn denied(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::PermissionDenied, message)
    }

    /// There is no such thing: 404. With an empty message: nothing there to read.
    pub fn not_found(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The path has no such operation: 405.
    pub fn unsupported(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::UnsupportedOperation, message)
    }

    /// Somebody else changed what the request was based on: 409.
    pub fn conflict(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// What the plugin depends on cannot be reached: 502.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The plugin itself is at fault: 500.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}
