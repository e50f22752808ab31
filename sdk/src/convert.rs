//! What a parameter becomes of the JSON that stands for it. As weakly typed as Vault: people send numbers as text, and
//! command lines know nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Error, Seconds};
use coffer_duration::{in_bounds, parse_duration};

/// What a parameter's value can be converted to.
pub trait FromValue: Sized + Default {
    /// What is expected, in words.
    const EXPECTED: &'static str;
    /// None if it does not fit.
    fn from_value(value: Value) -> Option<Self>;
    /// What null stands for: the empty value. None: the same as a parameter that is not given.
    fn null() -> Option<Self> {
        Some(Self::default())
    }
}

/// Converts a parameter's value. The error does not quote it: it may be a secret in the wrong place.
pub(crate) fn convert<T: FromValue>(name: &str, value: Value) -> Result<T, Error> {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    T::from_value(value).ok_or_else(|| {
        Error::invalid(format!(
            "error converting input for field {name:?}: expected {}, got {got}",
            T::EXPECTED
        ))
    })
}

impl FromValue for String {
    const EXPECTED: &'static str = "a string";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => None,
        }
    }
}

impl FromValue for i64 {
    const EXPECTED: &'static str = "a whole number";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64(),
            Value::Bool(b) => Some(b.into()),
            Value::String(text) if text.is_empty() => Some(0),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(b),
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
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => in_bounds(number.as_u64()?),
            Value::String(text) => parse_duration(&text),
            _ => None,
        }
        .map(Self)
    }
    fn null() -> Option<Self> {
        None
    }
}

impl FromValue for Vec<String> {
    const EXPECTED: &'static str = "a list of strings";
    fn from_value(value: Value) -> Option<Self> {
        let all: Self = match value {
            Value::Array(items) => items
                .into_iter()
                .map(String::from_value)
                .collect::<Option<_>>()?,
            Value::Number(_) | Value::String(_) => String::from_value(value)?
                .split(',')
                .map(|part| part.trim().to_owned())
                .collect(),
            _ => return None,
        };
        Some(all.into_iter().filter(|text| !text.is_empty()).collect())
    }
}

impl FromValue for Vec<Value> {
    const EXPECTED: &'static str = "a list";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }
}

fn pair(item: Value) -> Option<(String, String)> {
    let text = item.as_str()?;
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
    Some((name.to_owned(), value.to_owned()))
}

impl FromValue for BTreeMap<String, String> {
    const EXPECTED: &'static str = "an object of strings, or a list of \"name=value\"";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => map
                .into_iter()
                .map(|(name, value)| Some((name, String::from_value(value)?)))
                .collect(),
            Value::Array(items) => items.into_iter().map(pair).collect(),
            Value::String(text) if text.is_empty() => Some(Self::new()),
            Value::String(_) => pair(value).map(|pair| [pair].into()),
            _ => None,
        }
    }
}

impl FromValue for Map<String, Value> {
    const EXPECTED: &'static str = "an object";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(map),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Debug;

    use super::*;
    use serde_json::json;

    /// Each row: what is sent, and what it becomes; None if it is refused.
    fn check<T: FromValue + PartialEq + Debug>(table: &[(Value, Option<T>)]) {
        for (sent, expected) in table {
            assert_eq!(
                T::from_value(sent.clone()).as_ref(),
                expected.as_ref(),
                "{sent}"
            );
        }
    }

    #[test]
    fn numbers_booleans_and_text() {
        check(&[
            (json!(7), Some(7_i64)),
            (json!("7"), Some(7)),
            (json!(" -7 "), Some(-7)),
            (json!(""), Some(0)),
            (json!(true), Some(1)),
            (json!(1.5), None),
            (json!("x"), None),
            (json!([1]), None),
            (json!(u64::MAX), None),
        ]);
        check(&[
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("T"), Some(true)),
            (json!(1), Some(true)),
            (json!("0"), Some(false)),
            (json!(""), Some(false)),
            (json!("yes"), None),
            (json!([]), None),
        ]);
        check(&[
            (json!("a"), Some("a".to_owned())),
            (json!(5), Some("5".to_owned())),
            (json!(true), Some("true".to_owned())),
            (json!(["a"]), None),
            (json!({}), None),
        ]);
    }

    #[test]
    fn durations() {
        check(&[
            (json!(90), Some(Seconds(90))),
            (json!("1h30m"), Some(Seconds(5400))),
            (json!("7d"), Some(Seconds(604_800))),
            (json!(""), Some(Seconds(0))),
            (json!(-1), None),
            (json!("-1s"), None),
            (json!(1.5), None),
            (json!(u64::MAX), None),
            (json!("soon"), None),
            (json!(true), None),
        ]);
    }

    #[test]
    fn lists_and_maps() {
        let list = |items: &[&str]| {
            Some(
                items
                    .iter()
                    .map(|item| (*item).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        check(&[
            (json!("a, b,,c"), list(&["a", "b", "c"])),
            (json!(""), list(&[])),
            (json!(["a", 1, ""]), list(&["a", "1"])),
            (json!(5), list(&["5"])),
            (json!([{}]), None),
            (json!({}), None),
        ]);
        let map = |items: &[(&str, &str)]| {
            Some(
                items
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect::<BTreeMap<_, _>>(),
            )
        };
        check(&[
            (json!({"a": "b", "n": 1}), map(&[("a", "b"), ("n", "1")])),
            (json!(["a=b=c", "d="]), map(&[("a", "b=c"), ("d", "")])),
            (json!("a=b"), map(&[("a", "b")])),
            (json!(""), map(&[])),
            (json!({"a": {}}), None),
            (json!(["a"]), None),
            (json!(["=a"]), None),
            (json!("a"), None),
        ]);
    }

    #[test]
    fn an_error_names_the_field_and_no_value() {
        let error = convert::<i64>("max_versions", json!("hunter2")).unwrap_err();
        assert_eq!(
            error.message,
            "error converting input for field \"max_versions\": expected a whole number, got a string"
        );
    }
}
