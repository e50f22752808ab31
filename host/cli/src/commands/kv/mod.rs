//! `kv`: key/value secrets by the paths that people know, whichever version the engine at a path has.

mod locate;
mod metadata;
mod read;
pub(super) mod upgrade;
mod versions;
mod write;

use clap::Subcommand;

use super::Context;
use crate::error::CliResult;

/// `kv`.
#[derive(Subcommand)]
pub enum Kv {
    /// Show a secret
    Get(read::Get),
    /// Write a secret
    Put(write::Put),
    /// Change some fields of a secret
    Patch(write::Patch),
    /// List the names of secrets
    List(read::List),
    /// Delete a secret, or versions of it
    Delete(versions::Delete),
    /// Bring deleted versions back
    Undelete(versions::Undelete),
    /// Remove versions for good
    Destroy(versions::Destroy),
    /// Make an old version the newest
    Rollback(write::Rollback),
    /// Give the secrets of an engine of version 1 versions
    EnableVersioning(upgrade::EnableVersioning),
    /// What is kept about a secret beside its data
    #[command(subcommand)]
    Metadata(metadata::Metadata),
}

impl Kv {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Get(command) => command.run(context),
            Self::Put(command) => command.run(context),
            Self::Patch(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Delete(command) => command.run(context),
            Self::Undelete(command) => command.run(context),
            Self::Destroy(command) => command.run(context),
            Self::Rollback(command) => command.run(context),
            Self::EnableVersioning(command) => command.run(context),
            Self::Metadata(command) => command.run(context),
        }
    }
}
