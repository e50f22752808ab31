//! `coffer`: the server, and every operator's and user's command as a client of its HTTP API.
//!
//! The commands, their flags, output and exit codes are those that people know from Vault, so that scripts keep working.
//! A command is a file of [`commands`]; it talks through the one [`client`] and prints through [`output`]. Nothing but
//! [`server`] knows what runs inside of a server.

mod args;
mod client;
mod commands;
mod duration;
mod environment;
mod error;
mod harness;
mod help;
mod kvdata;
mod limits;
mod log;
mod oci;
mod output;
mod secret;
mod server;
mod tls;
mod token_helper;
mod yaml;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == server::COMPILER => return server::compile(),
        Some(first) if first == harness::HARNESS => {
            return harness::run(arguments.next().as_deref().map(Path::new));
        }
        _ => {}
    }
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(stop) if stop.code == 0 => {
            output::text(&stop.text);
            return ExitCode::SUCCESS;
        }
        Err(stop) => {
            output::fail(stop.text.trim_end());
            return ExitCode::from(stop.code);
        }
    };
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            if let Some(text) = error.instead() {
                output::line(text);
                return ExitCode::SUCCESS;
            }
            output::fail(&error.to_string());
            error.exit_code()
        }
    }
}
