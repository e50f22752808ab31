//! The commands. Each group is a file; each command is its arguments and a `run`.

mod audit;
mod auth;
mod data;
mod kv;
mod lease;
mod login;
mod mount;
mod operator;
pub mod plugin;
mod policy;
mod policy_fmt;
mod secrets;
mod status;
mod token;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use clap_complete::Shell;
use serde_json::Value;

use crate::args::{self, Cli, Format, Globals};
use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::output::{self, Output};
use crate::secret::Secret;
use crate::{environment, server};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Read data and secrets
    Read(data::Read),
    /// Write data, configuration and secrets
    Write(data::Write),
    /// Change some fields of what is at a path
    Patch(data::Patch),
    /// Delete secrets and configuration
    Delete(data::Delete),
    /// List what is below a path
    List(data::List),
    /// List what is below a path, and all that is below that
    Scan(data::Scan),
    /// Take a wrapped answer out of its token
    Unwrap(data::Unwrap),
    /// Show what a path is for
    PathHelp(data::PathHelp),
    /// Authenticate, and keep the token for the next commands
    Login(login::Login),
    /// Run a server
    Server(server::ServerArgs),
    /// Show whether the server is sealed
    Status,
    /// Initialise, unseal and seal a server, and renew its keys
    #[command(subcommand)]
    Operator(operator::Operator),
    /// Manage secrets engines
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Manage auth methods
    #[command(subcommand)]
    Auth(auth::Auth),
    /// Manage audit devices, and verify what they wrote
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Manage policies
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Manage tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Manage leases
    #[command(subcommand)]
    Lease(lease::Lease),
    /// Work with key/value secrets, of either version
    #[command(subcommand)]
    Kv(kv::Kv),
    /// Write, sign and share plugins, and register them with a server
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Print what the client is set up with
    #[command(subcommand)]
    Print(Print),
    /// Print what has a shell complete commands and flags
    Completion(Completion),
    /// Print the version
    Version,
}

/// `completion`.
#[derive(Args)]
pub struct Completion {
    /// The shell
    shell: Shell,
}

/// `print`.
#[derive(Subcommand)]
pub enum Print {
    /// Print the token in use
    Token,
}

/// What every command of the client is given.
pub struct Context {
    /// The server.
    pub client: Client,
    /// How to print.
    pub output: Output,
    /// Whether the terminal may be asked.
    pub interactive: bool,
}

impl Context {
    fn new(globals: &Globals) -> Result<Self, CliError> {
        Ok(Self {
            client: Client::new(globals)?,
            output: output_of(globals)?,
            interactive: !globals.non_interactive,
        })
    }

    /// Prints an answer where there is one, or else that what was asked for is done.
    ///
    /// # Errors
    /// If the field that is wanted is not there.
    pub fn answered(&self, answer: Option<&Secret>, otherwise: &str) -> CliResult {
        match answer {
            Some(secret) if !secret.is_empty() => self.output.secret(secret),
            _ => self.done(otherwise),
        }
    }

    /// Says to a person that something is done; to a program, the exit code does.
    ///
    /// # Errors
    /// None.
    pub fn done(&self, message: &str) -> CliResult {
        if self.output.format == Format::Table {
            output::line(message);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints the keys of an answer to a list, or in detail all that is told of them.
    ///
    /// # Errors
    /// If there are none. A program is told so by an empty object and the exit code.
    pub fn keys(&self, path: &str, answer: Option<Secret>, detailed: bool) -> CliResult {
        let secret = answer.unwrap_or_default();
        if secret.wrap_info.is_some() {
            return self.output.secret(&secret);
        }
        let for_people = self.output.format == Format::Table;
        if for_people {
            self.output.warnings(&secret);
        }
        let keys = secret.get("keys").map(strings).unwrap_or_default();
        if keys.is_empty() {
            if for_people {
                return Err(nothing_at(path));
            }
            self.output.data(&serde_json::json!({}));
            return Ok(ExitCode::from(2));
        }
        match secret.get("key_info").and_then(Value::as_object) {
            Some(info) if detailed && for_people => {
                output::text(&output::key_table(&keys, info));
            }
            _ if detailed && !for_people => self.output.data(&secret),
            _ => self.output.keys("Keys", &keys),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Asks for a secret on the terminal, without echo.
    ///
    /// # Errors
    /// If there is no terminal, or it must not be asked.
    pub fn ask(&self, prompt: &str, instead: &str) -> Result<zeroize::Zeroizing<String>, CliError> {
        if !self.interactive {
            return Err(CliError::Usage(format!(
                "-non-interactive was given; {instead}"
            )));
        }
        let typed = rpassword::prompt_password(format!("{prompt} (will be hidden): ")).map_err(
            |error| CliError::Usage(format!("Cannot ask on a terminal ({error}); {instead}")),
        )?;
        Ok(zeroize::Zeroizing::new(typed.trim().to_owned()))
    }
}

fn output_of(globals: &Globals) -> Result<Output, CliError> {
    let format = match (globals.format, environment::named("FORMAT")) {
        (Some(format), _) => format,
        (None, Some((variable, text))) => clap::ValueEnum::from_str(&text, true)
            .map_err(|_| CliError::Usage(format!("{variable}: invalid output format {text:?}")))?,
        (None, None) => Format::default(),
    };
    Ok(Output {
        format,
        field: globals.field.clone(),
    })
}

/// Runs a command.
///
/// # Errors
/// What it says of itself.
pub fn run(cli: Cli) -> CliResult {
    match cli.command {
        // These need no server.
        Command::Server(args) => return Ok(server::run(&args)?),
        Command::Completion(command) => {
            output::text(&args::completion(command.shell));
            return Ok(ExitCode::SUCCESS);
        }
        Command::Version => {
            output::line(concat!("Coffer v", env!("CARGO_PKG_VERSION")));
            return Ok(ExitCode::SUCCESS);
        }
        Command::Policy(policy::Policy::Fmt(command)) => return command.run(),
        Command::Audit(audit::Audit::Verify(command)) => {
            return command.run(&output_of(&cli.globals)?);
        }
        Command::Plugin(plugin::Plugin::Author(command)) => {
            return command.run(&output_of(&cli.globals)?);
        }
        Command::Operator(operator::Operator::Diagnose(command)) => {
            return command.run(&output_of(&cli.globals)?);
        }
        _ => {}
    }
    let context = Context::new(&cli.globals).map_err(|error| match &cli.command {
        // Their 2 is a server's state.
        Command::Status | Command::Operator(operator::Operator::Init(_)) => {
            CliError::Usage(error.to_string())
        }
        _ => error,
    })?;
    match cli.command {
        Command::Read(command) => command.run(&context),
        Command::Write(command) => command.run(&context),
        Command::Patch(command) => command.run(&context),
        Command::Delete(command) => command.run(&context),
        Command::List(command) => command.run(&context),
        Command::Scan(command) => command.run(&context),
        Command::Unwrap(command) => command.run(context),
        Command::PathHelp(command) => command.run(&context),
        Command::Login(command) => command.run(context),
        Command::Status => status::run(context),
        Command::Operator(command) => command.run(&context),
        Command::Secrets(command) => command.run(&context),
        Command::Auth(command) => command.run(&context),
        Command::Audit(command) => command.run(&context),
        Command::Policy(command) => command.run(&context),
        Command::Token(command) => command.run(&context),
        Command::Lease(command) => command.run(&context),
        Command::Kv(command) => command.run(&context),
        Command::Plugin(command) => command.run(&context),
        Command::Print(Print::Token) => {
            output::line(context.client.token().unwrap_or_default());
            Ok(ExitCode::SUCCESS)
        }
        Command::Server(_) | Command::Version | Command::Completion(_) => Ok(ExitCode::SUCCESS),
    }
}

fn nothing_at(path: &str) -> CliError {
    CliError::Refused(format!("No value found at {path}"))
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// A path as the API takes it.
fn sanitised(path: &str) -> &str {
    path.trim().trim_matches('/')
}
