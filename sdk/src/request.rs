use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::field::{self, FromValue};
use crate::{Error, Field, Operation, Result};

pub use contract::Caller;

/// A request to one of the plugin's paths.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// The path below the mount.
    pub path: String,
    /// Who asks.
    pub caller: Caller,
    data: Map<String, Value>,
}

impl Request {
    pub(crate) fn new(request: contract::Request) -> Result<Self> {
        let data = serde_json::from_str(&request.data)
            .map_err(|error| Error::invalid(format!("failed to parse JSON input: {error}")))?;
        Ok(Self { operation: request.operation, path: request.path, caller: request.caller, data })
    }

    pub(crate) fn capture(&mut self, captures: Vec<(&'static str, String)>) {
        self.data.extend(captures.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))));
    }

    /// A parameter, from the path or the body; None if it was not given.
    ///
    /// # Errors
    /// Invalid, if it is of another type.
    pub fn get<T: FromValue>(&self, field: Field<T>) -> Result<Option<T>> {
        field::get(&self.data, field.name())
    }

    /// A parameter that must be given, and not be empty.
    ///
    /// # Errors
    /// Invalid, if it is missing or of another type.
    pub fn require<T: FromValue>(&self, field: Field<T>) -> Result<T> {
        let missing = || Error::invalid(format!("missing {}", field.name()));
        let empty = matches!(self.data.get(field.name()), Some(Value::String(text)) if text.is_empty());
        if empty { Err(missing()) } else { self.get(field)?.ok_or_else(missing) }
    }

    /// Whether a parameter was given.
    pub fn has<T>(&self, field: Field<T>) -> bool {
        self.data.get(field.name()).is_some_and(|value| !value.is_null())
    }

    /// All parameters, as they came.
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
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
        Self { id: lease.lease_id, path: lease.path, issued: lease.issued, expires: lease.expires, internal: lease.internal }
    }

    /// For tests: a lease with this internal data.
    pub fn of(path: &str, internal: &Value, issued: u64, expires: u64) -> Self {
        Self { id: String::new(), path: path.to_owned(), issued, expires, internal: internal.to_string() }
    }

    /// What the plugin gave it along.
    ///
    /// # Errors
    /// Internal, if it is something else.
    pub fn internal<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.internal)?)
    }
}
