//! `kv put|patch|rollback`.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::locate::{Location, SecretPath};
use super::read::written;
use crate::args::Format;
use crate::commands::{Context, nothing_at};
use crate::error::{CliError, CliResult, Doing};
use crate::secret::Secret;
use crate::{kvdata, output};

/// `kv put`.
#[derive(Args)]
pub struct Put {
    #[command(flatten)]
    secret: SecretPath,
    /// Data: key=value, key=@file, @file.json, or - for JSON from stdin
    #[arg(value_name = "DATA")]
    data: Vec<String>,
    /// Write only if the newest version is this one; 0: only if there is none
    #[arg(long, value_name = "N")]
    cas: Option<u64>,
}

impl Put {
    pub(super) fn run(self, context: &Context) -> CliResult {
        if self.data.is_empty() {
            return Err(CliError::usage("Must supply data"));
        }
        let data = kvdata::parse(&self.data, &mut std::io::stdin())?;
        let location = self.secret.locate(&context.client)?;
        let path = location.path("data");
        let request = if location.versioned {
            versioned(data, self.cas)
        } else {
            Value::Object(data)
        };
        let answer = context
            .client
            .write(&path, &request)
            .doing(format!("Error writing data to {path}"))?;
        shown(context, &path, answer)
    }
}

fn versioned(data: Map<String, Value>, cas: Option<u64>) -> Value {
    json!({ "data": data, "options": options(cas) })
}

fn options(cas: Option<u64>) -> Value {
    cas.map_or_else(|| json!({}), |cas| json!({ "cas": cas }))
}

fn shown(context: &Context, path: &str, answer: Option<Secret>) -> CliResult {
    match answer {
        Some(secret)
            if context.output.format == Format::Table
                && context.output.field.is_none()
                && secret.wrap_info.is_none()
                && secret.data.is_some() =>
        {
            context.output.warnings(&secret);
            output::text(&written(path, secret.data.as_ref()));
            Ok(std::process::ExitCode::SUCCESS)
        }
        answer => context.answered(
            answer.as_ref(),
            &format!("Success! Data written to: {path}"),
        ),
    }
}

/// How `kv patch` goes about it.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// The server merges.
    Patch,
    /// Read, merge here, and write if nobody else did.
    Rw,
}

/// `kv patch`.
#[derive(Args)]
pub struct Patch {
    #[command(flatten)]
    secret: SecretPath,
    /// Data: key=value, key=@file, @file.json, or - for JSON from stdin
    #[arg(value_name = "DATA")]
    data: Vec<String>,
    /// Patch only if the newest version is this one
    #[arg(long, value_name = "N")]
    cas: Option<u64>,
    /// patch: the server merges; rw: read, merge and write. Without it, what the token's policies allow
    #[arg(long, value_name = "HOW")]
    method: Option<How>,
    /// Field to remove; may be repeated
    #[arg(long, value_name = "KEY")]
    remove_data: Vec<String>,
}

impl Patch {
    pub(super) fn run(self, context: &Context) -> CliResult {
        if self.data.is_empty() && self.remove_data.is_empty() {
            return Err(CliError::usage("Must supply data"));
        }
        let mut data = kvdata::parse(&self.data, &mut std::io::stdin())?;
        data.extend(
            self.remove_data
                .iter()
                .map(|key| (key.clone(), Value::Null)),
        );
        let location = second_version(self.secret.locate(&context.client)?, "patch")?;
        let path = location.path("data");
        let answer = match self.method {
            Some(How::Rw) => self.read_and_write(context, &location, data)?,
            method => {
                let request = versioned(data.clone(), self.cas);
                match context.client.patch(&path, &request) {
                    // Older servers do not know the method, and older policies not the capability.
                    Err(error) if method.is_none() && matches!(error.status(), Some(403 | 405)) => {
                        self.read_and_write(context, &location, data)?
                    }
                    answer => answer.doing(format!("Error writing data to {path}"))?,
                }
            }
        };
        shown(context, &path, answer)
    }

    fn read_and_write(
        &self,
        context: &Context,
        location: &Location,
        changes: Map<String, Value>,
    ) -> Result<Option<Secret>, CliError> {
        let path = location.path("data");
        let (mut data, version) = current(context, &path)?;
        if data.is_empty() {
            return Err(nothing_at(&path));
        }
        for (key, value) in changes {
            if value.is_null() {
                data.remove(&key)
            } else {
                data.insert(key, value)
            };
        }
        let request = versioned(data, Some(self.cas.unwrap_or(version)));
        context
            .client
            .write(&path, &request)
            .doing(format!("Error writing data to {path}"))
    }
}

/// Only version 2 has what a command works with.
fn second_version(location: Location, what: &str) -> Result<Location, CliError> {
    if location.versioned {
        return Ok(location);
    }
    Err(CliError::Refused(format!(
        "K/V engine mount must be version 2 for {what} support"
    )))
}

/// The newest version's data and number.
fn current(context: &Context, path: &str) -> Result<(Map<String, Value>, u64), CliError> {
    let answer = context
        .client
        .aside()
        .read(path, &[])
        .doing(format!("Error doing pre-read at {path}"))?;
    let secret = answer.ok_or_else(|| nothing_at(path))?;
    let data = secret
        .get("data")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let version = secret
        .get("metadata")
        .and_then(|metadata| metadata.get("version"))
        .and_then(Value::as_u64);
    Ok((data, version.unwrap_or_default()))
}

/// `kv rollback`.
#[derive(Args)]
pub struct Rollback {
    #[command(flatten)]
    secret: SecretPath,
    /// The version to write again
    #[arg(long, value_name = "N")]
    version: u64,
}

impl Rollback {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let location = second_version(self.secret.locate(&context.client)?, "rollback")?;
        let path = location.path("data");
        let (_, newest) = current(context, &path)?;
        let query = [("version".to_owned(), self.version.to_string())];
        let old = context
            .client
            .aside()
            .read(&path, &query)
            .doing(format!("Error doing pre-read at {path}"))?;
        let data = old
            .as_ref()
            .and_then(|secret| secret.get("data"))
            .and_then(Value::as_object)
            .cloned();
        // A version that was deleted or destroyed has nothing that could be written again.
        let data = data.ok_or_else(|| nothing_at(&path))?;
        let answer = context
            .client
            .write(&path, &versioned(data, Some(newest)))
            .doing(format!("Error writing data to {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data written to: {path}"),
        )
    }
}
