//! `secrets enable|list|tune|move|migrate|disable`.

use clap::Subcommand;

use super::Context;
use super::kv::upgrade::Migrate;
use super::mount::{Disable, Enable, Kind, List, Move, Tune};
use crate::error::CliResult;

/// `secrets`.
#[derive(Subcommand)]
pub enum Secrets {
    /// Mount an engine
    Enable(Enable),
    /// List what is mounted
    List(List),
    /// Change the options of a mount
    Tune(Tune),
    /// Give an engine another path; what it gave out is revoked
    Move(Move),
    /// Give the secrets of a kv engine of version 1 versions, all of them at once
    Migrate(Migrate),
    /// Unmount an engine, and revoke what it gave out
    Disable(Disable),
}

impl Secrets {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Enable(command) => command.run(context, Kind::Secrets),
            Self::List(command) => command.run(context, Kind::Secrets),
            Self::Tune(command) => command.run(context, Kind::Secrets),
            Self::Move(command) => command.run(context, Kind::Secrets),
            Self::Migrate(command) => command.run(context),
            Self::Disable(command) => command.run(context, Kind::Secrets),
        }
    }
}
