//! The author's commands, which need no server.

mod build;
mod check;
mod contract;
mod dev_server;
mod encode;
mod error;
mod files;
mod guest;
mod inspect;
mod keygen;
mod keys;
mod new;
mod project;
mod proof;
mod run;
mod sign;
mod templates;
mod test;
mod verify;
mod watch;

use clap::Subcommand;

pub use self::error::AuthorError;
use crate::error::CliResult;
use crate::output::Output;

/// The commands that need no server.
#[derive(Subcommand)]
pub enum Author {
    /// Make a project for a new plugin
    New(new::New),
    /// Build a project's component
    Build(build::BuildArgs),
    /// Build a component, and tell whether a server would take it
    Check(check::Check),
    /// Run a project's tests
    Test(test::Test),
    /// Run a development server with a project's plugin, anew at every save
    Run(run::Run),
    /// Show what a component says of itself
    Inspect(inspect::Inspect),
    /// Make a pair of keys to sign plugins with
    Keygen(keygen::Keygen),
    /// Sign a plugin
    Sign(sign::Sign),
    /// Check who signed a plugin
    Verify(verify::Verify),
}

impl Author {
    pub fn run(self, output: &Output) -> CliResult {
        match self {
            Self::New(command) => command.run(),
            Self::Build(command) => command.run(),
            Self::Check(command) => command.run(output),
            Self::Test(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Inspect(command) => command.run(output),
            Self::Keygen(command) => command.run(),
            Self::Sign(command) => command.run(),
            Self::Verify(command) => command.run(output),
        }
    }
}
