use std::path::PathBuf;
use std::process::ExitStatus;

/// Why an author's command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// A file or folder is not to be had.
    #[error("Error {doing} {}: {source}", .path.display())]
    File {
        /// `reading`, `writing`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What would be made is there already.
    #[error("{} is there already; nothing was changed", .0.display())]
    Exists(PathBuf),
    /// A name is none.
    #[error("{0}")]
    Name(String),
    /// The folder is no plugin's.
    #[error("There is no coffer.toml in {}; `coffer plugin new` makes a project", .0.display())]
    NoProject(PathBuf),
    /// A file says what it may not, or is not what it should be.
    #[error("{}: {reason}", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A program is not there.
    #[error("{program} does not run: {source}{hint}")]
    Tool {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
        /// What would help; may be empty.
        hint: &'static str,
    },
    /// A program failed; it said why.
    #[error("{program} failed ({status})")]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// This program itself has not what it needs.
    #[error("{0}")]
    Host(String),
    /// The component is not one that a server would run, or not the one that was signed.
    #[error("{}: {reason}", .path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl AuthorError {
    /// What the shell gets: 2 if the component was looked at and is not good, else 1.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused { .. } => 2,
            _ => 1,
        }
    }

    /// For `map_err`: the component in this file is not good.
    pub(super) fn refused<E: std::fmt::Display>(
        path: &std::path::Path,
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_owned();
        move |reason| Self::Refused {
            path,
            reason: reason.to_string(),
        }
    }

    /// For `map_err`: this file is not what it should be.
    pub(super) fn malformed<E: std::fmt::Display>(
        path: &std::path::Path,
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_owned();
        move |reason| Self::Malformed {
            path,
            reason: reason.to_string(),
        }
    }
}
