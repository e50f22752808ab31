//! What key holders do one after the other: the same commands begin it, tell how far it is, end it, and give a share.

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

impl Ceremony<'_> {
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
    pub(super) fn cancel(&self, nonce: Option<&str>) -> CliResult {
        let body = nonce.map(|nonce| json!({ "nonce": nonce }));
        self.send(Method::Delete, self.attempt, body.as_ref())?;
        let done = format!("Success! Canceled the {} (if it was started)", self.name);
        self.context.done(&done)
    }

    /// Gives a share, asked for if need be. Who is not asked has to know what the share is for.
    pub(super) fn give(
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
    pub(super) fn show(
        &self,
        told: &Map<String, Value>,
        rows: &[(&'static str, &'static str)],
    ) -> CliResult {
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
