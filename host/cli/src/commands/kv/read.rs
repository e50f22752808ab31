//! `kv get|list`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::locate::{SecretPath, locate};
use crate::args::Format;
use crate::commands::{Context, nothing_at};
use crate::error::{CliError, CliResult, Doing};
use crate::output;
use crate::secret::Secret;

/// `kv get`.
#[derive(Args)]
pub struct Get {
    #[command(flatten)]
    secret: SecretPath,
    /// Version; the newest, if not given
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    version: u64,
}

impl Get {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let location = self.secret.locate(&context.client)?;
        let path = location.path("data");
        let query = match (location.versioned, self.version) {
            (true, version @ 1..) => vec![("version".to_owned(), version.to_string())],
            _ => Vec::new(),
        };
        let answer = context
            .client
            .read(&path, &query)
            .doing(format!("Error reading {path}"))?;
        let secret = answer.ok_or_else(|| nothing_at(&path))?;
        if !location.versioned || secret.wrap_info.is_some() {
            return if context.output.field.is_none()
                && context.output.format == Format::Table
                && secret.wrap_info.is_none()
            {
                context.output.warnings(&secret);
                output::text(&data_section(secret.data.as_ref()));
                Ok(ExitCode::SUCCESS)
            } else {
                context.output.secret(&secret)
            };
        }
        let data = secret.get("data").and_then(Value::as_object);
        if let Some(field) = &context.output.field {
            // The fields of the secret, not those of the envelope around it.
            let Some(data) = data else {
                return Err(CliError::Refused(format!("No data found at {path}")));
            };
            let inner = Secret {
                data: Some(data.clone()),
                ..Secret::default()
            };
            // `data` is also all of it, unless a field has that name.
            if field != "data" && inner.get(field).is_none_or(Value::is_null) {
                return Err(CliError::Usage(format!(
                    "Field {field:?} not present in the secret"
                )));
            }
            return context.output.secret(&inner);
        }
        if context.output.format != Format::Table {
            return context.output.secret(&secret);
        }
        context.output.warnings(&secret);
        output::text(&written(
            &path,
            secret.get("metadata").and_then(Value::as_object),
        ));
        output::line("");
        if let Some(data) = data {
            output::text(&data_section(Some(data)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn data_section(data: Option<&Map<String, Value>>) -> String {
    data.map(|data| section("Data", data)).unwrap_or_default()
}

/// Where a secret is, and what is known of its version.
pub fn written(path: &str, metadata: Option<&Map<String, Value>>) -> String {
    let metadata = metadata
        .map(|metadata| format!("\n{}", section("Metadata", metadata)))
        .unwrap_or_default();
    format!(
        "{}\n{path}\n{metadata}",
        title("Secret Path", path.chars().count())
    )
}

/// A titled table, the title as wide as the table's head.
pub fn section(name: &str, data: &Map<String, Value>) -> String {
    let key = data
        .keys()
        .map(|key| key.chars().count())
        .max()
        .unwrap_or_default();
    format!(
        "{}\n{}",
        title(name, key + "    Value".len()),
        output::map_table(data)
    )
}

/// A title between signs of equality: two on each side, if the width leaves none.
pub fn title(name: &str, width: usize) -> String {
    let signs = match width.saturating_sub(name.chars().count() + 2) {
        0 => 2,
        left => left.div_ceil(2),
    };
    format!("{0} {name} {0}", "=".repeat(signs))
}

/// `kv list`.
#[derive(Args)]
pub struct List {
    /// Where the engine is mounted; the path is then that within it
    #[arg(long)]
    mount: Option<String>,
    /// Path to list; with -mount it may be left out
    path: Option<String>,
}

impl List {
    pub(super) fn run(self, context: &Context) -> CliResult {
        if self.mount.is_none() && self.path.is_none() {
            return Err(CliError::usage("Not enough arguments (expected 1, got 0)"));
        }
        let location = match (&self.mount, &self.path) {
            (Some(mount), None) => locate(&context.client, None, mount)?,
            (mount, path) => locate(
                &context.client,
                mount.as_deref(),
                path.as_deref().unwrap_or_default(),
            )?,
        };
        let path = location.path("metadata");
        let answer = context
            .client
            .list(&path)
            .doing(format!("Error listing {path}"))?;
        context.keys(&path, answer, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        for (name, width, expected) in [
            ("Data", 9, "== Data =="),
            ("Metadata Path", 17, "= Metadata Path ="),
            ("Metadata Path", 16, "= Metadata Path ="),
            ("Secret Path", 13, "== Secret Path =="),
            ("Secret Path", 3, "== Secret Path =="),
        ] {
            assert_eq!(title(name, width), expected);
        }
    }
}
