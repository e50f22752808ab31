//! `plugin list|info|register|load|deregister|reload|grants|grant|pin|unpin|save|push|pull`.

mod artifact;
mod grants;
mod list;
mod register;
mod registry;
mod reload;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::Context;
use crate::error::{CliResult, Doing};

/// What an operator does on a server, and the way to it.
#[derive(Subcommand)]
pub enum Catalog {
    /// List the plugins of a server
    List(list::List),
    /// Describe a plugin
    Info(list::Info),
    /// Register a version of a plugin: from a file, from a registry, or a file on the server
    Register(register::Register),
    /// Register a plugin from a file, under the name that it has itself
    Load(register::Load),
    /// Write a registered version, and its signatures, to files
    Save(register::Save),
    /// Remove a version of a plugin
    Deregister(Deregister),
    /// Have the newest version, or the pinned one, take over
    Reload(reload::Reload),
    /// Show what a plugin asks for, and what it was granted by whom
    Grants(grants::Grants),
    /// Grant a plugin what it asks for
    Grant(grants::Grant),
    /// Say which version is to run, whatever is registered after it
    Pin(reload::Pin),
    /// Let the newest version run again
    Unpin(reload::Unpin),
    /// Push a plugin, with its signature, to an OCI registry
    Push(registry::Push),
    /// Pull a plugin, with its signatures, from an OCI registry
    Pull(registry::Pull),
}

impl Catalog {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::List(command) => command.run(context),
            Self::Info(command) => command.run(context),
            Self::Register(command) => command.run(context),
            Self::Load(command) => command.run(context),
            Self::Save(command) => command.run(context),
            Self::Deregister(command) => command.run(context),
            Self::Reload(command) => command.run(context),
            Self::Grants(command) => command.run(context),
            Self::Grant(command) => command.run(context),
            Self::Pin(command) => command.run(context),
            Self::Unpin(command) => command.run(context),
            Self::Push(command) => command.run(context),
            Self::Pull(command) => command.run(context),
        }
    }
}

/// A plugin of the catalog.
#[derive(Args)]
struct Named {
    /// auth, database or secret
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Named {
    /// Its path below `sys/plugins/<table>/`.
    fn path(&self, table: &str) -> String {
        format!("sys/plugins/{table}/{}/{}", self.kind, self.name)
    }
}

/// As a query: a version, if one is given.
fn version_query(version: Option<&String>) -> Vec<(String, String)> {
    version
        .map(|version| ("version".to_owned(), version.clone()))
        .into_iter()
        .collect()
}

fn version_body(version: Option<&String>) -> Value {
    match version {
        Some(version) => json!({ "version": version }),
        None => json!({}),
    }
}

/// `plugin deregister`.
#[derive(Args)]
pub struct Deregister {
    #[command(flatten)]
    plugin: Named,
    /// The version, if there are several
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

impl Deregister {
    fn run(self, context: &Context) -> CliResult {
        let name = &self.plugin.name;
        context
            .client
            .delete(
                &self.plugin.path("catalog"),
                &version_query(self.version.as_ref()),
            )
            .doing(format!("Error deregistering plugin named {name}"))?;
        context.done(&format!(
            "Success! Deregistered {} plugin: {name}",
            self.plugin.kind
        ))
    }
}
