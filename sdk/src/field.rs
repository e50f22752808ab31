use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Map, Value};

pub use crate::bindings::plugin::exports::coffer::plugin::engine::FieldType;
use crate::{Error, Result};

/// A number of seconds; on the wire a number, or text such as `90`, `1h30m` or `7d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

/// A parameter: its name and help, and the type that handlers get it as.
pub struct Field<T> {
    decl: Decl,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

/// A parameter, as a path declares it.
#[derive(Clone, Copy, Debug)]
pub struct Decl {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: FieldType,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
    pub(crate) default: &'static str,
}

impl Decl {
    /// The parameter's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Field<T> {
    const fn new(name: &'static str, help: &'static str, kind: FieldType) -> Self {
        let decl = Decl { name, help, kind, required: false, deprecated: false, default: "" };
        Self { decl, kind: PhantomData }
    }

    /// For the list of a path's fields.
    pub const fn decl(self) -> Decl {
        self.decl
    }

    /// The parameter's name.
    pub const fn name(self) -> &'static str {
        self.decl.name
    }

    /// Says in the help that it must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.decl.required = true;
        self
    }

    /// Says in the help that it should not be used any more.
    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.decl.deprecated = true;
        self
    }

    /// Says in the help what is taken if it is not given, as JSON.
    #[must_use]
    pub const fn default_json(mut self, default: &'static str) -> Self {
        self.decl.default = default;
        self
    }
}

impl Field<String> {
    /// Text.
    pub const fn text(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Text)
    }
}

impl Field<i64> {
    /// A whole number.
    pub const fn integer(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Integer)
    }
}

impl Field<bool> {
    /// True or false.
    pub const fn boolean(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Boolean)
    }
}

impl Field<Seconds> {
    /// A duration.
    pub const fn duration(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Duration)
    }
}

impl Field<Vec<String>> {
    /// A list of texts; on the wire also one text separated by commas.
    pub const fn text_list(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::TextList)
    }
}

impl Field<BTreeMap<String, String>> {
    /// An object of texts.
    pub const fn text_map(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::TextMap)
    }
}

impl Field<Map<String, Value>> {
    /// Any JSON object.
    pub const fn object(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Object)
    }
}

/// What a field's value can be converted to.
pub trait FromValue: Sized {
    /// What is expected, in words.
    const EXPECTED: &'static str;
    /// None if it does not fit.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for String {
    const EXPECTED: &'static str = "a string";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => None,
        }
    }
}

impl FromValue for i64 {
    const EXPECTED: &'static str = "a whole number";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) if text.is_empty() => Some(0),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "a boolean";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(*b),
            Value::Number(number) => Some(number.as_i64()? != 0),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Some(true),
                "false" | "f" | "0" | "" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }
}

impl FromValue for Seconds {
    const EXPECTED: &'static str = "a duration that is not negative";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self),
            Value::String(text) => parse_duration(text).map(Self),
            _ => None,
        }
    }
}

impl FromValue for Vec<String> {
    const EXPECTED: &'static str = "a list of strings";
    fn from_value(value: &Value) -> Option<Self> {
        let all: Self = match value {
            Value::String(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Value::Array(items) => items.iter().map(String::from_value).collect::<Option<_>>()?,
            _ => return None,
        };
        Some(all.into_iter().filter(|text| !text.is_empty()).collect())
    }
}

impl FromValue for BTreeMap<String, String> {
    const EXPECTED: &'static str = "an object of strings";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Object(map) => map.iter().map(|(k, v)| Some((k.clone(), String::from_value(v)?))).collect(),
            Value::Array(items) => {
                items.iter().map(|item| item.as_str()?.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect()
            }
            Value::String(text) if text.is_empty() => Some(Self::new()),
            _ => None,
        }
    }
}

impl FromValue for Map<String, Value> {
    const EXPECTED: &'static str = "an object";
    fn from_value(value: &Value) -> Option<Self> {
        value.as_object().cloned()
    }
}

/// A field's value; None where it is absent or null.
pub(crate) fn get<T: FromValue>(data: &Map<String, Value>, name: &str) -> Result<Option<T>> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::from_value(value).map(Some).ok_or_else(|| {
            Error::invalid(format!("error converting input for field {name:?}: expected {}", T::EXPECTED))
        }),
    }
}

/// Seconds, from text such as `90`, `1h30m` or `7d`; None if this is no duration.
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    text.parse().ok().or_else(|| humantime::parse_duration(text).ok().map(|duration| duration.as_secs()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn conversions() {
        let data = json!({"i": "7", "b": 1, "d": "1h30m", "l": "a, b,", "l2": [1, "x"], "m": ["k=v=w"], "n": null, "bad": [{}]});
        let data = data.as_object().unwrap();
        assert_eq!(get::<i64>(data, "i").unwrap(), Some(7));
        assert_eq!(get::<bool>(data, "b").unwrap(), Some(true));
        assert_eq!(get::<Seconds>(data, "d").unwrap(), Some(Seconds(5400)));
        assert_eq!(get::<Vec<String>>(data, "l").unwrap().unwrap(), ["a", "b"]);
        assert_eq!(get::<Vec<String>>(data, "l2").unwrap().unwrap(), ["1", "x"]);
        assert_eq!(get::<BTreeMap<String, String>>(data, "m").unwrap().unwrap().get("k").unwrap(), "v=w");
        assert_eq!(get::<String>(data, "n").unwrap(), None);
        for name in ["bad", "l"] {
            assert!(get::<i64>(data, name).unwrap_err().message.contains(&format!("field {name:?}")));
        }
        assert!(get::<Seconds>(json!({"d": -1}).as_object().unwrap(), "d").is_err());
    }
}
