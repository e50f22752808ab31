//! `plugin register`, `plugin load` and `plugin save`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use coffer_manifest::Manifest;
use coffer_runtime::parse_version;
use serde_json::{Map, Value, json};

use super::artifact::Artifact;
use super::{Named, version_query};
use crate::commands::{Context, nothing_at};
use crate::error::{CliError, CliResult, Doing};
use crate::limits;

/// `plugin register`.
#[derive(Args)]
pub struct Register {
    #[command(flatten)]
    plugin: Named,
    /// Its version, if it is to be checked; and where it is: a file, or oci://registry/name:tag
    #[arg(value_name = "[VERSION] SOURCE", num_args = 0..=2)]
    rest: Vec<String>,
    /// The digest that it must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Instead of a source: a file in the server's plugin directory
    #[arg(long, value_name = "FILE")]
    command: Option<String>,
    /// Its version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Kept with it, and shown; may be repeated
    #[arg(long, value_name = "TEXT")]
    args: Vec<String>,
    #[command(flatten)]
    trust: Trust,
}

/// What makes a component trusted.
#[derive(Args)]
pub struct Trust {
    /// The public key that signs this plugin, in PEM: from now on it must
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file with a signature; the one beside the component is found by itself
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
    /// Grant all that it asks for
    #[arg(long)]
    grant: bool,
}

impl Trust {
    fn add_to(&self, request: &mut Map<String, Value>) -> Result<(), CliError> {
        if let Some(file) = &self.key {
            let pem = std::fs::read_to_string(file).map_err(|error| {
                CliError::usage(format!("{} cannot be read: {error}", file.display()))
            })?;
            request.insert("key".to_owned(), pem.into());
        }
        if self.grant {
            request.insert("grant".to_owned(), true.into());
        }
        Ok(())
    }
}

impl Register {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let (version, source) = self.places()?;
        let mut request = Map::new();
        let mut set = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                request.insert(key.to_owned(), value.into());
            }
        };
        set("sha256", self.sha256.clone());
        set("version", version);
        match (source, &self.command) {
            (Some(source), None) => {
                let artifact = Artifact::find(&source, &self.trust.signature)?;
                set(
                    "component",
                    Some(BASE64_STANDARD.encode(&artifact.component)),
                );
                set("source", Some(artifact.source));
                request.insert("signatures".to_owned(), json!(artifact.signatures));
            }
            (None, command) => {
                // As in Vault, the file is called like the plugin unless it is said.
                let command = command.clone().unwrap_or_else(|| self.plugin.name.clone());
                set("command", Some(command));
            }
            (Some(_), Some(_)) => {
                return Err(CliError::usage(
                    "-command names a file on the server: give it or a source, not both",
                ));
            }
        }
        if !self.args.is_empty() {
            request.insert("args".to_owned(), json!(self.args));
        }
        self.trust.add_to(&mut request)?;
        send(context, &self.plugin, request)
    }

    /// The version and the source among the last arguments.
    fn places(&self) -> Result<(Option<String>, Option<String>), CliError> {
        let (version, source) = match self.rest.as_slice() {
            [] => (None, None),
            [only] if parse_version(only).is_some() => (Some(only.clone()), None),
            [only] => (None, Some(only.clone())),
            [version, source, ..] => (Some(version.clone()), Some(source.clone())),
        };
        match (version, &self.version) {
            (Some(_), Some(_)) => Err(CliError::usage("the version is given twice")),
            (version, flag) => Ok((version.or_else(|| flag.clone()), source)),
        }
    }
}

fn send(context: &Context, plugin: &Named, request: Map<String, Value>) -> CliResult {
    let name = &plugin.name;
    let answer = context
        .client
        .clone()
        .once()
        .patient(limits::REGISTER_TIMEOUT)
        .write(&plugin.path("catalog"), &Value::Object(request))
        .doing(format!("Error registering plugin {name}"))?;
    let secret = answer.unwrap_or_default();
    context.output.warnings(&secret);
    let text = |field: &str| {
        secret
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    context.done(&format!(
        "Success! Registered {} plugin {name} {} (sha256 {})",
        plugin.kind,
        text("version"),
        text("sha256")
    ))
}

/// `plugin load`.
#[derive(Args)]
pub struct Load {
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
}

impl Load {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let source = self.file.display().to_string();
        let artifact = Artifact::find(&source, &self.trust.signature)?;
        let wrong = |reason: String| CliError::usage(format!("{source}: {reason}"));
        let manifest = Manifest::read(&artifact.component)
            .map_err(|error| wrong(error.to_string()))?
            .ok_or_else(|| wrong("it has no manifest".to_owned()))?;
        let plugin = Named {
            kind: manifest.kind.to_string(),
            name: manifest.name,
        };
        let mut request = Map::new();
        let component = BASE64_STANDARD.encode(&artifact.component);
        request.insert("component".to_owned(), component.into());
        request.insert("source".to_owned(), artifact.source.into());
        request.insert("signatures".to_owned(), json!(artifact.signatures));
        self.trust.add_to(&mut request)?;
        send(context, &plugin, request)
    }
}

/// `plugin save`.
#[derive(Args)]
pub struct Save {
    #[command(flatten)]
    plugin: Named,
    /// This version, not the one that runs
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Where to; signatures go beside it, as FILE.sig
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Save {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = self.plugin.path("catalog");
        let mut query = version_query(self.version.as_ref());
        query.push(("component".to_owned(), "true".to_owned()));
        let secret = context
            .client
            .read(&path, &query)
            .doing(format!("Error reading plugin named {}", self.plugin.name))?
            .ok_or_else(|| nothing_at(&path))?;
        let text = |field: &str| {
            secret
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let component = BASE64_STANDARD.decode(text("component")).ok();
        let component = component.filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
            CliError::Refused(format!(
                "{} is built in: there is nothing to save",
                self.plugin.name
            ))
        })?;
        let signatures = secret.get("signatures").and_then(Value::as_array);
        let artifact = Artifact {
            component,
            signatures: signatures.cloned().unwrap_or_default(),
            source: String::new(),
        };
        let default = || format!("{}-{}.wasm", self.plugin.name, text("version")).into();
        let file: PathBuf = self.out.unwrap_or_else(default);
        artifact.write(&file)?;
        context.done(&format!("Success! Wrote {}", Path::new(&file).display()))
    }
}
