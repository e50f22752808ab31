use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::convert::{FromValue, convert};
use crate::{Error, Field, Operation, Result};

pub use contract::Caller;

/// A request to one of the plugin's paths.
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// The path below the mount.
    pub path: String,
    /// Who asks.
    pub caller: Caller,
    captures: Vec<(&'static str, String)>,
    body: BTreeMap<String, Box<RawValue>>,
}

/// Without what was sent: there may be secrets in it.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::invalid(format!("failed to parse JSON input: {error}"))
}

impl Request {
    pub(crate) fn new(
        request: contract::Request,
        captures: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let contract::Request {
            operation,
            path,
            data,
            caller,
        } = request;
        let body = serde_json::from_str(&data).map_err(unreadable)?;
        Ok(Self {
            operation,
            path,
            caller,
            captures,
            body,
        })
    }

    /// A parameter, from the path or the body; None if it was not given. Null is given, and means empty: see
    /// [`FromValue::null`].
    ///
    /// # Errors
    /// Invalid, if it is of another type.
    pub fn get<T: FromValue>(&self, field: Field<T>) -> Result<Option<T>> {
        let name = field.name();
        let value = match (self.captured(name), self.body.get(name)) {
            (Some(text), _) => Value::String(text.to_owned()),
            (None, Some(raw)) => serde_json::from_str(raw.get()).map_err(unreadable)?,
            (None, None) => return Ok(None),
        };
        if value.is_null() {
            Ok(T::null())
        } else {
            convert(name, value).map(Some)
        }
    }

    /// A parameter that must be given, and not be empty.
    ///
    /// # Errors
    /// Invalid, if it is missing or of another type.
    pub fn require<T: FromValue>(&self, field: Field<T>) -> Result<T> {
        let name = field.name();
        let empty = match self.captured(name) {
            Some(text) => text.is_empty(),
            None => (self.body.get(name)).is_some_and(|raw| matches!(raw.get(), "\"\"" | "null")),
        };
        let given = if empty { None } else { self.get(field)? };
        given.ok_or_else(|| Error::invalid(format!("missing {name}")))
    }

    /// Whether a parameter was given, and is not null.
    pub fn has<T>(&self, field: Field<T>) -> bool {
        let in_body = || {
            self.body
                .get(field.name())
                .is_some_and(|raw| raw.get() != "null")
        };
        self.captured(field.name()).is_some() || in_body()
    }

    /// Whether a parameter was given as null.
    pub fn is_null<T>(&self, field: Field<T>) -> bool {
        self.body.contains_key(field.name()) && !self.has(field)
    }

    /// What the path has in the place of `{name}`.
    pub(crate) fn captured(&self, name: &str) -> Option<&str> {
        self.captures
            .iter()
            .find(|(have, _)| *have == name)
            .map(|(_, text)| text.as_str())
    }

    /// The body's parameters as they came, each with its JSON text: numbers keep every digit.
    pub fn body(&self) -> &BTreeMap<String, Box<RawValue>> {
        &self.body
    }

    /// All parameters, those in the path included. Numbers lose the digits that 64 bits have no room for.
    ///
    /// # Errors
    /// Invalid, if something has no value: `1e400`, or half a character.
    pub fn data(&self) -> Result<Map<String, Value>> {
        let body = self.body.iter().map(|(name, raw)| {
            let value = serde_json::from_str(raw.get()).map_err(unreadable)?;
            Ok((name.clone(), value))
        });
        let captures = self
            .captures
            .iter()
            .map(|(name, text)| Ok(((*name).to_owned(), Value::String(text.clone()))));
        body.chain(captures).collect()
    }
}

/// A lease, or a token of this auth method, as it stands.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Its id.
    pub id: String,
    /// The path of the request that made it, below the mount.
    pub path: String,
    /// Milliseconds since the Unix epoch.
    pub issued: u64,
    /// Milliseconds since the Unix epoch.
    pub expires: u64,
    internal: String,
}

impl Lease {
    pub(crate) fn new(lease: contract::Lease) -> Self {
        Self {
            id: lease.lease_id,
            path: lease.path,
            issued: lease.issued,
            expires: lease.expires,
            internal: lease.internal,
        }
    }

    /// For tests: a lease with this internal data.
    pub fn of(path: &str, internal: &Value, issued: u64, expires: u64) -> Self {
        Self {
            id: String::new(),
            path: path.to_owned(),
            issued,
            expires,
            internal: internal.to_string(),
        }
    }

    /// What the plugin gave it along.
    ///
    /// # Errors
    /// Internal, if it is something else.
    pub fn internal<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.internal)?)
    }
}
