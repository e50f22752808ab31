//! What is stored of an audit device.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use coffer_audit::{Device, FileTarget, Options, SinkOptions};
use coffer_clock::{Random, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AuditConfig, DeviceConfig};
use crate::Error;
use crate::time::rfc3339;

/// An audit device.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// With its trailing slash: `file/`.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub local: bool,
    /// Whether the server's configuration names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    pub accessor: String,
    /// Of its hashes, in hexadecimal.
    pub salt: String,
    /// The name of its chain, where none goes on.
    pub chain: String,
}

/// What a device's options say of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Texts are shown as they are.
    pub raw: bool,
    /// Accessors are hashed too.
    pub hashes_accessors: bool,
    /// Lists are shown by their length.
    pub elides_lists: bool,
}

impl AuditEntry {
    /// A new one, with a salt and a chain of its own.
    pub fn new(config: DeviceConfig, random: &Random) -> Self {
        let accessor: [u8; 4] = random.bytes();
        let salt: [u8; 32] = random.bytes();
        Self {
            accessor: format!("audit_{}_{}", config.kind, hex::encode(accessor)),
            salt: hex::encode(salt),
            chain: random.uuid(),
            path: config.path,
            kind: config.kind,
            description: config.description,
            options: config.options,
            local: config.local,
            configured: false,
        }
    }

    /// Whether it is what this makes.
    pub fn is(&self, config: &DeviceConfig) -> bool {
        (&self.path, &self.kind, &self.description)
            == (&config.path, &config.kind, &config.description)
            && (&self.options, self.local) == (&config.options, config.local)
    }

    /// Has it write a record, to see whether it can.
    pub async fn prove(&self, random: &Random, now: UnixMillis) -> Result<(), Error> {
        let probe = json!({
            "time": rfc3339(now),
            "type": "request",
            "request": { "id": random.uuid(), "operation": "update", "path": "sys/audit/test", "namespace": { "id": "root" } },
        });
        let device = self.device()?;
        coffer_audit::record(&[device], |_| vec![probe.to_string()])
            .await
            .map_err(|reason| Error::invalid(format!("the audit device cannot write: {reason}")))
    }

    /// Its options, checked.
    fn read(&self) -> Result<(SinkOptions, Shape, String), Error> {
        let wrong = |error: coffer_audit::OptionsError| Error::invalid(error.0);
        let mut options = Options::new(&self.kind, &self.options);
        let sink = options.sink().map_err(wrong)?;
        let shape = Shape {
            raw: options.boolean("log_raw", false).map_err(wrong)?,
            hashes_accessors: options.boolean("hmac_accessor", true).map_err(wrong)?,
            elides_lists: options
                .boolean("elide_list_responses", false)
                .map_err(wrong)?,
        };
        let prefix = options.text("prefix").unwrap_or_default().to_owned();
        if prefix.contains(['{', '\n', '\r']) {
            return Err(Error::invalid("prefix may not contain { or an end of line"));
        }
        if let Some(format) = options.text("format").filter(|format| *format != "json") {
            return Err(Error::invalid(format!(
                "format is {format:?}; records are written in json"
            )));
        }
        options.done().map_err(wrong)?;
        Ok((sink, shape, prefix))
    }

    /// Whether it can be made through the API.
    pub fn check(&self, config: &AuditConfig) -> Result<(), Error> {
        let (sink, ..) = self.read()?;
        let path = match sink {
            SinkOptions::File {
                target: FileTarget::Path(path),
                ..
            } => path,
            // Whoever may make devices is not to reach what only the server reaches.
            SinkOptions::Socket { .. } if !config.sockets => {
                return Err(Error::invalid(
                    "this server lets no audit device connect anywhere that is made through the API: its configuration must name the device, or say unsafe_allow_api_audit_creation",
                ));
            }
            _ => return Ok(()),
        };
        let Some(directory) = &config.directory else {
            return Err(Error::invalid(
                "this server lets no audit device write to files: its configuration must name a folder for them, as audit_directory",
            ));
        };
        let inside = is_plain(&path)
            && path.parent().is_some_and(|parent| {
                // Wherever links in the path lead.
                match (parent.canonicalize(), directory.canonicalize()) {
                    (Ok(parent), Ok(directory)) => parent.starts_with(directory),
                    _ => false,
                }
            });
        if inside {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "file_path {:?} is not in a folder below {:?}, where this server lets audit devices write",
            path.display().to_string(),
            directory.display().to_string()
        )))
    }

    pub fn shape(&self) -> Result<Shape, Error> {
        self.read().map(|(_, shape, _)| shape)
    }

    /// What writes for it.
    pub fn device(&self) -> Result<Arc<Device>, Error> {
        let (sink, _, prefix) = self.read()?;
        let chain = self.chain.clone();
        Device::new(self.path.clone(), prefix, &sink, chain)
            .map_err(|error| Error::Audit(format!("{}: {error}", self.path)))
    }

    /// The file that it writes to.
    pub fn file(&self) -> Option<&str> {
        let path = self
            .options
            .get("file_path")
            .or_else(|| self.options.get("path"));
        path.map(String::as_str)
            .filter(|path| path.starts_with('/'))
    }

    /// As the list shows it.
    pub fn describe(&self) -> Value {
        json!({
            "type": self.kind,
            "description": self.description,
            "options": self.options,
            "local": self.local,
            "path": self.path,
            "accessor": self.accessor,
        })
    }
}

/// Whether a path goes down only.
fn is_plain(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
