//! `operator`: the life of a server's keys.

mod ceremony;
mod diagnose;
mod generate_root;
mod pgp;
mod rekey;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Context, status, strings};
use crate::args::Format;
use crate::client::{ClientError, Method};
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// `operator`.
#[derive(Subcommand)]
pub enum Operator {
    /// Make the keys and the first token
    Init(Init),
    /// Give a key share
    Unseal(Unseal),
    /// Forget the keys until the server is unsealed again
    Seal,
    /// Make new key shares, with enough of the old ones
    Rekey(rekey::Rekey),
    /// Make a root token, with enough key shares
    GenerateRoot(generate_root::GenerateRoot),
    /// Say whether a server would come up with a configuration
    Diagnose(diagnose::Diagnose),
    /// Seal what is stored from now on with a new key
    Rotate,
    /// Show which key what is stored is sealed with
    KeyStatus,
}

impl Operator {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Init(command) => command.run(context),
            Self::Unseal(command) => command.run(context),
            Self::Seal => {
                context
                    .client
                    .send(Method::Put, "sys/seal", &[], None)
                    .doing("Error sealing")?;
                context.done("Success! Coffer is sealed.")
            }
            Self::Rekey(command) => command.run(context),
            Self::GenerateRoot(command) => command.run(context),
            Self::Rotate => {
                context
                    .client
                    .send(Method::Put, "sys/rotate", &[], None)
                    .doing("Error rotating key")?;
                key_status(context, "Success! Rotated key\n\n")
            }
            Self::KeyStatus => key_status(context, ""),
            // It needs no server: see `commands::run`.
            Self::Diagnose(command) => command.run(&context.output),
        }
    }
}

/// `operator init`.
#[derive(Args)]
pub struct Init {
    /// How many key shares to make
    #[arg(long, alias = "n", default_value_t = 5, value_name = "N")]
    key_shares: u32,
    /// How many of them unseal
    #[arg(long, alias = "t", default_value_t = 3, value_name = "N")]
    key_threshold: u32,
    /// Files with the key holders' public PGP keys, as many as shares: each share is encrypted to one
    #[arg(long, value_name = "FILE,...", value_delimiter = ',')]
    pgp_keys: Vec<String>,
    /// File with a public PGP key that the root token is encrypted to
    #[arg(long, value_name = "FILE")]
    root_token_pgp_key: Option<String>,
    /// Only say whether it was done before (exit code 0) or not (2)
    #[arg(long)]
    status: bool,
}

impl Init {
    fn run(self, context: &Context) -> CliResult {
        if self.status {
            return was_done(context);
        }
        let mut request =
            json!({ "secret_shares": self.key_shares, "secret_threshold": self.key_threshold });
        if !self.pgp_keys.is_empty() {
            request["pgp_keys"] = pgp::keys(&self.pgp_keys)?.into();
        }
        if let Some(file) = &self.root_token_pgp_key {
            request["root_token_pgp_key"] = pgp::key(file)?.into();
        }
        let answer = context
            .client
            .send(Method::Put, "sys/init", &[], Some(&request))
            .doing("Error initializing")?;
        let answer: Map<String, Value> = answer
            .json()
            .doing("Error initializing")?
            .unwrap_or_default();
        let printed = self.for_programs(&answer);
        context
            .output
            .object(&printed, || self.for_people(&printed))
    }

    fn for_programs(&self, answer: &Map<String, Value>) -> Map<String, Value> {
        let list = |key: &str| answer.get(key).cloned().unwrap_or_else(|| json!([]));
        let fields = [
            ("unseal_keys_b64", list("keys_base64")),
            ("unseal_keys_hex", list("keys")),
            ("unseal_shares", self.key_shares.into()),
            ("unseal_threshold", self.key_threshold.into()),
            ("recovery_keys_b64", list("recovery_keys_base64")),
            ("recovery_keys_hex", list("recovery_keys")),
            ("recovery_keys_shares", 0.into()),
            ("recovery_keys_threshold", 0.into()),
            (
                "root_token",
                answer.get("root_token").cloned().unwrap_or_default(),
            ),
        ];
        fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    fn for_people(&self, printed: &Map<String, Value>) -> String {
        let mut text = String::new();
        let keys = printed
            .get("unseal_keys_b64")
            .map(strings)
            .unwrap_or_default();
        for (index, key) in keys.iter().enumerate() {
            text.push_str(&format!("Unseal Key {}: {key}\n", index + 1));
        }
        let token = printed
            .get("root_token")
            .and_then(Value::as_str)
            .unwrap_or_default();
        text.push_str(&format!("\nInitial Root Token: {token}\n\n"));
        text.push_str(&format!(
            "Coffer is initialized with {} key shares, of which {} unseal it. Give the shares above\n\
             to different people, and keep them safe: each time the server starts or is sealed, {} of\n\
             them must be supplied before it can serve anything.\n\n\
             The shares are stored nowhere. Whoever loses too many of them loses all data.\n",
            self.key_shares, self.key_threshold, self.key_threshold
        ));
        text
    }
}

fn was_done(context: &Context) -> CliResult {
    let answer = context
        .client
        .send(Method::Get, "sys/init", &[], None)
        .and_then(|answer| answer.json());
    let answer: Map<String, Value> = match answer {
        Ok(answer) => answer.unwrap_or_default(),
        Err(instead @ ClientError::Instead(_)) => {
            return Err(instead.into());
        }
        // 2 means "not initialised" here.
        Err(error) => {
            return Err(CliError::Usage(format!(
                "Error checking initialization status: {error}"
            )));
        }
    };
    let yes = answer
        .get("initialized")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    output::line(if yes {
        "Coffer is initialized"
    } else {
        "Coffer is not initialized"
    });
    Ok(ExitCode::from(if yes { 0 } else { 2 }))
}

/// `operator unseal`.
#[derive(Args)]
pub struct Unseal {
    /// A key share, or - to read it from stdin; without it, it is asked for
    key: Option<String>,
    /// Forget the shares given so far
    #[arg(long)]
    reset: bool,
    /// The share is part of a migration to another seal
    #[arg(long)]
    migrate: bool,
}

impl Unseal {
    fn run(self, context: &Context) -> CliResult {
        if self.reset {
            return show(
                context,
                &json!({ "reset": true }),
                "Error resetting unseal process",
            );
        }
        let key = share(context, self.key)?;
        show(
            context,
            &json!({ "key": key.trim(), "migrate": self.migrate }),
            "Error unsealing",
        )
    }
}

/// A key share as it was given, or from stdin, or asked for.
fn share(context: &Context, given: Option<String>) -> Result<Zeroizing<String>, CliError> {
    match given {
        Some(dash) if dash == "-" => Ok(Zeroizing::new(read_line()?)),
        Some(key) => Ok(Zeroizing::new(key)),
        None => context.ask(
            "Unseal Key",
            "give the key share as the argument, or - and the share on stdin",
        ),
    }
}

fn key_status(context: &Context, before: &str) -> CliResult {
    let doing = "Error getting key status";
    let answer = context
        .client
        .send(Method::Get, "sys/key-status", &[], None)
        .doing(doing)?;
    let answer: Map<String, Value> = answer.json().doing(doing)?.unwrap_or_default();
    let data = answer.get("data").and_then(Value::as_object);
    let status = data.cloned().unwrap_or_default();
    let text = |field: &str| status.get(field).map(output::plain).unwrap_or_default();
    context.output.object(&status, || {
        let rows = [
            ("Key Term", "term"),
            ("Install Time", "install_time"),
            ("Encryption Count", "encryptions"),
        ];
        let rows = rows.map(|(title, field)| (title.to_owned(), text(field)));
        format!("{before}{}", output::pairs(&rows))
    })
}

fn read_line() -> Result<String, CliError> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| CliError::Usage(format!("Error reading stdin: {error}")))?;
    Ok(line)
}

fn show(context: &Context, request: &Value, doing: &str) -> CliResult {
    let answer = context
        .client
        .send(Method::Put, "sys/unseal", &[], Some(request))
        .doing(doing)?;
    let state: Map<String, Value> = answer.json().doing(doing)?.unwrap_or_default();
    if context.output.format == Format::Table && context.output.field.is_none() {
        output::text(&status::table(&state));
        return Ok(ExitCode::SUCCESS);
    }
    context.output.object(&state, String::new)
}
