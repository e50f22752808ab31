//! Rules on what a token claims.

use coffer_jwt::{Claims, glob};
use coffer_sdk::prelude::*;
use serde_json::{Map, Value};

/// A claim by its name, or by a JSON pointer to it (RFC 6901).
pub(crate) fn claim<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if !name.starts_with('/') {
        return claims.get(name);
    }
    let mut tokens = name
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&tokens.next()?)?;
    tokens.try_fold(first, |value, token| match value {
        Value::Object(object) => object.get(&token),
        Value::Array(items) => items.get(token.parse::<usize>().ok()?),
        _ => None,
    })
}

/// One value, or each of a list.
pub(crate) fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// Whether what is claimed is what is wanted. With globs, `*` stands for anything.
fn matches(wanted: &Value, claimed: &Value, globs: bool) -> bool {
    match (wanted, claimed) {
        (Value::String(wanted), Value::String(claimed)) if globs => glob(wanted, claimed),
        (Value::Number(wanted), Value::Number(claimed)) => wanted.as_f64() == claimed.as_f64(),
        (wanted, claimed) => wanted == claimed,
    }
}

/// Whether each of these claims is there, and has one of the values that are wanted of it.
pub(crate) fn check(claims: &Claims, bound: &Map<String, Value>, globs: bool) -> Result<()> {
    let refused = |why: String| Err(Error::invalid(format!("error validating claims: {why}")));
    for (name, wanted) in bound {
        let Some(claimed) = claim(claims, name) else {
            return refused(format!("claim {name:?} is missing"));
        };
        let fits = each(wanted).iter().any(|wanted| {
            each(claimed)
                .iter()
                .any(|claimed| matches(wanted, claimed, globs))
        });
        if !fits {
            return refused(format!(
                "claim {name:?} does not match any associated bound claim values"
            ));
        }
    }
    Ok(())
}

/// A claim as text.
pub(crate) fn text(name: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(Error::invalid(format!(
            "error converting claim '{name}' to string"
        ))),
    }
}
