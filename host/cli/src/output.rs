//! What commands print: tables for people, JSON and YAML for programs, one field for scripts.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::Format;
use crate::duration;
use crate::environment;
use crate::error::CliError;
use crate::secret::Secret;
use crate::yaml;

/// How this command's answer is to be printed.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// In which form.
    pub format: Format,
    /// Only this field.
    pub field: Option<String>,
}

impl Output {
    /// Prints an answer, or its field.
    ///
    /// # Errors
    /// If it has no such field.
    pub fn secret(&self, secret: &Secret) -> Result<ExitCode, CliError> {
        if self.field.is_some() || self.format == Format::Table {
            self.warnings(secret);
        }
        if let Some(field) = &self.field {
            return self.one(field, field_of(secret, field));
        }
        match self.format {
            Format::Table => text(&secret_table(secret)),
            _ => self.data(secret),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints an object that is not an [answer](Secret), or its field.
    ///
    /// # Errors
    /// If it has no such field.
    pub fn object(
        &self,
        object: &Map<String, Value>,
        table: impl FnOnce() -> String,
    ) -> Result<ExitCode, CliError> {
        if let Some(field) = &self.field {
            return self.one(field, object.get(field).cloned());
        }
        match self.format {
            Format::Table => text(&table()),
            _ => self.data(object),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints the keys of a list.
    pub fn keys(&self, title: &str, keys: &[String]) {
        match self.format {
            Format::Table => {
                let rows: Vec<_> = keys.iter().map(|key| vec![key.clone()]).collect();
                text(&table(&[title], &rows));
            }
            _ => self.data(&keys),
        }
    }

    /// Prints a value as JSON or YAML.
    pub fn data(&self, value: &impl Serialize) {
        text(&rendered(self.format, value));
    }

    /// Shows what the server warns of, where it is not part of what is printed anyway.
    pub fn warnings(&self, secret: &Secret) {
        let Some(warnings) = secret
            .warnings
            .as_ref()
            .filter(|warnings| !warnings.is_empty())
        else {
            return;
        };
        warn("WARNING! The following warnings were returned from the server:\n");
        for warning in warnings {
            warn(&format!("  * {warning}"));
        }
        complain("");
    }

    fn one(&self, field: &str, value: Option<Value>) -> Result<ExitCode, CliError> {
        let value = value
            .filter(|value| !value.is_null())
            .ok_or_else(|| CliError::Usage(format!("Field {field:?} not present in the answer")))?;
        let shown = match (&value, self.format) {
            (Value::String(text), Format::Table | Format::Raw) => text.clone(),
            (_, Format::Json | Format::Yaml) => rendered(self.format, &value)
                .trim_end_matches('\n')
                .to_owned(),
            _ => plain(&value),
        };
        // A newline only where a person looks: for everything else the field is the whole output.
        if std::io::stdout().is_terminal() {
            line(&shown)
        } else {
            text(&shown)
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints a line.
pub fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Prints text as it is. Who closed the pipe wants no more of it.
pub fn text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .ok();
}

/// Prints a line to stderr.
pub fn complain(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}

/// Prints a warning to stderr.
pub fn warn(line: &str) {
    coloured(AnsiColor::Yellow, line);
}

/// Prints what went wrong to stderr.
pub fn fail(line: &str) {
    coloured(AnsiColor::Red, line);
}

/// In colour where a person looks who has not said otherwise: `NO_COLOR`, `VAULT_CLI_NO_COLOR`.
fn coloured(colour: AnsiColor, line: &str) {
    let style = colour.on_default();
    let plain = environment::get("CLI_NO_COLOR").is_some();
    let choice = if plain {
        ColorChoice::Never
    } else {
        AutoStream::choice(&std::io::stderr())
    };
    let mut stderr = AutoStream::new(std::io::stderr(), choice).lock();
    writeln!(stderr, "{style}{line}{style:#}").ok();
}

/// Says on a terminal how far something is, in the place of what was said before; nothing, when it is done.
pub fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        write!(std::io::stderr(), "\r\x1b[K{line}").ok();
    }
}

/// Says on a terminal that something takes its time, and takes that back in the end.
pub struct Waiting(Option<(mpsc::Sender<()>, JoinHandle<()>)>);

impl Waiting {
    /// Begins to wait. Nothing is said in the first second, or where no person looks.
    pub fn begin(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let (end, ended) = mpsc::channel();
        let what = what.to_owned();
        let show = move || {
            let mut seconds = 0_u64;
            while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                seconds += 1;
                progress(&format!("{what} ({seconds} s)"));
            }
            if seconds > 0 {
                progress("");
            }
        };
        Self(Some((end, std::thread::spawn(show))))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            thread.join().ok();
        }
    }
}

fn rendered(format: Format, value: &impl Serialize) -> String {
    let rendered = match format {
        Format::Yaml => serde_json::to_value(value)
            .ok()
            .map(|value| yaml::document(&value)),
        Format::Json | Format::Table | Format::Raw => serde_json::to_string_pretty(value)
            .ok()
            .map(|text| text + "\n"),
    };
    rendered.unwrap_or_default()
}

/// A value as Go's `%v` shows it, which is what tables have always shown.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => format!(
            "[{}]",
            values.iter().map(plain).collect::<Vec<_>>().join(" ")
        ),
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{key}:{}", plain(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// A cell: times are shown as durations, by the name of their key.
pub fn cell(key: &str, value: &Value) -> String {
    let is_time = ["period", "ttl", "duration"]
        .iter()
        .any(|word| key == *word || key.ends_with(&format!("_{word}")));
    match value.as_i64() {
        Some(seconds) if is_time || matches!(key, "lease_max" | "ttl_max") => {
            duration::human(seconds)
        }
        _ => plain(value),
    }
}

/// Columns under their titles. An empty cell is `n/a`.
pub fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let head = [
        titles.iter().map(ToString::to_string).collect(),
        titles
            .iter()
            .map(|title| "-".repeat(title.chars().count()))
            .collect::<Vec<_>>(),
    ];
    let shown = |cell: &str| {
        if cell.is_empty() {
            "n/a".to_owned()
        } else {
            cell.to_owned()
        }
    };
    let rows: Vec<Vec<String>> = head
        .into_iter()
        .chain(
            rows.iter()
                .map(|row| row.iter().map(|cell| shown(cell)).collect()),
        )
        .collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let last = row.len().saturating_sub(1);
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if index < last {
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 4));
            }
        }
        text.push('\n');
    }
    text
}

/// The two columns in which most answers are shown.
pub fn pairs(rows: &[(String, String)]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|(key, value)| vec![key.clone(), value.clone()])
        .collect();
    table(&["Key", "Value"], &rows)
}

/// Keys with what is told of each.
pub fn key_table(keys: &[String], info: &Map<String, Value>) -> String {
    let told = |key: &str| info.get(key).and_then(Value::as_object);
    let names: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| told(key))
        .flat_map(|about| about.keys().map(String::as_str))
        .collect();
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let value = |name: &&str| told(key).and_then(|about| about.get(*name));
            let cells = names
                .iter()
                .map(|name| value(name).map(plain).unwrap_or_default());
            [key.clone()].into_iter().chain(cells).collect()
        })
        .collect();
    let titles: Vec<&str> = ["Keys"].into_iter().chain(names.iter().copied()).collect();
    table(&titles, &rows)
}

/// The data of an answer in two columns.
pub fn map_table(data: &Map<String, Value>) -> String {
    pairs(
        &data
            .iter()
            .map(|(key, value)| (key.clone(), cell(key, value)))
            .collect::<Vec<_>>(),
    )
}

fn secret_table(secret: &Secret) -> String {
    if secret.is_empty() {
        return String::new();
    }
    let rows = rows_of(secret);
    if rows.is_empty() {
        return String::new();
    }
    let shown = rows.iter().map(|(key, value)| {
        let endless = matches!(key.as_str(), "token_duration") && value.as_i64() == Some(0);
        let shown = match value {
            _ if endless => "∞".to_owned(),
            Value::Array(_) if key.ends_with("policies") && secret.auth.is_some() => {
                quoted_list(value)
            }
            Value::Number(seconds)
                if matches!(key.as_str(), "refresh_interval" | "wrapping_token_ttl:") =>
            {
                duration::human(seconds.as_i64().unwrap_or_default())
            }
            _ => cell(key, value),
        };
        (key.clone(), shown)
    });
    pairs(&shown.collect::<Vec<_>>())
}

fn quoted_list(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten();
    let items: Vec<_> = items.map(|item| format!("{:?}", plain(item))).collect();
    format!("[{}]", items.join(" "))
}

/// The field that `-field` names: of the envelope under the name that the table shows, or of the data.
fn field_of(secret: &Secret, name: &str) -> Option<Value> {
    let rows = rows_of(secret);
    let found = rows
        .into_iter()
        .find(|(key, _)| key.trim_end_matches(':') == name)
        .map(|(_, value)| value);
    found.or_else(|| match name {
        "data" => secret.data.clone().map(Value::Object),
        "lease_duration" => Some(secret.lease_duration.into()),
        "refresh_interval" => Some(secret.lease_duration.into()),
        _ => None,
    })
}

fn rows_of(secret: &Secret) -> Vec<(String, Value)> {
    let mut rows: Vec<(String, Value)> = Vec::new();
    let mut row = |key: &str, value: Value| rows.push((key.to_owned(), value));
    if let Some(wrap) = &secret.wrap_info {
        row("wrapping_token:", wrap.token.clone().into());
        row("wrapping_accessor:", wrap.accessor.clone().into());
        row("wrapping_token_ttl:", wrap.ttl.into());
        row(
            "wrapping_token_creation_time:",
            wrap.creation_time.clone().into(),
        );
        row(
            "wrapping_token_creation_path:",
            wrap.creation_path.clone().into(),
        );
        if !wrap.wrapped_accessor.is_empty() {
            row("wrapped_accessor:", wrap.wrapped_accessor.clone().into());
        }
        return rows;
    }
    if !secret.lease_id.is_empty() {
        row("lease_id", secret.lease_id.clone().into());
        row("lease_duration", secret.lease_duration.into());
        row("lease_renewable", secret.renewable.into());
    } else if secret.lease_duration > 0 {
        row("refresh_interval", secret.lease_duration.into());
    }
    if let Some(auth) = &secret.auth {
        let list =
            |policies: &Option<Vec<String>>| Value::from(policies.clone().unwrap_or_default());
        row("token", auth.client_token.clone().into());
        row("token_accessor", auth.accessor.clone().into());
        row("token_duration", auth.lease_duration.into());
        row("token_renewable", auth.renewable.into());
        row("token_policies", list(&auth.token_policies));
        row("identity_policies", list(&auth.identity_policies));
        row("policies", list(&auth.policies));
        for (key, value) in auth.metadata.iter().flatten() {
            row(&format!("token_meta_{key}"), value.clone());
        }
    }
    for (key, value) in secret.data.iter().flatten() {
        row(key, value.clone());
    }
    rows
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
