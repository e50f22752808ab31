//! What goes wrong between us and a server.

use std::fmt;

use coffer_sdk::{Error as ContractError, ErrorKind};

use crate::limits;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration, the rules or a name cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The host does not let us connect there.
    #[error("{0}")]
    Denied(String),
    /// There is no connection, or it is of no use any more.
    #[error("{0}")]
    Lost(String),
    /// The name is somebody else's, or the user was changed by somebody else.
    #[error("{0}")]
    Conflict(String),
    /// The server refused a command.
    #[error("the server refuses: {0}")]
    Refused(Refusal),
}

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// From the wire: one line of text, cut to what a user needs.
    pub fn new(line: &str) -> Self {
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Self(line.chars().take(limits::MESSAGE).map(plain).collect())
    }

    /// Its first word, by which servers tell errors apart: `ERR`, `NOPERM`.
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Whether the server names this in it.
    pub fn names(&self, what: &str) -> bool {
        self.0.contains(what)
    }

    /// This server, or our session, cannot be worked with now; another one, or a later one, can.
    pub fn is_away(&self) -> bool {
        matches!(
            self.code(),
            "READONLY"
                | "LOADING"
                | "MASTERDOWN"
                | "CLUSTERDOWN"
                | "BUSY"
                | "TRYAGAIN"
                | "DENIED"
                | "NOAUTH"
                | "WRONGPASS"
        ) || self.0.starts_with("ERR max number of clients")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        match self.code() {
            // The database engine knows a refused login by this SQLSTATE, whatever the database: it then looks whether an
            // interrupted rotation has left another password.
            "WRONGPASS" => f.write_str(" (28P01)"),
            "NOPERM" => f.write_str(
                " (the connection's user needs ACL GETUSER, SETUSER and DELUSER, and what persistence_mode asks for)",
            ),
            _ => Ok(()),
        }
    }
}

impl Error {
    /// For what cannot be the protocol.
    pub fn nonsense(what: impl fmt::Display) -> Self {
        Self::Lost(format!("the server answers nonsense: {what}"))
    }

    /// The same, with these texts blotted out of what it says.
    #[must_use]
    pub fn without(mut self, secrets: &[&str]) -> Self {
        let (Self::Invalid(text)
        | Self::Denied(text)
        | Self::Lost(text)
        | Self::Conflict(text)
        | Self::Refused(Refusal(text))) = &mut self;
        // A shorter one would be found in words that have nothing to do with it, and be told by the gaps.
        let telling = |secret: &&&str| secret.len() >= limits::SECRET;
        for secret in secrets.iter().filter(telling) {
            *text = text.replace(secret, "[password]");
        }
        self
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        if refusal.is_away() {
            Self::Lost(format!("the server cannot be used now: {refusal}"))
        } else {
            Self::Refused(refusal)
        }
    }
}

/// What connecting fails with.
impl From<ContractError> for Error {
    fn from(error: ContractError) -> Self {
        match error.kind {
            ErrorKind::PermissionDenied => Self::Denied(error.message),
            ErrorKind::InvalidRequest => Self::Invalid(error.message),
            _ => Self::Lost(error.message),
        }
    }
}

impl From<Error> for ContractError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) | Error::Refused(_) => Self::invalid(error),
            Error::Denied(_) => Self::denied(error),
            Error::Lost(_) => Self::unavailable(error),
            Error::Conflict(_) => Self::conflict(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retires_an_instance() {
        #[rustfmt::skip]
        let table = [
            ("READONLY You can't write against a read only replica.", true),
            ("LOADING Redis is loading the dataset in memory", true),
            ("MASTERDOWN Link with MASTER is down", true),
            ("NOAUTH Authentication required.", true),
            ("WRONGPASS invalid username-password pair or user is disabled.", true),
            ("ERR max number of clients reached", true),
            ("NOPERM User u has no permissions to run the 'acl|setuser' command", false),
            ("ERR Error in ACL SETUSER modifier '+@x': Unknown command or category name in ACL", false),
            ("LOADINGX", false), ("", false),
        ];
        for (line, away) in table {
            let error = Error::from(Refusal::new(line));
            assert_eq!(matches!(error, Error::Lost(_)), away, "{line}");
        }
    }

    #[test]
    fn one_line_of_bounded_length() {
        let long = Refusal::new(&format!("ERR a\r\nb\0{}", "x".repeat(100_000))).to_string();
        assert_eq!(long.chars().count(), limits::MESSAGE);
        assert!(!long.contains(char::is_control));
    }

    #[test]
    fn secrets_are_blotted_out() {
        let error = Error::Lost("of s3cret and abc".to_owned()).without(&["s3cret", "abc", ""]);
        assert_eq!(error.to_string(), "of [password] and abc");
    }
}
