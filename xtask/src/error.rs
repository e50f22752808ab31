//! What stops a task.

use std::io;
use std::path::{Path, PathBuf};

/// The result of a task.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a task stopped. The message says what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program could not be started.
    #[error("{command}: cannot be started: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Usually: not installed.
        source: io::Error,
    },
    /// A program ended in failure. Its own output has said why.
    #[error("{command}: {status}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// An error in words.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other(message.into())
    }

    /// For `map_err` on what touches `path`.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
