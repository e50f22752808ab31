//! `coffer`: the server, and every operator's and user's command as a client of its HTTP API.
//!
//! The commands, their flags, output and exit codes are those that people know from Vault, so that scripts keep working.
//! A command is a file of [`commands`]; it talks through the one [`client`] and prints through [`output`]. Nothing but
//! [`server`] knows what runs inside of a server.

mod args;
mod client;
mod commands;
mod config;
mod duration;
mod environment;
mod error;
mod kvdata;
mod limits;
mod log;
mod output;
mod secret;
mod server;
mod tls;
mod token_helper;
mod yaml;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 1 } else { 0 };
            // Nothing is left to tell anybody if even this cannot be written.
            error.print().ok();
            return ExitCode::from(code);
        }
    };
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            if let Some(command) = error.as_curl() {
                output::line(command);
                return ExitCode::SUCCESS;
            }
            output::complain(&error.to_string());
            error.exit_code()
        }
    }
}
