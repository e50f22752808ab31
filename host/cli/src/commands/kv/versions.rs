//! `kv delete|undelete|destroy`: what is done to versions of a secret.

use clap::Args;
use serde_json::json;

use super::locate::SecretPath;
use crate::commands::Context;
use crate::error::{CliError, CliResult, Doing};

/// `kv delete`.
#[derive(Args)]
pub struct Delete {
    #[command(flatten)]
    secret: SecretPath,
    /// Versions; the newest, if not given
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    versions: Vec<u64>,
}

impl Delete {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let location = self.secret.locate(&context.client)?;
        let path = location.path("data");
        let doing = format!("Error deleting {path}");
        let answer = if location.versioned && !self.versions.is_empty() {
            context
                .client
                .write(
                    &location.path("delete"),
                    &json!({ "versions": self.versions }),
                )
                .doing(doing)?
        } else {
            context.client.delete(&path, &[]).doing(doing)?
        };
        context.answered(
            answer.as_ref(),
            &format!("Success! Data deleted (if it existed) at: {path}"),
        )
    }
}

/// `kv undelete`.
#[derive(Args)]
pub struct Undelete {
    #[command(flatten)]
    secret: SecretPath,
    /// Versions to bring back
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    versions: Vec<u64>,
}

impl Undelete {
    pub(super) fn run(self, context: &Context) -> CliResult {
        post(
            context,
            &self.secret,
            &self.versions,
            "undelete",
            "Undelete",
        )
    }
}

/// `kv destroy`.
#[derive(Args)]
pub struct Destroy {
    #[command(flatten)]
    secret: SecretPath,
    /// Versions to remove for good
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    versions: Vec<u64>,
}

impl Destroy {
    pub(super) fn run(self, context: &Context) -> CliResult {
        post(context, &self.secret, &self.versions, "destroy", "Destroy")
    }
}

fn post(
    context: &Context,
    secret: &SecretPath,
    versions: &[u64],
    verb: &str,
    name: &str,
) -> CliResult {
    if versions.is_empty() {
        return Err(CliError::Usage(format!(
            "No versions provided, use the \"-versions\" flag to specify the version to {verb}."
        )));
    }
    let path = secret.versioned(&context.client, name)?.path(verb);
    let answer = context
        .client
        .write(&path, &json!({ "versions": versions }))
        .doing(format!("Error writing data to {path}"))?;
    context.answered(
        answer.as_ref(),
        &format!("Success! Data written to: {path}"),
    )
}
