//! `kv metadata get|put|patch|delete`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::locate::SecretPath;
use super::read::{section, title};
use crate::args::Format;
use crate::commands::mount::key_values;
use crate::commands::{Context, nothing_at};
use crate::duration::Ttl;
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// `kv metadata`.
#[derive(Subcommand)]
pub enum Metadata {
    /// Show settings and versions of a secret
    Get(Get),
    /// Set settings of a secret
    Put(Put),
    /// Change some settings of a secret
    Patch(Patch),
    /// Remove a secret with all its versions
    Delete(Delete),
}

impl Metadata {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Get(command) => command.run(context),
            Self::Put(command) => command.run(context),
            Self::Patch(command) => command.run(context),
            Self::Delete(command) => command.run(context),
        }
    }
}

/// `kv metadata get`.
#[derive(Args)]
pub struct Get {
    #[command(flatten)]
    secret: SecretPath,
}

impl Get {
    fn run(self, context: &Context) -> CliResult {
        let path = self
            .secret
            .versioned(&context.client, "Metadata")?
            .path("metadata");
        let answer = context
            .client
            .read(&path, &[])
            .doing(format!("Error reading {path}"))?;
        let secret = answer.ok_or_else(|| nothing_at(&path))?;
        if context.output.format != Format::Table
            || context.output.field.is_some()
            || secret.wrap_info.is_some()
        {
            return context.output.secret(&secret);
        }
        let mut data = secret.data.unwrap_or_default();
        let versions = data.remove("versions");
        output::line(&format!(
            "{}\n{path}\n",
            title("Metadata Path", path.chars().count())
        ));
        output::text(&section("Metadata", &data));
        let mut versions: Vec<_> = versions
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .collect();
        versions.sort_by_key(|(number, _)| number.parse::<u64>().unwrap_or_default());
        for (number, version) in versions {
            if let Some(version) = version.as_object() {
                output::text(&format!(
                    "\n{}",
                    section(&format!("Version {number}"), version)
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The settings of a secret.
#[derive(Args)]
pub struct Settings {
    /// How many versions to keep; 0: as the engine says
    #[arg(long, value_name = "N")]
    max_versions: Option<i64>,
    /// Whether each write must say which version it replaces
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    cas_required: Option<bool>,
    /// When a version is deleted, counted from its creation; 0s: never
    #[arg(long, value_name = "DURATION")]
    delete_version_after: Option<Ttl>,
    /// Metadata of your own; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    custom_metadata: Vec<String>,
}

impl Settings {
    fn request(&self) -> Result<Map<String, Value>, CliError> {
        let custom = key_values("-custom-metadata", &self.custom_metadata)?;
        let fields = [
            (
                "max_versions",
                self.max_versions.map(|versions| json!(versions)),
            ),
            (
                "cas_required",
                self.cas_required.map(|required| json!(required)),
            ),
            // Negative turns it off, whatever the engine says.
            (
                "delete_version_after",
                self.delete_version_after
                    .map(|after| json!(format!("{}s", after.0))),
            ),
            (
                "custom_metadata",
                (!custom.is_empty()).then(|| custom.into()),
            ),
        ];
        Ok(fields
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect())
    }
}

/// `kv metadata put`.
#[derive(Args)]
pub struct Put {
    #[command(flatten)]
    secret: SecretPath,
    #[command(flatten)]
    settings: Settings,
}

impl Put {
    fn run(self, context: &Context) -> CliResult {
        let path = self
            .secret
            .versioned(&context.client, "Metadata")?
            .path("metadata");
        let answer = context
            .client
            .write(&path, &self.settings.request()?.into())
            .doing(format!("Error writing data to {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data written to: {path}"),
        )
    }
}

/// `kv metadata patch`.
#[derive(Args)]
pub struct Patch {
    #[command(flatten)]
    secret: SecretPath,
    #[command(flatten)]
    settings: Settings,
    /// Key of your own metadata to remove; may be repeated
    #[arg(long, value_name = "KEY")]
    remove_custom_metadata: Vec<String>,
}

impl Patch {
    fn run(self, context: &Context) -> CliResult {
        let path = self
            .secret
            .versioned(&context.client, "Metadata")?
            .path("metadata");
        let mut request = self.settings.request()?;
        if !self.remove_custom_metadata.is_empty() {
            let custom = request
                .entry("custom_metadata")
                .or_insert_with(|| json!({}));
            if let Some(custom) = custom.as_object_mut() {
                custom.extend(
                    self.remove_custom_metadata
                        .iter()
                        .map(|key| (key.clone(), Value::Null)),
                );
            }
        }
        let answer = context
            .client
            .patch(&path, &request.into())
            .doing(format!("Error writing data to {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data written to: {path}"),
        )
    }
}

/// `kv metadata delete`.
#[derive(Args)]
pub struct Delete {
    #[command(flatten)]
    secret: SecretPath,
}

impl Delete {
    fn run(self, context: &Context) -> CliResult {
        let path = self
            .secret
            .versioned(&context.client, "Metadata")?
            .path("metadata");
        let answer = context
            .client
            .delete(&path, &[])
            .doing(format!("Error deleting {path}"))?;
        context.answered(
            answer.as_ref(),
            &format!("Success! Data deleted (if it existed) at: {path}"),
        )
    }
}
