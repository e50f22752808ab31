//! A configuration file as a tree in which everything knows its line, from HCL or from JSON.
//!
//! Both say the same: HCL's `listener "tcp" { ... }` is JSON's `{"listener": {"tcp": { ... }}}`, and a block that is there
//! several times is a list.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Body, Structure};
use serde_json::value::RawValue;

use crate::limits;

/// Something at a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// From 1.
    pub line: usize,
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

/// What is wrong, and at which line.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    /// Something wrong at a line.
    pub fn new(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line,
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
        let raw: &RawValue = serde_json::from_str(text)
            .map_err(|error| Fault::new(error.line(), format!("not JSON: {error}")))?;
        return match json(text, raw, 0)?.value {
            Value::Block(settings) => Ok(settings),
            _ => Err(Fault::new(1, "expected an object")),
        };
    }
    let body = hcl_edit::parser::parse_body(text).map_err(|error| {
        let line = error.location().line();
        Fault::new(
            line,
            format!(
                "not HCL: {} at column {}",
                error.message(),
                error.location().column()
            ),
        )
    })?;
    settings(text, &body)
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

fn settings(text: &str, body: &Body) -> Result<Settings, Fault> {
    body.iter()
        .map(|structure| match structure {
            Structure::Attribute(attribute) => {
                let line = line_at(text, attribute.key.span().unwrap_or_default().start);
                Ok((
                    attribute.key.to_string(),
                    expression(text, line, &attribute.value)?,
                ))
            }
            Structure::Block(block) => {
                let line = line_at(text, block.ident.span().unwrap_or_default().start);
                let mut node = Node {
                    line,
                    value: Value::Block(settings(text, &block.body)?),
                };
                for label in block.labels.iter().rev() {
                    node = Node {
                        line,
                        value: Value::Block(vec![(label.as_str().to_owned(), node)]),
                    };
                }
                Ok((block.ident.to_string(), node))
            }
        })
        .collect()
}

fn expression(text: &str, line: usize, expression: &Expression) -> Result<Node, Fault> {
    let line = expression
        .span()
        .map_or(line, |span| line_at(text, span.start));
    let nested = |inner: &Expression| self::expression(text, line, inner);
    let value = match expression {
        Expression::String(string) => Value::Text(string.to_string()),
        Expression::Bool(yes) => Value::Bool(*yes.value()),
        Expression::Number(number) => {
            let number = number
                .as_u64()
                .ok_or_else(|| Fault::new(line, "expected a whole number that is not negative"))?;
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
                        .ok_or_else(|| Fault::new(line, "a key must be a name or a text"))?,
                };
                Ok((name, nested(value.expr())?))
            };
            Value::Block(object.iter().map(field).collect::<Result<_, _>>()?)
        }
        _ => {
            return Err(Fault::new(
                line,
                "expected a plain value: text in quotes, a number, true, false, a list or a block",
            ));
        }
    };
    Ok(Node { line, value })
}

fn json(text: &str, raw: &RawValue, depth: usize) -> Result<Node, Fault> {
    // A raw value is a slice of the text: where it begins tells its line.
    let line = line_at(
        text,
        (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize),
    );
    let wrong = |error: serde_json::Error| Fault::new(line, error.to_string());
    if depth > limits::CONFIG_NESTING {
        return Err(Fault::new(line, "nested too deeply"));
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
            Some(b'n') => return Err(Fault::new(line, "null is no setting's value")),
            _ => {
                let number = serde_json::from_str(raw.get());
                Value::Number(number.map_err(|_| {
                    Fault::new(line, "expected a whole number that is not negative")
                })?)
            }
        };
    Ok(Node { line, value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn everything_knows_its_line() {
        let hcl = "# comment\na = \"x\"\n\nb \"label\" {\n  c = [1,\n   true]\n}\n";
        let node = |line, value| Node { line, value };
        assert_eq!(
            read(hcl).unwrap(),
            [
                ("a".to_owned(), node(2, Value::Text("x".to_owned()))),
                (
                    "b".to_owned(),
                    node(
                        4,
                        Value::Block(vec![(
                            "label".to_owned(),
                            node(
                                4,
                                Value::Block(vec![(
                                    "c".to_owned(),
                                    node(
                                        5,
                                        Value::List(vec![
                                            node(5, Value::Number(1)),
                                            node(6, Value::Bool(true))
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
        let lines: Vec<usize> = read(json)
            .unwrap()
            .iter()
            .map(|(_, node)| node.line)
            .collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep).unwrap_err().reason, "nested too deeply");
    }
}
