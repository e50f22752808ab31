//! One question to the server, and what came of each statement in it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_sdk::{Error, Result, http};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Config;

/// What a message of the server is cut to, in characters.
const MESSAGE: usize = 300;

/// A server, as one of its administrators.
pub struct Server {
    config: Config,
}

/// The rows that a statement gave, or what the server has against it.
pub type Outcome = std::result::Result<Vec<Vec<Value>>, String>;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Answered>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<Vec<Value>>,
}

impl Server {
    /// The one of this configuration.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Asks. Statements are separated by semicolons; those behind one that failed are not run.
    ///
    /// # Errors
    /// Unavailable if the server does not answer, or answers nonsense; invalid if it does not let us in, or cannot read the
    /// question. What it says against a single statement is that statement's outcome.
    pub fn ask(&self, question: &str) -> Result<Vec<Outcome>> {
        let login = [&self.config.username, ":", &*self.config.password].concat();
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("q", question);
        let mut request = http::Request::new("POST", format!("{}/query", self.config.url))
            .header(
                "authorization",
                format!("Basic {}", BASE64_STANDARD.encode(login)),
            )
            .header("content-type", "application/x-www-form-urlencoded");
        request.body = body.finish().into_bytes();
        request.tls.clone_from(&self.config.tls);
        let answer = request.send()?;
        let read: Option<Answer> = serde_json::from_slice(&answer.body).ok();
        let said = |answer: &Option<Answer>| {
            let error = answer.as_ref().and_then(|answer| answer.error.clone());
            short(&error.unwrap_or_default())
        };
        match (answer.status, read) {
            (
                200,
                Some(Answer {
                    results,
                    error: None,
                }),
            ) => Ok(results
                .into_iter()
                .map(|result| match result.error {
                    Some(error) => Err(short(&error)),
                    None => Ok(result
                        .series
                        .into_iter()
                        .flat_map(|series| series.values)
                        .collect()),
                })
                .collect()),
            // The database engine knows a refused login by this SQLSTATE, whatever the database: it then looks whether an
            // interrupted rotation has left another password.
            (401, read) => Err(Error::invalid(format!(
                "the server refuses the login: {} (28P01)",
                said(&read)
            ))),
            (400..=499, read @ Some(_)) => Err(Error::invalid(format!(
                "the server refuses: {}",
                said(&read)
            ))),
            (status, read) => Err(Error::unavailable(format!(
                "the server answers with status {status}: {}",
                said(&read)
            ))),
        }
    }

    /// Asks, and wants every statement to have been done.
    ///
    /// # Errors
    /// With the first one that was not.
    pub fn done(&self, question: &str) -> Result<Vec<Vec<Value>>> {
        let outcomes = self.ask(question)?.into_iter();
        let all: std::result::Result<Vec<_>, String> = outcomes.collect();
        let rows = all.map_err(|error| Error::invalid(format!("the server refuses: {error}")))?;
        Ok(rows.into_iter().flatten().collect())
    }
}

/// One line of bounded length.
fn short(message: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().take(MESSAGE).map(plain).collect()
}

/// A text as InfluxQL has it between either kind of quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\'' | '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_where_they_should() {
        assert_eq!(quoted(r#"a'b"c\d"#), r#"a\'b\"c\\d"#);
        assert_eq!(quoted("a\nb"), "a\\nb");
    }

    #[test]
    fn one_line_of_bounded_length() {
        let long = short(&format!("a\r\n{}", "x".repeat(10_000)));
        assert!(long.chars().count() == MESSAGE && !long.contains(char::is_control));
    }
}
