//! `plugin list` and `plugin info`.

use clap::Args;
use serde_json::{Map, Value};

use super::{Named, version_query};
use crate::args::Format;
use crate::commands::{Context, nothing_at};
use crate::error::{CliResult, Doing};
use crate::output::{self, plain};

/// `plugin list`.
#[derive(Args)]
pub struct List {
    /// Only this type: auth, database or secret
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    /// With what each asks for, who signed it, and who uses it
    #[arg(long)]
    detailed: bool,
}

impl List {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let answer = context.client.read("sys/plugins/catalog", &[]);
        let secret = answer
            .doing("Error listing available plugins")?
            .ok_or_else(|| nothing_at("sys/plugins/catalog"))?;
        let all = secret.get("detailed").and_then(Value::as_array).cloned();
        let mut all = all.unwrap_or_default();
        let text = |plugin: &Value, field: &str| plugin.get(field).map(plain).unwrap_or_default();
        all.retain(|plugin| {
            self.kind
                .as_ref()
                .is_none_or(|kind| text(plugin, "type") == *kind)
        });
        all.sort_by_key(|plugin| (text(plugin, "name"), text(plugin, "type")));
        if context.output.format != Format::Table {
            context.output.data(&all);
            return Ok(std::process::ExitCode::SUCCESS);
        }
        let titles: &[&str] = if self.detailed {
            &[
                "Name",
                "Type",
                "Version",
                "Deployment",
                "Asks For",
                "Waits For",
                "Signed By",
                "Used By",
            ]
        } else {
            &["Name", "Type", "Version"]
        };
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|plugin| {
                let mut row: Vec<_> = ["name", "type", "version"]
                    .map(|field| text(plugin, field))
                    .into();
                if self.detailed {
                    row.push(deployment(plugin));
                    row.extend(["asks", "waits_for"].map(|field| list(plugin, field)));
                    row.push(text(plugin, "signed_by").chars().take(12).collect());
                    row.push(list(plugin, "used_by"));
                }
                row
            })
            .collect();
        output::text(&output::table(titles, &rows));
        Ok(std::process::ExitCode::SUCCESS)
    }
}

fn deployment(plugin: &Value) -> String {
    let is = |field: &str| plugin.get(field).and_then(Value::as_bool) == Some(true);
    let mut words = Vec::new();
    words.push(if is("builtin") {
        "builtin"
    } else {
        "registered"
    });
    words.extend(is("in_force").then_some("in force"));
    words.extend(is("pinned").then_some("pinned"));
    words.join(", ")
}

fn list(plugin: &Value, field: &str) -> String {
    let all = plugin.get(field).and_then(Value::as_array);
    let texts: Vec<_> = all.into_iter().flatten().map(plain).collect();
    texts.join(", ")
}

/// `plugin info`.
#[derive(Args)]
pub struct Info {
    #[command(flatten)]
    plugin: Named,
    /// This version, not the one that runs
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

impl Info {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = self.plugin.path("catalog");
        let answer = context
            .client
            .read(&path, &version_query(self.version.as_ref()));
        let secret = answer
            .doing(format!("Error reading plugin named {}", self.plugin.name))?
            .ok_or_else(|| nothing_at(&path))?;
        let data: Map<String, Value> = secret.data.clone().unwrap_or_default();
        context.output.object(&data, || output::map_table(&data))
    }
}
