//! `coffer`: the server, and the command line that speaks to it as to any Vault.

mod config;
mod server;
mod token_helper;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "coffer", version, about = "A secrets platform with Vault's API.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a server.
    Server(server::ServerArgs),
}

fn main() -> ExitCode {
    let args = std::env::args().map(|a| if a.starts_with('-') && !a.starts_with("--") && a.len() > 2 { format!("-{a}") } else { a });
    match Cli::parse_from(args).command {
        Command::Server(args) => server::run(&args).unwrap_or_else(|error| {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }),
    }
}
