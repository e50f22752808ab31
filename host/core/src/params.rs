//! The parameters of a request to one of the host's own paths: the body's fields, the query's, and what the path
//! captured, with the conversions that Vault's clients rely on.

use std::collections::BTreeMap;

use coffer_duration::{in_bounds, parse_duration};
use serde_json::{Map, Value};

use crate::Error;
use crate::request::Request;
use crate::routes::Route;

/// Parameters by name.
#[derive(Debug, Default)]
pub struct Params {
    map: Map<String, Value>,
    /// Where they go, if that declares what it takes.
    route: Option<&'static Route>,
}

impl Params {
    /// Those of a request: a write has them in its body, anything else in its query. As in Vault, the other of the two
    /// says nothing.
    pub fn of(request: &Request) -> Result<Self, Error> {
        if request.method.writes() {
            Self::from_body(&request.body)
        } else {
            Ok(Self::from_query(&request.query))
        }
    }

    /// From a body: an object, or nothing.
    pub fn from_body(body: &[u8]) -> Result<Self, Error> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(map.into()),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) => Err(Error::invalid(
                "failed to parse JSON input: the body must be an object",
            )),
            Err(error) => Err(Error::invalid(format!(
                "failed to parse JSON input: {error}"
            ))),
        }
    }

    /// From a query.
    pub fn from_query(query: &[(String, String)]) -> Self {
        object_of(query).into()
    }

    /// For a route, with what its pattern's names stand for. Returns what to tell the caller: which parameters say nothing.
    pub fn take_to(&mut self, route: &'static Route, captures: &[(&str, &str)]) -> Vec<String> {
        let captured = |name: &str| captures.iter().any(|(have, _)| *have == name);
        let names = |which: &dyn Fn(&str) -> bool| {
            let mut names: Vec<_> = self.map.keys().map(String::as_str).collect();
            names.retain(|name| which(name));
            names.sort_unstable();
            names.join(" ")
        };
        let told = [
            (
                "Endpoint ignored these unrecognized parameters",
                names(&|name| !captured(name) && !route.takes(name)),
            ),
            (
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path",
                names(&|name| captured(name) && route.fields.is_some()),
            ),
        ];
        let told = told.into_iter().filter(|(_, names)| !names.is_empty());
        let told = told
            .map(|(what, names)| format!("{what}: [{names}]"))
            .collect();
        for (name, value) in captures {
            self.set(name, value);
        }
        self.route = Some(route);
        told
    }

    /// What the path captured goes before what the body says.
    pub fn set(&mut self, name: &str, value: &str) {
        self.map
            .insert(name.to_owned(), Value::String(value.to_owned()));
    }

    /// The raw map.
    pub fn map(&self) -> &Map<String, Value> {
        &self.map
    }

    /// The same, for good.
    pub fn into_map(self) -> Map<String, Value> {
        self.map
    }

    fn get(&self, name: &str) -> Option<&Value> {
        debug_assert!(
            self.route.is_none_or(|route| route.takes(name)),
            "{name:?} is no field of {}",
            self.route.map_or("", |route| route.pattern)
        );
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Whether the caller gave it.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text; numbers and booleans are taken as such.
    pub fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(b)) => Ok(Some(b.to_string())),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    /// A text that must be there and not empty.
    pub fn require(&self, name: &str) -> Result<String, Error> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Error::invalid(format!("{name} must be specified")))
    }

    /// A boolean; `"true"`, `"1"` and 1 are accepted.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(Value::Number(n)) if n.as_u64() == Some(0) => Ok(Some(false)),
            Some(Value::Number(n)) if n.as_u64() == Some(1) => Ok(Some(true)),
            Some(Value::String(s)) => match s.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Ok(Some(true)),
                "false" | "f" | "0" | "" => Ok(Some(false)),
                _ => Err(wrong(name, "a boolean")),
            },
            Some(_) => Err(wrong(name, "a boolean")),
        }
    }

    /// A whole number that is not negative.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(n)) => n
                .as_u64()
                .map(Some)
                .ok_or_else(|| wrong(name, "a number that is not negative")),
            Some(Value::String(s)) => s
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| wrong(name, "a number")),
            Some(_) => Err(wrong(name, "a number")),
        }
    }

    /// Seconds, from a number or a text such as `90`, `1h30m` or `7d`.
    pub fn seconds(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(n)) => n
                .as_u64()
                .and_then(in_bounds)
                .map(Some)
                .ok_or_else(|| wrong(name, "a duration that is not negative, in whole seconds")),
            Some(Value::String(s)) => parse_duration(s)
                .map(Some)
                .ok_or_else(|| wrong(name, "a duration")),
            Some(_) => Err(wrong(name, "a duration")),
        }
    }

    /// A list of texts, or one text separated by commas.
    pub fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let texts = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => {
                text.split(',').map(|part| part.trim().to_owned()).collect()
            }
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.trim().to_owned()),
                    Value::Number(number) => Ok(number.to_string()),
                    _ => Err(wrong(name, "a list of strings")),
                })
                .collect::<Result<Vec<_>, _>>()?,
            Some(_) => return Err(wrong(name, "a list of strings")),
        };
        Ok(Some(
            texts.into_iter().filter(|text| !text.is_empty()).collect(),
        ))
    }

    /// An object whose values are texts; or a list of `key=value`, or one text of them separated by commas.
    pub fn texts(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => map
                .iter()
                .map(|(key, value)| match value {
                    Value::String(text) => Ok((key.clone(), text.clone())),
                    Value::Number(number) => Ok((key.clone(), number.to_string())),
                    Value::Bool(b) => Ok((key.clone(), b.to_string())),
                    _ => Err(wrong(name, "an object of strings")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => self
                .list(name)?
                .unwrap_or_default()
                .iter()
                .map(|pair| pair.split_once('='))
                .map(|pair| Some((pair?.0.trim().to_owned(), pair?.1.trim().to_owned())))
                .collect::<Option<_>>()
                .map(Some)
                .ok_or_else(|| wrong(name, "an object of strings, or key=value")),
        }
    }

    /// Texts, each whole: a list of them, or one. None if nothing was given, be it an empty list.
    pub fn texts_in_list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
            Some(Value::Array(items)) if items.is_empty() => Ok(None),
            None => Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Some)
                .ok_or_else(|| wrong(name, "a list of strings")),
            Some(_) => Err(wrong(name, "a list of strings")),
        }
    }

    /// An object of its own.
    pub fn object(&self, name: &str) -> Result<Option<Self>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map.clone().into())),
            Some(_) => Err(wrong(name, "an object")),
        }
    }
}

impl From<Map<String, Value>> for Params {
    fn from(map: Map<String, Value>) -> Self {
        Self { map, route: None }
    }
}

/// The object that a query or a form stands for; a name that comes more than once is a list.
pub fn object_of(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value.clone());
        match map.get_mut(name) {
            None => {
                map.insert(name.clone(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    map
}

fn wrong(name: &str, expected: &str) -> Error {
    Error::invalid(format!(
        "error converting input for field {name:?}: expected {expected}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn conversions() {
        let body = br#"{"t":5,"b":"true","n":"7","d":"1m","l":"a, b,","m":{"k":1},"p":"x=a, y=b=c","null":null}"#;
        let params = Params::from_body(body).unwrap();
        assert_eq!(params.text("t").unwrap().unwrap(), "5");
        assert_eq!(params.boolean("b").unwrap(), Some(true));
        assert_eq!(params.number("n").unwrap(), Some(7));
        assert_eq!(params.seconds("d").unwrap(), Some(60));
        assert_eq!(params.list("l").unwrap().unwrap(), ["a", "b"]);
        assert_eq!(params.texts("m").unwrap().unwrap()["k"], "1");
        assert_eq!(params.texts("p").unwrap().unwrap()["y"], "b=c");
        assert!(params.texts("l").is_err());
        assert_eq!(params.texts_in_list("l").unwrap().unwrap(), ["a, b,"]);
        assert!(!params.has("null"));
        assert!(
            params.number("b").is_err()
                && params.list("m").is_err()
                && params.boolean("l").is_err()
        );
        for bad in [&b"{"[..], b"[1]", b"3"] {
            assert!(matches!(Params::from_body(bad), Err(Error::Invalid(_))));
        }
    }

    #[test]
    fn a_query_with_lists() {
        let query = [("a", "1"), ("b", "x"), ("a", "2"), ("a", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let params = Params::from_query(&query);
        assert_eq!(params.list("a").unwrap().unwrap(), ["1", "2", "3"]);
        assert_eq!(params.text("b").unwrap().unwrap(), "x");
    }
}
