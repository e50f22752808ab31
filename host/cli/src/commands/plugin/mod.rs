//! `plugin`: the author's commands, which need no server, and the operator's, against a server's catalog.

pub mod author;
pub mod catalog;

use clap::Subcommand;

pub use self::author::AuthorError;
use super::Context;
use crate::error::CliResult;

/// `plugin`.
#[derive(Subcommand)]
pub enum Plugin {
    /// What an author does on their own machine.
    #[command(flatten)]
    Author(author::Author),
    /// What an operator does on a server.
    #[command(flatten)]
    Catalog(catalog::Catalog),
}

impl Plugin {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Author(command) => command.run(&context.output),
            Self::Catalog(command) => command.run(context),
        }
    }
}
