//! What can go wrong with a request, and the one table from that to HTTP.

use coffer_barrier::BarrierError;
use coffer_runtime::{CallError, ErrorKind, PluginError};
use serde_json::json;

use crate::request::{Body, Response};

/// Why a request failed. Texts are read by callers: they say what was wrong and where, and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is wrong.
    #[error("{0}")]
    Invalid(String),
    /// No policy of the token allows it.
    #[error("permission denied")]
    Denied,
    /// The token is missing, unknown, expired or used from the wrong place.
    #[error("permission denied")]
    InvalidToken,
    /// Refused for a reason that is no secret.
    #[error("{0}")]
    Forbidden(String),
    /// There is nothing there: a read of nothing.
    #[error("not found")]
    Nothing,
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// No mount has this path.
    #[error("no handler for route \"{0}\". route entry not found.")]
    NoRoute(String),
    /// The mount has no such path.
    #[error("unsupported path")]
    UnsupportedPath,
    /// The path has no such operation.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// The barrier is sealed.
    #[error("Vault is sealed")]
    Sealed,
    /// The server was never initialised.
    #[error("server is not yet initialized")]
    Uninitialized,
    /// The mount's component is missing or broken.
    #[error("mount \"{mount}\" is unavailable: {reason}")]
    Unavailable {
        /// The mount's path.
        mount: String,
        /// Why.
        reason: String,
    },
    /// The plugin answered with an error.
    #[error("{}", .0.message)]
    Plugin(PluginError),
    /// The plugin did not answer.
    #[error("plugin of mount \"{mount}\" failed: {error}")]
    Call {
        /// The mount's path.
        mount: String,
        /// How.
        error: CallError,
    },
    /// The body says it is something that this path does not take.
    #[error("{0}")]
    MediaType(String),
    /// Others kept changing the same thing.
    #[error("others kept changing what this request needs; try again")]
    Conflict(String),
    /// The barrier or the storage failed.
    #[error(transparent)]
    Barrier(BarrierError),
    /// No audit device has recorded it. Why is the operator's business, and stands in the log.
    #[error("no audit device could record this, so it is refused; the server's log says why")]
    Audit(String),
    /// What is stored does not make sense.
    #[error("stored data at {0:?} cannot be read")]
    Corrupt(String),
}

impl From<BarrierError> for Error {
    fn from(error: BarrierError) -> Self {
        match error {
            BarrierError::Sealed => Self::Sealed,
            BarrierError::Conflict { key } => Self::Conflict(key),
            other => Self::Barrier(other),
        }
    }
}

impl Error {
    /// Shorthand for [`Error::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 400,
            Self::Denied | Self::InvalidToken | Self::Forbidden(_) => 403,
            Self::Nothing | Self::NotFound(_) | Self::NoRoute(_) | Self::UnsupportedPath => 404,
            Self::UnsupportedOperation => 405,
            Self::MediaType(_) => 415,
            Self::Uninitialized => 400,
            Self::Sealed | Self::Unavailable { .. } | Self::Conflict(_) => 503,
            Self::Plugin(error) => match error.kind {
                ErrorKind::InvalidRequest => 400,
                ErrorKind::PermissionDenied => 403,
                ErrorKind::NotFound => 404,
                ErrorKind::UnsupportedOperation => 405,
                ErrorKind::Conflict => 409,
                ErrorKind::Unavailable => 502,
                ErrorKind::Internal => 500,
            },
            // As Vault's storage says it of what is too large for it.
            Self::Barrier(BarrierError::Full { .. }) => 413,
            Self::Call {
                error: CallError::Crowded { .. },
                ..
            } => 429,
            Self::Call { .. } | Self::Barrier(_) | Self::Audit(_) | Self::Corrupt(_) => 500,
        }
    }

    /// The texts of the answer, in the wording that Vault's clients know.
    fn messages(&self) -> Vec<String> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Denied | Self::UnsupportedPath | Self::UnsupportedOperation => {
                vec![one(&self.to_string())]
            }
            Self::Plugin(error) => match error.kind {
                ErrorKind::NotFound | ErrorKind::UnsupportedOperation
                    if error.message.starts_with("unsupported ") =>
                {
                    vec![one(&error.message)]
                }
                ErrorKind::NotFound if error.message.is_empty() => Vec::new(),
                _ => vec![error.message.clone()],
            },
            _ => vec![self.to_string()],
        }
    }

    /// As the client gets it.
    pub fn respond(&self) -> Response {
        let body = json!({ "errors": self.messages() });
        Response {
            status: self.status(),
            body: Body::Json(body.to_string().into()),
            headers: Vec::new(),
        }
    }
}

/// The form that Vault gives to errors that it collects.
fn one(message: &str) -> String {
    format!("1 error occurred:\n\t* {message}\n\n")
}
