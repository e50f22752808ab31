//! `plugin reload`, `plugin pin` and `plugin unpin`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::Named;
use crate::commands::Context;
use crate::error::{CliError, CliResult, Doing};

/// `plugin reload`.
#[derive(Args)]
pub struct Reload {
    /// The plugin
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Its type, if there are several of the name
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only restart the plugins of these mounts; may be repeated
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    mounts: Vec<String>,
    /// global: on every server of the cluster
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
}

impl Reload {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let mut request = Map::new();
        let what = match (&self.plugin, self.mounts.as_slice()) {
            (Some(_), [_, ..]) => {
                return Err(CliError::usage("give -plugin or -mounts, not both"));
            }
            (None, []) => {
                return Err(CliError::usage("give -plugin=NAME, or -mounts=PATH"));
            }
            (Some(plugin), []) => format!("plugin: {plugin}"),
            (None, mounts) => format!("mounts: {mounts:?}"),
        };
        if let Some(scope) = &self.scope {
            request.insert("scope".to_owned(), scope.clone().into());
        }
        let path = match (&self.kind, &self.plugin) {
            (Some(kind), Some(plugin)) => format!("sys/plugins/reload/{kind}/{plugin}"),
            (_, plugin) => {
                if let Some(plugin) = plugin {
                    request.insert("plugin".to_owned(), plugin.clone().into());
                }
                if !self.mounts.is_empty() {
                    request.insert("mounts".to_owned(), json!(self.mounts));
                }
                "sys/plugins/reload/backend".to_owned()
            }
        };
        let answer = context
            .client
            .clone()
            .once()
            .write(&path, &Value::Object(request))
            .doing(format!("Error reloading {what}"))?;
        if let Some(secret) = &answer {
            context.output.warnings(secret);
        }
        let id = answer
            .as_ref()
            .and_then(|secret| secret.get("reload_id"))
            .and_then(Value::as_str);
        match id {
            Some(id) => context.done(&format!("Success! Reloading {what}, reload_id: {id}")),
            None => context.done(&format!("Success! Reloaded {what}")),
        }
    }
}

/// `plugin pin`.
#[derive(Args)]
pub struct Pin {
    #[command(flatten)]
    plugin: Named,
    /// The version
    #[arg(value_name = "VERSION")]
    version: String,
}

impl Pin {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let name = &self.plugin.name;
        context
            .client
            .write(
                &self.plugin.path("pins"),
                &json!({ "version": self.version }),
            )
            .doing(format!("Error pinning plugin {name}"))?;
        context.done(&format!(
            "Success! Pinned {name} to {}: it takes over when it is reloaded",
            self.version
        ))
    }
}

/// `plugin unpin`.
#[derive(Args)]
pub struct Unpin {
    #[command(flatten)]
    plugin: Named,
}

impl Unpin {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let name = &self.plugin.name;
        context
            .client
            .delete(&self.plugin.path("pins"), &[])
            .doing(format!("Error unpinning plugin {name}"))?;
        context.done(&format!(
            "Success! Unpinned {name}: the newest version takes over when it is reloaded"
        ))
    }
}
