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

/// A component's bytes, unless it is larger than any server takes: then none of them is read.
fn read_component(file: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let len = std::fs::metadata(file)?.len();
    if len > coffer_runtime::MAX_COMPONENT as u64 {
        return Err(std::io::Error::other(format!(
            "it has {len} bytes; {} are allowed",
            coffer_runtime::MAX_COMPONENT
        )));
    }
    std::fs::read(file)
}
