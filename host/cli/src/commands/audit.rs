//! `audit enable|list|disable|verify`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::mount::key_values;
use super::{Context, sanitised};
use crate::args::Format;
use crate::error::{CliError, CliResult, Doing};
use crate::output::{self, Output, plain};

/// `audit`.
#[derive(Subcommand)]
pub enum Audit {
    /// Make an audit device
    Enable(Enable),
    /// List the audit devices
    List(List),
    /// Remove an audit device
    Disable(Disable),
    /// Prove that no line of an audit file was changed, dropped or moved
    Verify(Verify),
}

impl Audit {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Enable(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Disable(command) => command.run(context),
            Self::Verify(command) => command.run(&context.output),
        }
    }
}

/// `audit enable`.
#[derive(Args)]
pub struct Enable {
    /// Type of the device: file, socket or syslog
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Options of the device: file_path=/var/log/coffer/audit.log
    #[arg(value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// Its name; its type, if not given
    #[arg(long)]
    path: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Not to be replicated
    #[arg(long)]
    local: bool,
}

impl Enable {
    fn run(self, context: &Context) -> CliResult {
        let path = sanitised(self.path.as_deref().unwrap_or(&self.kind));
        let request = json!({
            "type": self.kind,
            "description": self.description.unwrap_or_default(),
            "local": self.local,
            "options": key_values("an option", &self.options)?,
        });
        context
            .client
            .post(&format!("sys/audit/{path}"), &request)
            .doing("Error enabling audit device")?;
        context.done(&format!(
            "Success! Enabled the {} audit device at: {path}/",
            self.kind
        ))
    }
}

/// `audit list`.
#[derive(Args)]
pub struct List {
    /// Show everything
    #[arg(long)]
    detailed: bool,
}

impl List {
    fn run(self, context: &Context) -> CliResult {
        let answer = context.client.read("sys/audit", &[]);
        let secret = answer.doing("Error listing audits")?;
        let devices = secret.and_then(|secret| secret.data).unwrap_or_default();
        if context.output.format != Format::Table {
            context.output.data(&devices);
            return Ok(ExitCode::SUCCESS);
        }
        if devices.is_empty() {
            return Err(CliError::Refused(
                "No audit devices are enabled.".to_owned(),
            ));
        }
        let mut columns = vec![
            ("Path", "path"),
            ("Type", "type"),
            ("Description", "description"),
        ];
        if self.detailed {
            columns.extend([("Options", "options"), ("Accessor", "accessor")]);
        }
        let titles: Vec<_> = columns.iter().map(|(title, _)| *title).collect();
        let row = |device: &Value| {
            let cell = |(_, key): &(_, &str)| device.get(key).map(plain).unwrap_or_default();
            columns.iter().map(cell).collect()
        };
        let rows: Vec<Vec<String>> = devices.values().map(row).collect();
        output::text(&output::table(&titles, &rows));
        Ok(ExitCode::SUCCESS)
    }
}

/// `audit disable`.
#[derive(Args)]
pub struct Disable {
    /// Its name
    path: String,
}

impl Disable {
    fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        context
            .client
            .delete(&format!("sys/audit/{path}"), &[])
            .doing("Error disabling audit device")?;
        context.done(&format!(
            "Success! Disabled audit device (if it was enabled) at: {path}/"
        ))
    }
}

/// `audit verify`.
#[derive(Args)]
pub struct Verify {
    /// The files of one device, the oldest first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The hash that the last record must have, as it was noted somewhere else
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    /// Take it that the device was made anew in between
    #[arg(long)]
    allow_restarts: bool,
}

impl Verify {
    pub(super) fn run(self, output: &Output) -> CliResult {
        let mut all: Box<dyn Read> = Box::new(std::io::empty());
        for file in &self.files {
            let open = File::open(file)
                .map_err(|error| CliError::Usage(format!("{}: {error}", file.display())))?;
            all = Box::new(all.chain(open));
        }
        let lines: &mut dyn BufRead = &mut BufReader::new(all);
        let refused = |reason: String| CliError::Refused(reason);
        let seen = coffer_audit::verify(lines).map_err(|broken| refused(broken.to_string()))?;
        if let (Some(line), false) = (seen.restarts.first(), self.allow_restarts) {
            return Err(refused(format!(
                "line {line}: another chain begins here: records may be missing before it; -allow-restarts takes it that the device was made anew"
            )));
        }
        if let Some(head) = self.head.filter(|head| *head != seen.head) {
            return Err(refused(format!(
                "the last record, {}, has the hash {}, not {head}: records are missing at the end, or are others",
                seen.last, seen.head
            )));
        }
        match output.format {
            Format::Table => {
                output::line(&format!(
                    "{} records, {} to {}, are what was written.\nHead: {}",
                    seen.records, seen.first, seen.last, seen.head
                ));
            }
            _ => output.data(&json!({
                "records": seen.records,
                "first": seen.first,
                "last": seen.last,
                "head": seen.head,
            })),
        }
        Ok(ExitCode::SUCCESS)
    }
}
