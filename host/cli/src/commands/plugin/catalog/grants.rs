//! `plugin grants` and `plugin grant`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::version_body;
use crate::args::Format;
use crate::commands::Context;
use crate::error::{CliError, CliResult, Doing};
use crate::output::{self, plain};
use crate::secret::Secret;

/// A plugin, by its name if only one type has it.
#[derive(Args)]
struct Which {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Its type, if there are several of the name
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

impl Which {
    /// Its path, and what it asks for and was granted.
    fn find(&self, context: &Context) -> Result<(String, Secret), CliError> {
        let kinds = match &self.kind {
            Some(kind) => vec![kind.as_str()],
            None => vec!["auth", "database", "secret"],
        };
        for kind in kinds {
            let path = format!("sys/plugins/grants/{kind}/{}", self.name);
            let answer = context.client.read(&path, &[]);
            let found = answer.doing(format!("Error reading the grants of {}", self.name))?;
            if let Some(secret) = found.filter(|secret| secret.data.is_some()) {
                return Ok((path, secret));
            }
        }
        Err(CliError::Refused(format!(
            "No plugin {} is registered",
            self.name
        )))
    }
}

/// `plugin grants`.
#[derive(Args)]
pub struct Grants {
    #[command(flatten)]
    plugin: Which,
}

impl Grants {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let (_, secret) = self.plugin.find(context)?;
        let data: Map<String, Value> = secret.data.unwrap_or_default();
        if context.output.format != Format::Table {
            context.output.data(&data);
            return Ok(ExitCode::SUCCESS);
        }
        let of = |field: &str| data.get(field).and_then(Value::as_object);
        let waits = |version: &str, capability: &Value| {
            of("waits_for")
                .and_then(|waits| waits.get(version)?.as_array())
                .is_some_and(|waits| waits.contains(capability))
        };
        let mut rows = Vec::new();
        for (version, asks) in of("asks").into_iter().flatten() {
            for capability in asks.as_array().into_iter().flatten() {
                let granted = of("granted").and_then(|all| all.get(&plain(capability)));
                let told = |field: &str| {
                    granted
                        .and_then(|grant| grant.get(field))
                        .map(plain)
                        .unwrap_or_default()
                };
                let state = match (granted, waits(version, capability)) {
                    (Some(_), false) => "granted",
                    (_, true) => "waits",
                    (None, false) => "usual",
                };
                rows.push(vec![
                    version.clone(),
                    plain(capability),
                    state.to_owned(),
                    told("by"),
                    told("at"),
                ]);
            }
        }
        if rows.is_empty() {
            output::line("It asks for nothing.");
        } else {
            let titles = ["Version", "Asks For", "State", "Granted By", "Granted At"];
            output::text(&output::table(&titles, &rows));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `plugin grant`.
#[derive(Args)]
pub struct Grant {
    #[command(flatten)]
    plugin: Which,
    /// What to grant, such as network:api.example.com:443; all that it asks for, if nothing is said
    #[arg(value_name = "CAPABILITY")]
    capabilities: Vec<String>,
    /// All that this version asks for, not the newest
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Take it back instead
    #[arg(long)]
    withdraw: bool,
}

impl Grant {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let (path, _) = self.plugin.find(context)?;
        let name = &self.plugin.name;
        if self.withdraw {
            let query = ("capabilities".to_owned(), self.capabilities.join(","));
            context
                .client
                .delete(&path, &[query])
                .doing(format!("Error withdrawing from {name}"))?;
            return context.done(&format!("Success! Withdrew from {name}"));
        }
        let mut request = version_body(self.version.as_ref());
        if let (false, Some(map)) = (self.capabilities.is_empty(), request.as_object_mut()) {
            map.insert("capabilities".to_owned(), json!(self.capabilities));
        }
        context
            .client
            .write(&path, &request)
            .doing(format!("Error granting to {name}"))?;
        context.done(&format!("Success! Granted to {name}"))
    }
}
