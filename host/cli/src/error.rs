//! What a command can fail with, and the exit code that scripts see: 1 when the mistake is on this side (flags,
//! arguments, files), 2 when the server could not be reached or said no.

use std::process::ExitCode;

use crate::client::ClientError;
use crate::commands::plugin::AuthorError;
use crate::server::ServerError;

/// A command's failure, worded for whoever typed it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Flags, arguments or local files are not what they must be.
    #[error("{0}")]
    Usage(String),
    /// A request failed; the text says what it was for.
    #[error("{}{source}", prefix(.context))]
    Request {
        /// What was being done; may be empty.
        context: String,
        /// Why it failed.
        source: Box<ClientError>,
    },
    /// The server answered, and what was asked for is not there or not possible.
    #[error("{0}")]
    Refused(String),
    /// The server could not start, or stopped with an error.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A plugin's author is told what is wrong.
    #[error(transparent)]
    Author(#[from] AuthorError),
}

fn prefix(context: &str) -> String {
    if context.is_empty() {
        String::new()
    } else {
        format!("{context}: ")
    }
}

impl CliError {
    /// A mistake in how the command was called.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// What the shell gets.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::Server(_) => 1,
            Self::Author(error) => error.code(),
            Self::Request { .. } | Self::Refused(_) => 2,
        })
    }

    /// What `-output-curl-string` or `-output-policy` asked for instead of a request.
    pub fn instead(&self) -> Option<&str> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                ClientError::Instead(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<ClientError> for CliError {
    fn from(source: ClientError) -> Self {
        Self::Request {
            context: String::new(),
            source: Box::new(source),
        }
    }
}

/// What a command's `run` returns.
pub type CliResult = Result<ExitCode, CliError>;

/// Says what a request was for.
pub trait Doing<T> {
    /// # Errors
    /// The same error, with the words in front.
    fn doing(self, context: impl Into<String>) -> Result<T, CliError>;
}

impl<T> Doing<T> for Result<T, ClientError> {
    fn doing(self, context: impl Into<String>) -> Result<T, CliError> {
        self.map_err(|source| CliError::Request {
            context: context.into(),
            source: Box::new(source),
        })
    }
}
