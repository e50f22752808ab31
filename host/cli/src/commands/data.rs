//! `read`, `write`, `patch`, `delete`, `list`, `unwrap`, `path-help`: the API as it is, by path.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Context, nothing_at, sanitised, strings};
use crate::args::Format;
use crate::client::Method;
use crate::error::{CliError, CliResult, Doing};
use crate::{kvdata, output};

/// `read`.
#[derive(Args)]
pub struct Read {
    /// Path to read
    path: String,
    /// Parameters, as key=value
    #[arg(value_name = "K=V")]
    data: Vec<String>,
}

impl Read {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let query = kvdata::parse_strings(&self.data, &mut std::io::stdin())?;
        let doing = format!("Error reading {path}");
        if context.output.format == Format::Raw {
            let answer = context
                .client
                .send(Method::Get, path, &query, None)
                .doing(doing)?;
            output::line(&String::from_utf8_lossy(&answer.body));
            return Ok(ExitCode::SUCCESS);
        }
        let secret = context
            .client
            .read(path, &query)
            .doing(doing)?
            .ok_or_else(|| nothing_at(path))?;
        context.output.secret(&secret)
    }
}

/// `write`.
#[derive(Args)]
pub struct Write {
    /// Path to write to
    path: String,
    /// Data: key=value, key=@file, @file.json, or - for JSON from stdin
    #[arg(value_name = "DATA")]
    data: Vec<String>,
    /// Write although there is no data
    #[arg(long, alias = "f")]
    force: bool,
}

impl Write {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let data = given(&self.data, self.force)?;
        let answer = context
            .client
            .write(path, &data)
            .doing(format!("Error writing data to {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data written to: {path}"),
        )
    }
}

/// `patch`.
#[derive(Args)]
pub struct Patch {
    /// Path to patch
    path: String,
    /// Data: key=value, key=@file, @file.json, or - for JSON from stdin
    #[arg(value_name = "DATA")]
    data: Vec<String>,
    /// Patch although there is no data
    #[arg(long, alias = "f")]
    force: bool,
}

impl Patch {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let data = given(&self.data, self.force)?;
        let answer = context
            .client
            .patch(path, &data)
            .doing(format!("Error writing data to {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data written to: {path}"),
        )
    }
}

fn given(arguments: &[String], force: bool) -> Result<Value, CliError> {
    if arguments.is_empty() && !force {
        return Err(CliError::usage("Must supply data or use -force"));
    }
    kvdata::parse(arguments, &mut std::io::stdin()).map(Value::Object)
}

/// `delete`.
#[derive(Args)]
pub struct Delete {
    /// Path to delete
    path: String,
    /// Parameters, as key=value
    #[arg(value_name = "K=V")]
    data: Vec<String>,
}

impl Delete {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let query = kvdata::parse_strings(&self.data, &mut std::io::stdin())?;
        let answer = context
            .client
            .delete(path, &query)
            .doing(format!("Error deleting {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data deleted (if it existed) at: {path}"),
        )
    }
}

/// `list`.
#[derive(Args)]
pub struct List {
    /// Path to list
    path: String,
    /// Show what the engine tells of each key
    #[arg(long)]
    detailed: bool,
    /// Begin behind this key, where the engine can
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
    /// Show so many keys at most, where the engine can
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl List {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let limit = self.limit.map(|limit| limit.to_string());
        let query = [("after", self.after), ("limit", limit)];
        let query: Vec<_> = query
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        let answer = context
            .client
            .list_page(path, &query)
            .doing(format!("Error listing {path}"))?;
        context.keys(path, answer, self.detailed)
    }
}

/// `scan`.
#[derive(Args)]
pub struct Scan {
    /// Path to scan
    path: String,
}

impl Scan {
    /// Lists a path and all that is below it, with as many requests as there are folders: every engine that lists can do that.
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let mut keys = Vec::new();
        // Folders still to be listed, relative to the path; the next one is the last.
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let here = format!("{path}/{folder}");
            let answer = context.client.list(sanitised(&here));
            let answer = answer.doing(format!("Error scanning {here}"))?;
            let below = answer.and_then(|secret| secret.get("keys").map(strings));
            let below = below.unwrap_or_default().into_iter();
            let below = below.map(|key| format!("{folder}{key}"));
            let (inner, leaves): (Vec<_>, Vec<_>) = below.partition(|key| key.ends_with('/'));
            keys.extend(leaves);
            folders.extend(inner.into_iter().rev());
        }
        if keys.is_empty() {
            return Err(nothing_at(path));
        }
        context.output.keys("Keys", &keys);
        Ok(ExitCode::SUCCESS)
    }
}

/// `unwrap`.
#[derive(Args)]
pub struct Unwrap {
    /// The wrapping token; without it, the token in use
    token: Option<String>,
}

impl Unwrap {
    pub(super) fn run(self, mut context: Context) -> CliResult {
        let mut body = Map::new();
        if let Some(token) = self.token {
            // Who has no token of their own unwraps as the wrapping token itself.
            if context.client.token().is_none() {
                context.client.set_token(Some(Zeroizing::new(token)));
            } else {
                body.insert("token".to_owned(), token.into());
            }
        }
        let answer = context
            .client
            .write("sys/wrapping/unwrap", &Value::Object(body))
            .doing("Error unwrapping")?;
        let secret = answer
            .ok_or_else(|| CliError::Refused("Could not find wrapped response".to_owned()))?;
        context.output.secret(&secret)
    }
}

/// `path-help`.
#[derive(Args)]
pub struct PathHelp {
    /// A mount, or a path below it
    path: String,
}

impl PathHelp {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        let query = [("help".to_owned(), "1".to_owned())];
        let doing = || format!("Error retrieving help for {path}");
        let answer = context
            .client
            .send(Method::Get, path, &query, None)
            .doing(doing())?;
        let help: Map<String, Value> = answer
            .json()
            .doing(doing())?
            .ok_or_else(|| nothing_at(path))?;
        let text = help
            .get("help")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim_end()
            .to_owned()
            + "\n";
        match context.output.format {
            Format::Table => output::text(&text),
            _ => context.output.data(&json!(help)),
        }
        Ok(ExitCode::SUCCESS)
    }
}
