//! What key holders do one after the other: the same commands begin it, tell how far it is, end it, and give a share.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::client::{ClientError, Method};
use crate::commands::Context;
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// What the server is told of it, and where.
pub(super) struct Ceremony<'a> {
    pub context: &'a Context,
    /// Where it is begun, described and cancelled.
    pub attempt: &'a str,
    /// Where shares are given.
    pub update: &'a str,
    /// For messages: "rekey".
    pub name: &'a str,
}

/// What one of the key holders does.
#[derive(Args)]
pub(super) struct Step {
    /// A key share, or - to read it from stdin; without it, it is asked for
    key: Option<String>,
    /// Begin it
    #[arg(long, conflicts_with_all = ["status", "cancel"])]
    pub init: bool,
    /// Only say how far it is
    #[arg(long)]
    status: bool,
    /// Forget it
    #[arg(long, conflicts_with = "status")]
    cancel: bool,
    /// Which one a share is for, or is to be forgotten
    #[arg(long)]
    nonce: Option<String>,
}

impl Ceremony<'_> {
    /// Takes a step, `wanted` being what it begins with. What it says is shown in these rows, or as `instead` has it.
    pub(super) fn run(
        &self,
        step: Step,
        wanted: &Value,
        rows: &[(&'static str, &'static str)],
        instead: impl FnOnce(&Map<String, Value>) -> Option<String>,
    ) -> CliResult {
        if step.cancel {
            return self.cancel(step.nonce.as_deref());
        }
        let told = if step.init {
            self.send(Method::Put, self.attempt, Some(wanted))?
        } else if step.status {
            self.status()?
        } else {
            self.give(step.key, step.nonce)?
        };
        match instead(&told) {
            Some(text) => self.context.output.object(&told, || text),
            None => self.show(&told, rows),
        }
    }

    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Map<String, Value>, CliError> {
        let client = &self.context.client;
        let answer = client.send(method, path, &[], body);
        let answer = answer.and_then(|answer| answer.json());
        let answer: Result<Option<Map<String, Value>>, ClientError> = answer;
        let doing = format!("Error in the {}", self.name);
        Ok(answer.doing(&doing)?.unwrap_or_default())
    }

    /// How far it is.
    pub(super) fn status(&self) -> Result<Map<String, Value>, CliError> {
        self.send(Method::Get, self.attempt, None)
    }

    /// Forgets it.
    fn cancel(&self, nonce: Option<&str>) -> CliResult {
        let body = nonce.map(|nonce| json!({ "nonce": nonce }));
        self.send(Method::Delete, self.attempt, body.as_ref())?;
        let done = format!("Success! Canceled the {} (if it was started)", self.name);
        self.context.done(&done)
    }

    /// Gives a share, asked for if need be. Who is not asked has to know what the share is for.
    fn give(
        &self,
        key: Option<String>,
        nonce: Option<String>,
    ) -> Result<Map<String, Value>, CliError> {
        let status = self.status()?;
        let told = |field: &str| status.get(field).cloned().unwrap_or_default();
        if told("started") == false {
            return Err(CliError::Refused(format!(
                "No {0} is in progress: begin one with -init",
                self.name
            )));
        }
        let nonce = match (nonce, &key) {
            (Some(nonce), _) => nonce,
            (None, Some(_)) => {
                return Err(CliError::Usage(format!(
                    "-nonce is needed with a key: the nonce of the {}, which -init printed",
                    self.name
                )));
            }
            (None, None) => {
                let nonce = output::plain(&told("nonce"));
                output::complain(&format!("Operation nonce: {nonce}"));
                nonce
            }
        };
        let key = super::share(self.context, key)?;
        let body = json!({ "key": key.trim(), "nonce": nonce });
        self.send(Method::Put, self.update, Some(&body))
    }

    /// Prints how far it is, or what a command of it has told.
    fn show(&self, told: &Map<String, Value>, rows: &[(&'static str, &'static str)]) -> CliResult {
        let text = |field: &str| {
            let value = told.get(field).filter(|value| !value.is_null());
            value.map(output::plain).unwrap_or_default()
        };
        self.context.output.object(told, || {
            let mut shown: Vec<_> = rows
                .iter()
                .map(|(title, field)| ((*title).to_owned(), text(field)))
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let of = format!("{}/{}", text("progress"), text("required"));
            if told.contains_key("required") {
                shown.insert(shown.len().min(2), ("Progress".to_owned(), of));
            }
            output::pairs(&shown)
        })
    }
}
