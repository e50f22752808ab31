//! `plugin`: the operator's commands, against a server's catalog.

pub mod catalog;

use clap::Subcommand;

use super::Context;
use crate::error::CliResult;

/// `plugin`.
#[derive(Subcommand)]
pub enum Plugin {
    /// What an operator does on a server.
    #[command(flatten)]
    Catalog(catalog::Catalog),
}

impl Plugin {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Catalog(command) => command.run(context),
        }
    }
}
