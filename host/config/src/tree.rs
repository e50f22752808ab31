//! A configuration file as a tree in which everything knows its place, from HCL or from JSON.
//!
//! Both say the same: HCL's `listener "tcp" { ... }` is JSON's `{"listener": {"tcp": { ... }}}`, and a block that is there
//! several times is a list.

use std::collections::BTreeMap;

use coffer_core::plain_hcl;
use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Body, Structure};
use serde_json::value::RawValue;

use crate::limits;

const NOT_PLAIN: &str =
    "expected a plain value: text in quotes, a number, true, false, a list or a block";

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Something at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What is there.
    pub value: Value,
}

/// What can stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// In quotes.
    Text(String),
    /// Not negative, and whole.
    Number(u64),
    /// true or false.
    Bool(bool),
    /// In brackets.
    List(Vec<Node>),
    /// A block's or an object's settings, in order.
    Block(Vec<(String, Node)>),
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    /// Something wrong at a place.
    pub fn new(place: Place, reason: impl Into<String>) -> Self {
        Self {
            place,
            reason: reason.into(),
        }
    }
}

type Settings = Vec<(String, Node)>;

/// Reads a file's text.
///
/// # Errors
/// If it is neither HCL nor JSON, or has more in it than plain values.
pub fn read(text: &str) -> Result<Settings, Fault> {
    if text.trim_start().starts_with('{') {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Fault::new(Place { line, column }, format!("not JSON: {error}"))
        })?;
        let node = json(text, raw, 0)?;
        return match node.value {
            Value::Block(settings) => Ok(settings),
            _ => Err(Fault::new(node.place, "expected an object")),
        };
    }
    plain_hcl(text).map_err(|error| Fault::new(place_at(text, error.at), NOT_PLAIN))?;
    let body = hcl_edit::parser::parse_body(text).map_err(|error| {
        let (line, column) = (error.location().line(), error.location().column());
        Fault::new(
            Place { line, column },
            format!("not HCL: {}", error.message()),
        )
    })?;
    settings(text, &body)
}

fn place_at(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Place {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}

fn settings(text: &str, body: &Body) -> Result<Settings, Fault> {
    body.iter()
        .map(|structure| match structure {
            Structure::Attribute(attribute) => {
                let place = place_at(text, attribute.key.span().unwrap_or_default().start);
                Ok((
                    attribute.key.to_string(),
                    expression(text, place, &attribute.value)?,
                ))
            }
            Structure::Block(block) => {
                let place = place_at(text, block.ident.span().unwrap_or_default().start);
                let mut node = Node {
                    place,
                    value: Value::Block(settings(text, &block.body)?),
                };
                for label in block.labels.iter().rev() {
                    node = Node {
                        place,
                        value: Value::Block(vec![(label.as_str().to_owned(), node)]),
                    };
                }
                Ok((block.ident.to_string(), node))
            }
        })
        .collect()
}

fn expression(text: &str, place: Place, expression: &Expression) -> Result<Node, Fault> {
    let place = expression
        .span()
        .map_or(place, |span| place_at(text, span.start));
    let nested = |inner: &Expression| self::expression(text, place, inner);
    let value = match expression {
        Expression::String(string) => Value::Text(string.to_string()),
        Expression::Bool(yes) => Value::Bool(*yes.value()),
        Expression::Number(number) => {
            let number = number
                .as_u64()
                .ok_or_else(|| Fault::new(place, "expected a whole number that is not negative"))?;
            Value::Number(number)
        }
        Expression::Array(list) => Value::List(list.iter().map(nested).collect::<Result<_, _>>()?),
        Expression::Object(object) => {
            let field = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                let name = match key {
                    ObjectKey::Ident(ident) => ident.to_string(),
                    ObjectKey::Expression(key) => key
                        .as_str()
                        .map(str::to_owned)
                        .ok_or_else(|| Fault::new(place, "a key must be a name or a text"))?,
                };
                Ok((name, nested(value.expr())?))
            };
            Value::Block(object.iter().map(field).collect::<Result<_, _>>()?)
        }
        _ => {
            return Err(Fault::new(place, NOT_PLAIN));
        }
    };
    Ok(Node { place, value })
}

fn json(text: &str, raw: &RawValue, depth: usize) -> Result<Node, Fault> {
    // A raw value is a slice of the text: where it begins tells its place.
    let place = place_at(
        text,
        (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize),
    );
    let wrong = |error: serde_json::Error| Fault::new(place, error.to_string());
    if depth > limits::NESTING {
        return Err(Fault::new(place, "nested too deeply"));
    }
    let value =
        match raw.get().as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, &RawValue> =
                    serde_json::from_str(raw.get()).map_err(wrong)?;
                let fields = fields
                    .into_iter()
                    .map(|(key, value)| Ok((key, json(text, value, depth + 1)?)));
                Value::Block(fields.collect::<Result<_, _>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
                Value::List(
                    items
                        .into_iter()
                        .map(|item| json(text, item, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Value::Text(serde_json::from_str(raw.get()).map_err(wrong)?),
            Some(b't' | b'f') => Value::Bool(serde_json::from_str(raw.get()).map_err(wrong)?),
            Some(b'n') => return Err(Fault::new(place, "null is no setting's value")),
            _ => {
                let number = serde_json::from_str(raw.get());
                Value::Number(number.map_err(|_| {
                    Fault::new(place, "expected a whole number that is not negative")
                })?)
            }
        };
    Ok(Node { place, value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn everything_knows_its_place() {
        let hcl = "# comment\na = \"x\"\n\nb \"label\" {\n  c = [1,\n   true]\n}\n";
        let node = |line, column, value| Node {
            place: Place { line, column },
            value,
        };
        assert_eq!(
            read(hcl).unwrap(),
            [
                ("a".to_owned(), node(2, 5, Value::Text("x".to_owned()))),
                (
                    "b".to_owned(),
                    node(
                        4,
                        1,
                        Value::Block(vec![(
                            "label".to_owned(),
                            node(
                                4,
                                1,
                                Value::Block(vec![(
                                    "c".to_owned(),
                                    node(
                                        5,
                                        7,
                                        Value::List(vec![
                                            node(5, 8, Value::Number(1)),
                                            node(6, 4, Value::Bool(true))
                                        ])
                                    )
                                )])
                            )
                        )])
                    )
                ),
            ]
        );
        let json = "\n{\"a\": \"x\",\n\"b\": {\"label\":\n {\"c\": [1,\n true]}}}";
        let places: Vec<String> = read(json)
            .unwrap()
            .iter()
            .map(|(_, node)| node.place.to_string())
            .collect();
        assert_eq!(places, ["2:7", "3:6"]);
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep).unwrap_err().reason, "nested too deeply");
        let deep = "a = [\"]\", ".to_owned() + &"[\"]\", ".repeat(100_000);
        let refused = read(&deep).unwrap_err();
        assert!(refused.reason.contains("nesting depth"), "{refused:?}");
    }
}
