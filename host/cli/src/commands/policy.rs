//! `policy read|write|list|delete|fmt`.

use std::io::Read as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::policy_fmt::Fmt;
use super::{Context, strings};
use crate::args::Format;
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// `policy`.
#[derive(Subcommand)]
pub enum Policy {
    /// Print a policy
    Read(Read),
    /// Upload a policy
    Write(Write),
    /// List the names of all policies
    List,
    /// Delete a policy
    Delete(Delete),
    /// Format a file with a policy
    Fmt(Fmt),
}

impl Policy {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Read(command) => command.run(context),
            Self::Write(command) => command.run(context),
            Self::List => list(context),
            Self::Delete(command) => command.run(context),
            Self::Fmt(command) => command.run(),
        }
    }
}

fn list(context: &Context) -> CliResult {
    let answer = context
        .client
        .list("sys/policies/acl")
        .doing("Error listing policies")?;
    let names = answer
        .and_then(|secret| secret.get("keys").map(strings))
        .unwrap_or_default();
    match context.output.format {
        // Bare names, one a line: what scripts loop over.
        Format::Table => names.iter().for_each(|name| output::line(name)),
        _ => context.output.data(&names),
    }
    Ok(ExitCode::SUCCESS)
}

/// Names are in lower case, trimmed.
fn named(name: &str) -> String {
    name.trim().to_lowercase()
}

/// `policy read`.
#[derive(Args)]
pub struct Read {
    /// Its name
    name: String,
}

impl Read {
    fn run(self, context: &Context) -> CliResult {
        let name = named(&self.name);
        let path = format!("sys/policies/acl/{name}");
        let answer = context
            .client
            .read(&path, &[])
            .doing(format!("Error reading policy named {name}"))?;
        let rules = answer
            .as_ref()
            .and_then(|secret| secret.get("policy"))
            .and_then(Value::as_str);
        let rules = rules.ok_or_else(|| CliError::Refused(format!("No policy named: {name}")))?;
        let object: Map<String, Value> =
            [("policy".to_owned(), json!(rules))].into_iter().collect();
        context
            .output
            .object(&object, || format!("{}\n", rules.trim()))
    }
}

/// `policy write`.
#[derive(Args)]
pub struct Write {
    /// Its name
    name: String,
    /// File with the policy in HCL or JSON; - is stdin
    file: String,
}

impl Write {
    fn run(self, context: &Context) -> CliResult {
        let name = named(&self.name);
        let rules = if self.file == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(&self.file)
        };
        let rules = rules.map_err(|error| {
            CliError::Refused(format!("Error opening policy file: {}: {error}", self.file))
        })?;
        if name != self.name {
            output::complain(&format!(
                "Policy name was converted from {:?} to {name:?}",
                self.name
            ));
        }
        let answer = context.client.write(
            &format!("sys/policies/acl/{name}"),
            &json!({ "policy": rules }),
        );
        if let Some(secret) = answer.doing("Error uploading policy")? {
            context.output.warnings(&secret);
        }
        context.done(&format!("Success! Uploaded policy: {name}"))
    }
}

/// `policy delete`.
#[derive(Args)]
pub struct Delete {
    /// Its name
    name: String,
}

impl Delete {
    fn run(self, context: &Context) -> CliResult {
        let name = named(&self.name);
        context
            .client
            .delete(&format!("sys/policies/acl/{name}"), &[])
            .doing(format!("Error deleting {name}"))?;
        context.done(&format!("Success! Deleted policy: {name}"))
    }
}
