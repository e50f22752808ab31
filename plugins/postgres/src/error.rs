//! What goes wrong between us and a PostgreSQL server.

use std::fmt;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;

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
    #[error("{message}")]
    Lost {
        /// What was seen.
        message: String,
        /// What is known of the statements that were under way.
        fate: Fate,
    },
    /// There is a user of that name already, and it is somebody else's.
    #[error("{0}")]
    Taken(Box<ServerError>),
    /// The server refused a statement.
    #[error("{0}")]
    Server(Box<ServerError>),
}

/// What became of the statements under way when a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They never ran: the server said goodbye before it answered anything.
    NotRun,
    /// Nothing was heard at all: most likely they never ran.
    Unheard,
    /// Some of them did run.
    Unknown,
}

/// An `ErrorResponse`, cut to what a user needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, in English whatever the server's language.
    pub severity: String,
    /// The SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// What depends on what, for instance.
    pub detail: String,
}

/// SQLSTATEs that decide what we do.
pub mod code {
    /// There is such a role already.
    pub const DUPLICATE_OBJECT: &str = "42710";
    /// `lock_timeout` has passed.
    pub const LOCK_NOT_AVAILABLE: &str = "55P03";
    /// There is no such role.
    pub const UNDEFINED_OBJECT: &str = "42704";
    /// The connection's user may not do this.
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    /// `pg_hba.conf` has no line for us (for instance because we came without TLS).
    pub const NOT_AUTHORIZED: &str = "28000";
    /// The server has become a standby.
    pub const READ_ONLY: &str = "25006";
}

impl Error {
    /// A connection that broke in the middle of something.
    pub fn lost(message: impl Into<String>) -> Self {
        Self::Lost {
            message: message.into(),
            fate: Fate::Unknown,
        }
    }

    /// The SQLSTATE, if it was the server that refused.
    pub fn code(&self) -> &str {
        match self {
            Self::Server(error) | Self::Taken(error) => &error.code,
            _ => "",
        }
    }

    /// The same, with these texts blotted out of what it says.
    pub fn without(mut self, secrets: &[&str]) -> Self {
        let texts: &mut [&mut String] = match &mut self {
            Self::Invalid(message) | Self::Denied(message) | Self::Lost { message, .. } => {
                &mut [message]
            }
            Self::Server(error) | Self::Taken(error) => {
                &mut [&mut error.message, &mut error.detail]
            }
        };
        for text in texts {
            // A shorter one would be found in words that have nothing to do with it, and be told by the gaps.
            let telling = |secret: &&&str| secret.len() >= limits::SECRET;
            for secret in secrets.iter().filter(telling) {
                **text = text.replace(secret, "[password]");
            }
        }
        self
    }
}

impl ServerError {
    /// From the wire. Fields that are not UTF-8 are read as well as they can be.
    pub fn parse(body: &ErrorResponseBody) -> Self {
        let mut error = Self::default();
        let mut fields = body.fields();
        // A field that cannot be read ends the list: what was read so far is still worth telling.
        while let Ok(Some(field)) = fields.next() {
            let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'V' => error.severity = value(),
                // Servers before 9.6 send only the localised one.
                b'S' if error.severity.is_empty() => error.severity = value(),
                b'C' => error.code = value(),
                b'M' => error.message = value(),
                b'D' => error.detail = first_lines(&value()),
                _ => {}
            }
        }
        error
    }

    /// The connection ends with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    /// This server cannot be worked with now, another one (or the same, later) can: it shuts down, starts up, has no
    /// connection left, or has become a standby.
    pub fn is_failover(&self) -> bool {
        let code = self.code.as_str();
        self.is_fatal()
            || code.starts_with("08")
            || code.starts_with("53")
            || matches!(
                code,
                "57P01" | "57P02" | "57P03" | "57P04" | code::READ_ONLY
            )
    }

    /// Two transactions touched the same catalogue row (the access list of a schema, say): the one that lost can be run
    /// again.
    pub fn is_collision(&self) -> bool {
        match self.code.as_str() {
            "40001" | "40P01" => true,
            // Catalogue updates do not wait for each other as updates of tables do.
            "XX000" => self.message.starts_with("tuple concurrently"),
            _ => false,
        }
    }
}

/// A detail may have a line for each of thousands of objects.
fn first_lines(text: &str) -> String {
    let mut lines = text.lines();
    let mut kept: Vec<&str> = lines.by_ref().take(limits::DETAIL_LINES).collect();
    if lines.next().is_some() {
        kept.push("...");
    }
    kept.join("\n")
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} (SQLSTATE {})",
            self.severity, self.message, self.code
        )?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        Self::Server(Box::new(error))
    }
}
