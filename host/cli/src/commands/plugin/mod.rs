//! `plugin`: the author's commands, which need no server.

mod error;
mod files;
mod keygen;
mod keys;
mod sign;
mod verify;

use clap::Subcommand;

pub use self::error::AuthorError;
use crate::error::CliResult;
use crate::output::Output;

/// `plugin`.
#[derive(Subcommand)]
pub enum Plugin {
    /// What an author does on their own machine.
    #[command(flatten)]
    Author(Author),
}

/// The commands that need no server.
#[derive(Subcommand)]
pub enum Author {
    /// Make a pair of keys to sign plugins with
    Keygen(keygen::Keygen),
    /// Sign a plugin
    Sign(sign::Sign),
    /// Check who signed a plugin
    Verify(verify::Verify),
}

impl Author {
    pub(super) fn run(self, output: &Output) -> CliResult {
        match self {
            Self::Keygen(command) => command.run(),
            Self::Sign(command) => command.run(),
            Self::Verify(command) => command.run(output),
        }
    }
}
