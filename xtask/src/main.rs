//! The project's own tool: builds the components and the binary, runs the tests, the demonstration and the benchmark.
//!
//! `cargo xtask build` is the only way to a `coffer` with its built-in components inside, because cargo alone cannot
//! build one crate for another target and embed the result in a second. It installs what is missing.

mod bench;
mod binary;
mod components;
mod demo;
mod docs;
mod error;
mod files;
mod fuzz;
mod run;
mod setup;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::workspace::{Profile, Workspace};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, tests, shows and measures Coffer."
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the built-in components and the `coffer` binary that holds them.
    Build {
        /// Optimised, as it is shipped.
        #[arg(long)]
        release: bool,
    },
    /// Runs every test, and installs what that needs.
    Test {
        /// Only tests whose names contain this.
        filter: Option<String>,
        /// Those with a real Kubernetes API server alone, which it builds first: minutes, and 2 GB.
        #[arg(long, conflicts_with = "filter")]
        kubernetes: bool,
    },
    /// Builds the components alone, into target/components.
    Components {
        /// Which, by catalog name; all if none is given.
        names: Vec<String>,
    },
    /// Shows the main job: a database credential, from its configuration to its revocation.
    Demo {
        /// Ends when it is shown.
        #[arg(long)]
        once: bool,
    },
    /// Writes what is made from the contract: wit/REFERENCE.md, and the Go SDK's bindings.
    Docs {
        /// Only says whether it is up to date.
        #[arg(long)]
        check: bool,
    },
    /// Feeds a fuzz target what breaks parsers.
    Fuzz(fuzz::Arguments),
    /// Measures a server under load.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Build { release } => binary::build(&workspace, Profile::new(release)).map(drop),
        Task::Test {
            kubernetes: true, ..
        } => test::kubernetes(&workspace),
        Task::Test { filter, .. } => test::test(&workspace, filter.as_deref()),
        Task::Components { names } => components::build(&workspace, Profile::Development, &names),
        Task::Demo { once } => demo::demo(&workspace, once),
        Task::Docs { check } => docs::docs(&workspace, check),
        Task::Fuzz(arguments) => fuzz::fuzz(&workspace, &arguments),
        Task::Bench(arguments) => bench::bench(&workspace, &arguments),
    }
}
