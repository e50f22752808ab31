//! `auth enable|list|tune|disable`.

use clap::Subcommand;

use super::Context;
use super::mount::{Disable, Enable, Kind, List, Move, Tune};
use crate::error::CliResult;

/// `auth`.
#[derive(Subcommand)]
pub enum Auth {
    /// Mount a method
    Enable(Enable),
    /// List what is mounted
    List(List),
    /// Change the options of a mount
    Tune(Tune),
    /// Give a method another path; what it gave out is revoked
    Move(Move),
    /// Unmount a method, and revoke what it gave out
    Disable(Disable),
}

impl Auth {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Enable(command) => command.run(context, Kind::Auth),
            Self::List(command) => command.run(context, Kind::Auth),
            Self::Tune(command) => command.run(context, Kind::Auth),
            Self::Move(command) => command.run(context, Kind::Auth),
            Self::Disable(command) => command.run(context, Kind::Auth),
        }
    }
}
