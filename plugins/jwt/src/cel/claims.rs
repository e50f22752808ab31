//! Claims as a program sees them.

use std::collections::HashMap;

use cel::Value as Cel;
use serde_json::Value;

/// Numbers are doubles, whole ones too: JSON has no others.
pub(super) fn value(claim: &Value) -> Cel {
    match claim {
        Value::Null => Cel::Null,
        Value::Bool(is) => Cel::Bool(*is),
        Value::Number(number) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Cel::String(text.clone().into()),
        Value::Array(items) => Cel::List(items.iter().map(value).collect::<Vec<_>>().into()),
        Value::Object(object) => map(object),
    }
}

pub(super) fn map(object: &serde_json::Map<String, Value>) -> Cel {
    let entries = object
        .iter()
        .map(|(name, claim)| (name.clone(), value(claim)));
    Cel::from(entries.collect::<HashMap<_, _>>())
}
