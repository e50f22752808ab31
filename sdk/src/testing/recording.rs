//! What a plugin asks of HTTP and of the network, written down in a live run and served from the file in every other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Host;
use crate::{Error, Result};

/// What stands in a recording in the place of a secret.
pub const MASK: &str = "[masked]";

/// One call, and its answer.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    call: Value,
    answer: Value,
}

enum Mode {
    Record(Vec<Entry>),
    Replay(VecDeque<Entry>),
}

struct Recording {
    file: PathBuf,
    masked: Vec<String>,
    mode: Mode,
    /// How many calls there were.
    calls: usize,
}

thread_local! {
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

impl Host {
    /// Writes every HTTP request and every use of the network from now on to this file, with its answer, after each: for
    /// [`replay`](Self::replay). To have real ones, [allow](Self::allow) their destination.
    ///
    /// What is sent in a header `authorization` is masked, and so are these texts wherever they stand. Look at the file
    /// before you commit it: what nobody named is in it.
    pub fn record(&self, file: impl AsRef<Path>, secrets: &[&str]) {
        begin(file.as_ref(), secrets, Mode::Record(Vec::new()));
    }

    /// Answers every HTTP request and every use of the network from now on from this file. The same secrets are masked
    /// before a call is compared; where an answer had one, the plugin finds [`MASK`].
    ///
    /// # Panics
    /// If there is no such recording. A call that is not the next one of the recording ends the test, and says how they
    /// differ; so does a host that ends before the recording does.
    #[allow(clippy::panic)]
    pub fn replay(&self, file: impl AsRef<Path>, secrets: &[&str]) {
        let file = file.as_ref();
        let read = std::fs::read_to_string(file).map_err(|error| error.to_string());
        let entries =
            read.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        match entries {
            Ok(entries) => begin(file, secrets, Mode::Replay(entries)),
            Err(error) => panic!("{} is no recording: {error}", file.display()),
        }
    }
}

fn begin(file: &Path, secrets: &[&str], mode: Mode) {
    let masked = secrets.iter().filter(|text| !text.is_empty());
    RECORDING.set(Some(Recording {
        file: file.to_owned(),
        masked: masked.map(|text| (*text).to_owned()).collect(),
        mode,
        calls: 0,
    }));
}

/// Forgets the recording of an earlier host.
pub(super) fn end() {
    RECORDING.try_with(|recording| recording.take()).ok();
}

/// The host has ended: a recording that goes on is a plugin that did less than it did.
#[allow(clippy::panic)]
pub(super) fn finish() {
    let Ok(Some(recording)) = RECORDING.try_with(|recording| recording.take()) else {
        return;
    };
    if let Mode::Replay(left) = &recording.mode
        && let Some(next) = left.front()
        && !std::thread::panicking()
    {
        panic!(
            "{}: the plugin made {} calls, and {} more were recorded; the next was\n{:#}",
            recording.file.display(),
            recording.calls,
            left.len(),
            next.call
        );
    }
}

/// A call to the world outside: as it is, written down, or out of the recording.
pub(super) fn through<A: Serialize, R: Serialize + DeserializeOwned>(
    what: &str,
    call: A,
    live: impl FnOnce() -> Result<R>,
) -> Result<R> {
    // Taken out while the call lasts: what serves it may use the host.
    let Some(mut recording) = RECORDING.take() else {
        return live();
    };
    let call = recording.readable(json!({ what: call }));
    recording.calls += 1;
    let answer = match &mut recording.mode {
        Mode::Record(_) => {
            let answer = live();
            recording.write(call, &answer);
            answer
        }
        Mode::Replay(left) => {
            let next = left.pop_front();
            recording.compare(next.as_ref(), &call);
            let recorded = next.map(|entry| binary(entry.answer)).unwrap_or_default();
            serde_json::from_value(recorded).unwrap_or_else(|error| {
                Err(Error::internal(format!("the recording's answer: {error}")))
            })
        }
    };
    RECORDING.set(Some(recording));
    answer
}

impl Recording {
    #[allow(clippy::panic)]
    fn write<R: Serialize>(&mut self, call: Value, answer: &Result<R>) {
        let answer = self.readable(json!(answer));
        if let Mode::Record(entries) = &mut self.mode {
            entries.push(Entry { call, answer });
            let text = format!("{:#}\n", json!(entries));
            if let Err(error) = std::fs::write(&self.file, text) {
                panic!("cannot write {}: {error}", self.file.display());
            }
        }
    }

    #[allow(clippy::panic)]
    fn compare(&self, recorded: Option<&Entry>, call: &Value) {
        let (file, nth) = (self.file.display(), self.calls);
        match recorded {
            None => panic!("{file} ends before call {nth} of the plugin:\n{call:#}"),
            Some(entry) if entry.call != *call => panic!(
                "{file}: call {nth} of the plugin is another than was recorded (-):\n{}",
                difference(&format!("{:#}", entry.call), &format!("{call:#}"))
            ),
            Some(_) => {}
        }
    }

    /// With texts in the place of bytes where they are text, and without what is secret.
    fn readable(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => match bytes(&items) {
                Some(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => json!({ "text": self.masked(text) }),
                    Err(error) => json!({ "hex": hex::encode(error.into_bytes()) }),
                },
                None if is_secret_header(&items) => json!([items.first(), MASK]),
                None => items.into_iter().map(|item| self.readable(item)).collect(),
            },
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (name, self.readable(value)))
                .collect(),
            Value::String(text) => Value::String(self.masked(text)),
            other => other,
        }
    }

    fn masked(&self, text: String) -> String {
        self.masked
            .iter()
            .fold(text, |text, secret| text.replace(secret, MASK))
    }
}

/// The reverse: bytes where [`Recording::readable`] has put texts.
fn binary(value: Value) -> Value {
    match value {
        Value::Object(fields) => match fields.iter().next() {
            Some((name, Value::String(text))) if fields.len() == 1 && name == "text" => {
                json!(text.as_bytes())
            }
            Some((name, Value::String(text))) if fields.len() == 1 && name == "hex" => {
                json!(hex::decode(text).unwrap_or_default())
            }
            _ => fields
                .into_iter()
                .map(|(name, value)| (name, binary(value)))
                .collect(),
        },
        Value::Array(items) => items.into_iter().map(binary).collect(),
        other => other,
    }
}

/// The contract has no other lists of numbers than bytes.
fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    let byte = |item: &Value| u8::try_from(item.as_u64()?).ok();
    (!items.is_empty())
        .then(|| items.iter().map(byte).collect())
        .flatten()
}

fn is_secret_header(items: &[Value]) -> bool {
    let [Value::String(name), Value::String(_)] = items else {
        return false;
    };
    ["authorization", "proxy-authorization"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Line by line: what both have, what only the recording has, what only the call has.
fn difference(recorded: &str, called: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (recorded.lines().collect(), called.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = (old.iter().rev().zip(new.iter().rev()).take(rest))
        .take_while(|(a, b)| a == b)
        .count();
    let part = |sign: &str, lines: &[&str], from: usize, to: usize| -> String {
        let lines = lines.get(from..to).unwrap_or_default();
        lines
            .iter()
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    [
        part(" ", &old, 0, start),
        part("-", &old, start, old.len() - end),
        part("+", &new, start, new.len() - end),
        part(" ", &old, old.len() - end, old.len()),
    ]
    .concat()
}

#[cfg(test)]
mod tests;
