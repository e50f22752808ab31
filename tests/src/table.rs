//! Tables of requests and what must come of them.

use serde_json::Value;

use crate::Client;

/// One request, and what must come of it.
#[derive(Debug)]
pub struct Row {
    /// The method and, below `/v1/`, the path: `POST secret/data/a`.
    pub request: String,
    /// Null for none.
    pub body: Value,
    /// The HTTP status.
    pub status: u16,
    /// What the answer's body must [include](includes); null if there must be none.
    pub expected: Value,
}

/// Sends each row of a table in order, and panics with every row that went otherwise:
///
/// ```ignore
/// check! { client;
///     "GET kv/data/{name}" => 404, {"errors": []};
///     "POST kv/data/{name}", {"data": {"x": 1}} => 200, {"data": {"version": 1}};
///     "DELETE kv/data/{name}" => 204;
/// }
/// ```
///
/// Bodies are JSON, or an expression in parentheses.
#[macro_export]
macro_rules! check {
    ($client:expr; $($request:literal $(, $body:tt)? => $status:literal $(, $expected:tt)?;)*) => {
        $crate::table::check(&$client, &[$($crate::table::Row {
            request: format!($request),
            body: $crate::check!(@ $($body)?),
            status: $status,
            expected: $crate::check!(@ $($expected)?),
        }),*])
    };
    (@) => { ::serde_json::Value::Null };
    (@ $json:tt) => { ::serde_json::json!($json) };
}

/// What [`check!`](crate::check!) does.
///
/// # Panics
/// With every row that went otherwise.
#[track_caller]
pub fn check(client: &Client, rows: &[Row]) {
    let mut wrong = String::new();
    for (
        number,
        Row {
            request,
            body,
            status,
            expected,
        },
    ) in rows.iter().enumerate()
    {
        let (method, path) = request.split_once(' ').expect("METHOD path");
        let reply = client.request(method, path, (!body.is_null()).then_some(body));
        if reply.status != *status || !includes(&reply.body, expected) {
            wrong += &format!(
                "row {number}: {request} {body}\n  expected {status} {expected}\n  answered {reply:?}\n"
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Whether `actual` is what is expected. Of an object, what is expected must be there; null also fits what is
/// missing. `"*"` fits anything that is there, `"?"` anything at all, `"~text"` a text that contains it, `"!"` nothing: it must be missing.
pub fn includes(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected
                .iter()
                .all(|(key, expected)| match actual.get(key) {
                    Some(actual) => includes(actual, expected),
                    None => expected.is_null() || expected == "!" || expected == "?",
                })
        }
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && actual
                    .iter()
                    .zip(expected)
                    .all(|(actual, expected)| includes(actual, expected))
        }
        (_, Value::String(pattern)) if pattern == "?" => true,
        (actual, Value::String(pattern)) if pattern == "*" => !actual.is_null(),
        (_, Value::String(pattern)) if pattern == "!" => false,
        (Value::String(text), Value::String(pattern)) if pattern.starts_with('~') => {
            text.to_lowercase().contains(&pattern[1..].to_lowercase())
        }
        (actual, expected) => actual == expected,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::includes;

    #[test]
    fn a_table_can_fail() {
        let actual = json!({"a": {"b": [1, "two"]}, "n": null});
        for (expected, fits) in [
            (json!({}), true),
            (json!({"a": {"b": [1, "two"]}}), true),
            (json!({"a": {"b": [1, "~W"]}}), true),
            (json!({"a": "*", "n": null, "missing": null}), true),
            (json!({"missing": "!"}), true),
            (json!({"missing": "?", "n": "?", "a": "?"}), true),
            (json!({"a": "!"}), false),
            (json!({"n": "*"}), false),
            (json!({"a": {"b": [1]}}), false),
            (json!({"a": {"b": [1, "~x"]}}), false),
            (json!({"a": null}), false),
            (json!(null), false),
            (json!({"missing": 1}), false),
        ] {
            assert_eq!(includes(&actual, &expected), fits, "{expected}");
        }
    }
}
