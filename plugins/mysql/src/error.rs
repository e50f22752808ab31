//! What goes wrong between us and a server.

use std::fmt;

use crate::limits;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or the statements cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The host does not let us connect there.
    #[error("{0}")]
    Denied(String),
    /// There is no connection, or it is of no use any more.
    #[error("{0}")]
    Lost(String),
    /// The server wants the password itself, and the connection is not encrypted but could be.
    #[error("{0}")]
    Exposed(String),
    /// There is a user of that name already, and it is somebody else's.
    #[error("{0}")]
    Taken(String),
    /// The server refused a statement.
    #[error("{0}")]
    Server(Box<ServerError>),
}

/// An `ERR` packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The error's number.
    pub code: u16,
    /// The SQLSTATE; empty before the login.
    pub state: String,
    /// What the server says, cut.
    pub message: String,
}

/// Numbers that decide what we do.
pub mod code {
    /// The statement is none that this server knows.
    pub const SYNTAX: u16 = 1064;
    /// There is no session of that number.
    pub const NO_SUCH_THREAD: u16 = 1094;
    /// It is somebody else's, and we may not end it.
    pub const NOT_OWNER_OF_THREAD: u16 = 1095;
    /// The connection's user may not read this table.
    pub const TABLE_ACCESS_DENIED: u16 = 1142;
    /// Or these columns of it.
    pub const COLUMN_ACCESS_DENIED: u16 = 1143;
    /// It lacks a privilege that is not about tables.
    pub const PRIVILEGE_NEEDED: u16 = 1227;
    /// CREATE, ALTER or DROP USER did not work: there is such a user already, or there is none.
    pub const CANNOT_USER: u16 = 1396;
    /// An option of the server stands against it, perhaps `read_only`.
    pub const OPTION_PREVENTS: u16 = 1290;
}

impl Error {
    /// A connection that broke.
    pub fn lost(message: impl fmt::Display) -> Self {
        Self::Lost(message.to_string())
    }

    /// The error's number, if it was the server that refused.
    pub fn code(&self) -> u16 {
        match self {
            Self::Server(error) => error.code,
            _ => 0,
        }
    }

    /// Whether the connection's user may not do this.
    pub fn lacks_privilege(&self) -> bool {
        matches!(
            self.code(),
            code::TABLE_ACCESS_DENIED | code::COLUMN_ACCESS_DENIED | code::PRIVILEGE_NEEDED
        )
    }

    /// The connection is of no use any more.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Exposed(_) => true,
            Self::Server(error) => error.is_failover(),
            _ => false,
        }
    }

    /// The same, with these texts blotted out of what it says.
    pub fn without(mut self, secrets: &[&str]) -> Self {
        let text = match &mut self {
            Self::Invalid(text)
            | Self::Denied(text)
            | Self::Lost(text)
            | Self::Exposed(text)
            | Self::Taken(text) => text,
            Self::Server(error) => &mut error.message,
        };
        // A shorter one would be found in words that have nothing to do with it, and be told by the gaps.
        let telling = |secret: &&&str| secret.len() >= limits::SECRET;
        for secret in secrets.iter().filter(telling) {
            *text = blot(&text.replace(secret, "[password]"), secret);
        }
        self
    }
}

/// Servers quote the statement near which an error is, and cut the quotation off: perhaps in the middle of a secret.
fn blot(text: &str, secret: &str) -> String {
    let mut out = text.to_owned();
    let starts = secret
        .char_indices()
        .map(|(at, _)| at)
        .filter(|at| *at >= limits::SECRET)
        .rev();
    for start in starts.filter_map(|end| secret.get(..end)) {
        out = out.replace(&format!("{start}'"), "[password]'");
        if let Some(kept) = out.strip_suffix(start) {
            out = format!("{kept}[password]");
        }
    }
    out
}

impl ServerError {
    /// This server cannot be worked with now, another one (or the same, later) can: it shuts down, has no connection
    /// left, closed this one, or has become read-only.
    pub fn is_failover(&self) -> bool {
        match self.code {
            // Too many connections, of all users or of ours; shutting down; killed; timed out; offline.
            1040 | 1203 | 1226 | 1053 | 1927 | 4031 | 3032 | 1184 | 1152 => true,
            // Read-only: the transaction, the storage engine, the server.
            1792 | 1836 => true,
            code::OPTION_PREVENTS => {
                self.message.contains("read-only") || self.message.contains("read_only")
            }
            // A member of a cluster that is not in it; trouble on the network.
            1047 | 1158..=1161 => true,
            _ => self.state.starts_with("08"),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error {}", self.code)?;
        if !self.state.is_empty() {
            write!(f, " ({})", self.state)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        Self::Server(Box::new(error))
    }
}

/// For what cannot be MySQL's protocol.
pub fn nonsense(what: impl fmt::Display) -> Error {
    Error::lost(format!("the server answers nonsense: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, message: &str) -> Error {
        let message = message.to_owned();
        ServerError {
            code,
            message,
            ..ServerError::default()
        }
        .into()
    }

    #[test]
    fn secrets_are_blotted_out_even_if_they_are_cut() {
        #[rustfmt::skip]
        let table = [
            ("near 'hunter22' at line 1", "near '[password]' at line 1"),
            ("near 'BY 'hunte' at line 1", "near 'BY '[password]' at line 1"),
            ("near 'BY 'hunt", "near 'BY '[password]"),
            ("near 'hun' at", "near 'hun' at"),
            ("hunting is fine", "hunting is fine"),
        ];
        for (text, expected) in table {
            let Error::Server(error) = server(1064, text).without(&["hunter22", "hun", ""]) else {
                continue;
            };
            assert_eq!(error.message, expected);
        }
    }

    #[test]
    fn what_another_server_may_do_better() {
        let read_only = "The MySQL server is running with the --read-only option";
        for (code, message, fatal) in [
            (1290, read_only, true),
            (1290, "running with the --skip-grant-tables option", false),
            (1836, "", true),
            (1792, "", true),
            (1053, "", true),
            (1064, "", false),
            (1045, "", false),
        ] {
            assert_eq!(server(code, message).is_fatal(), fatal, "{code} {message}");
        }
    }
}
