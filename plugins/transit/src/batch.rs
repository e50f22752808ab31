//! Many inputs in one request: their results come in the same order, each with the reference that came with its input.

use coffer_sdk::keys::Key;
use coffer_sdk::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::policy::Policy;

pub(crate) const BATCH: Field<Vec<Value>> = Field::array(
    "batch_input",
    "Many inputs, each an object of what else stands beside this parameter, with a reference that its result comes with.",
);
pub(crate) const PARTIAL_FAILURE: Field<i64> = Field::integer(
    "partial_failure_response_code",
    "The HTTP status if some inputs of a batch succeed and some fail, instead of 400.",
);

/// The inputs of a batch; None if the request is none.
pub(crate) fn items<T: DeserializeOwned>(request: &Request) -> Result<Option<Vec<T>>> {
    if !request.has(BATCH) {
        return Ok(None);
    }
    let Some(raw) = request.body().get(BATCH.name()) else {
        return Ok(None);
    };
    let items: Vec<T> = serde_json::from_str(raw.get()).map_err(|_| unreadable::<T>(raw))?;
    if items.is_empty() {
        return Err(Error::invalid("missing batch input to process"));
    }
    Ok(Some(items))
}

/// Which input it is that cannot be read. What it says is not quoted: it may be secret.
fn unreadable<T: DeserializeOwned>(raw: &RawValue) -> Error {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let at = items
        .iter()
        .position(|item| serde_json::from_str::<T>(item.get()).is_err());
    Error::invalid(match at {
        Some(at) => format!("failed to parse batch input: [{at}] is no object of the right types"),
        None => "failed to parse batch input: it must be a list".to_owned(),
    })
}

/// What came of one input.
#[derive(Serialize)]
pub(crate) struct Outcome<T> {
    #[serde(flatten)]
    pub result: Option<T>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    pub reference: String,
}

impl<T: Default> Outcome<T> {
    /// The same, where what is missing of a failed input is there, empty.
    pub fn filled(result: Result<T>, reference: Option<String>) -> Self {
        let mut outcome = Self::new(result, reference);
        outcome.result.get_or_insert_default();
        outcome
    }
}

impl<T> Outcome<T> {
    pub fn new(result: Result<T>, reference: Option<String>) -> Self {
        let reference = reference.unwrap_or_default();
        match result {
            Ok(result) => Self {
                result: Some(result),
                error: String::new(),
                reference,
            },
            Err(error) => Self {
                result: None,
                error: error.message,
                reference,
            },
        }
    }
}

#[derive(Serialize)]
struct Results<T> {
    batch_results: Vec<Outcome<T>>,
}

/// The answer to a batch of which every input was tried.
pub(crate) fn results<T: Serialize>(
    outcomes: impl Iterator<Item = Outcome<T>>,
) -> Result<Response> {
    answer(outcomes.collect())
}

fn answer<T: Serialize>(batch_results: Vec<Outcome<T>>) -> Result<Response> {
    Response::json(&Results { batch_results })
}

/// The same where an input that fails makes the request one that fails, or what the client calls it.
pub(crate) fn judged<T: Serialize>(
    request: &Request,
    outcomes: impl Iterator<Item = Outcome<T>>,
) -> Result<Response> {
    const BAD_REQUEST: u16 = 400;
    let outcomes: Vec<_> = outcomes.collect();
    let failed = outcomes.iter().filter(|one| !one.error.is_empty()).count();
    let all = outcomes.len();
    let response = answer(outcomes)?;
    if failed == 0 {
        return Ok(response);
    }
    let asked = request.get(PARTIAL_FAILURE)?.filter(|_| failed < all);
    let Some(asked) = asked else {
        return Ok(response.status(BAD_REQUEST));
    };
    match u16::try_from(asked) {
        Ok(status) if (100..600).contains(&status) => Ok(response.status(status)),
        _ => Ok(response.status(BAD_REQUEST).warning(
            "invalid HTTP response code override from partial_failure_response_code, reverting to 400",
        )),
    }
}

/// Text, or nothing where the client says null.
pub(crate) type Text = Option<String>;

/// A version of a key, 0 being the latest; a number, or its text.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(from = "Option<Number>")]
pub(crate) struct Asked(pub i64);

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl From<Option<Number>> for Asked {
    fn from(number: Option<Number>) -> Self {
        Self(match number {
            None => 0,
            Some(Number::Number(number)) => number,
            Some(Number::Text(text)) if text.is_empty() => 0,
            // No version at all.
            Some(Number::Text(text)) => text.parse().unwrap_or(-1),
        })
    }
}

/// The versions of a key that a request has to do with, each opened once.
pub(crate) struct Opened<'p> {
    policy: &'p Policy,
    open: fn(&Policy, u32) -> Result<Key>,
    keys: Vec<(u32, Key)>,
}

impl<'p> Opened<'p> {
    pub fn of(policy: &'p Policy, open: fn(&Policy, u32) -> Result<Key>) -> Self {
        Self {
            policy,
            open,
            keys: Vec::new(),
        }
    }

    pub fn version(&mut self, version: u32) -> Result<&Key> {
        let at = match self.keys.iter().position(|(have, _)| *have == version) {
            Some(at) => at,
            None => {
                let key = (self.open)(self.policy, version)?;
                self.keys.push((version, key));
                self.keys.len() - 1
            }
        };
        self.keys
            .get(at)
            .map(|(_, key)| key)
            .ok_or_else(|| Error::internal("a key was opened and is not there"))
    }
}
