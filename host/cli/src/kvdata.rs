//! The data of a command: `key=value`, `key=@file`, `key=-`, `@file.json`, `-`.

use std::io::Read;

use serde_json::{Map, Value};

use crate::error::CliError;

/// Reads all arguments into one object. Values are strings, except in JSON from a file or stdin. A key given twice becomes
/// a list.
///
/// # Errors
/// If an argument is malformed or a file cannot be read.
pub fn parse(arguments: &[String], stdin: &mut dyn Read) -> Result<Map<String, Value>, CliError> {
    let mut data = Map::new();
    for (index, argument) in arguments.iter().enumerate() {
        add(&mut data, argument, stdin).map_err(|reason| {
            CliError::Usage(format!(
                "Failed to parse K=V data: {}: {reason}",
                shown(index, argument)
            ))
        })?;
    }
    Ok(data)
}

/// The same, for what can only be strings: query parameters, metadata.
///
/// # Errors
/// As [`parse`].
pub fn parse_strings(
    arguments: &[String],
    stdin: &mut dyn Read,
) -> Result<Vec<(String, String)>, CliError> {
    let mut pairs = Vec::new();
    for (key, value) in parse(arguments, stdin)? {
        match value {
            Value::Array(values) => {
                pairs.extend(values.into_iter().map(|value| (key.clone(), plain(value))))
            }
            value => pairs.push((key, plain(value))),
        }
    }
    Ok(pairs)
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The argument as an error may show it: a value can be a secret.
fn shown(index: usize, argument: &str) -> String {
    match argument.split_once('=') {
        Some((_, value)) if value.starts_with('@') => format!("{argument:?}"),
        Some((key, _)) => format!("\"{key}=...\""),
        None if argument == "-" || argument.starts_with('@') => format!("{argument:?}"),
        // Not even a key: the rest of a value with a blank in it, most likely.
        None => format!("pair {}", index + 1),
    }
}

fn add(data: &mut Map<String, Value>, argument: &str, stdin: &mut dyn Read) -> Result<(), String> {
    if argument == "-" {
        return merge(data, &read_all(stdin)?);
    }
    if let Some(file) = argument.strip_prefix('@') {
        return merge(data, &read_file(file)?);
    }
    let (key, value) = argument.split_once('=').ok_or("format must be key=value")?;
    let value = if value == "-" {
        read_all(stdin)?
    } else if let Some(file) = value.strip_prefix('@') {
        read_file(file).map_err(|error| format!("error reading file: {error}"))?
    } else if let Some(rest) = value.strip_prefix("\\@") {
        format!("@{rest}")
    } else {
        value.to_owned()
    };
    insert(data, key, Value::String(value));
    Ok(())
}

fn insert(data: &mut Map<String, Value>, key: &str, value: Value) {
    match data.get_mut(key) {
        None => {
            data.insert(key.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

fn merge(data: &mut Map<String, Value>, text: &str) -> Result<(), String> {
    // serde's own words would quote the text, which may be a secret.
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!(
            "not a JSON object (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    data.extend(object);
    Ok(())
}

fn read_file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn read_all(stdin: &mut dyn Read) -> Result<String, String> {
    let mut text = String::new();
    stdin
        .read_to_string(&mut text)
        .map_err(|error| format!("reading stdin: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(arguments: &[&str], stdin: &str) -> Result<Value, String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        parse(&arguments, &mut stdin.as_bytes())
            .map(Value::Object)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn good() {
        let folder = tempfile::tempdir().unwrap();
        let (text, json) = (folder.path().join("t"), folder.path().join("j"));
        std::fs::write(&text, "line\nline\n").unwrap();
        std::fs::write(&json, r#"{"n": 1, "o": {"a": [true]}}"#).unwrap();
        let (text_value, json_argument) = (
            format!("k=@{}", text.display()),
            format!("@{}", json.display()),
        );
        let cases: &[(&[&str], &str, Value)] = &[
            (&[], "", serde_json::json!({})),
            (
                &["a=b", "c=d=e"],
                "",
                serde_json::json!({"a": "b", "c": "d=e"}),
            ),
            (&["a="], "", serde_json::json!({"a": ""})),
            (&["a=-x"], "", serde_json::json!({"a": "-x"})),
            (
                &["a=1", "a=2", "a=3"],
                "",
                serde_json::json!({"a": ["1", "2", "3"]}),
            ),
            (
                &["a=-"],
                "from stdin\n",
                serde_json::json!({"a": "from stdin\n"}),
            ),
            (&["a=\\@b"], "", serde_json::json!({"a": "@b"})),
            (&[&text_value], "", serde_json::json!({"k": "line\nline\n"})),
            (
                &[&json_argument, "x=y"],
                "",
                serde_json::json!({"n": 1, "o": {"a": [true]}, "x": "y"}),
            ),
            (&["-"], r#"{"a": null}"#, serde_json::json!({"a": null})),
        ];
        for (arguments, stdin, expected) in cases {
            assert_eq!(
                parsed(arguments, stdin).as_ref(),
                Ok(expected),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn bad() {
        let cases: &[(&[&str], &str, &str)] = &[
            (&["a=b", "hunter2"], "", "pair 2: format must be key=value"),
            (&["@/nonexistent"], "", "/nonexistent: No such file"),
            (&["a=@/nonexistent"], "", "error reading file: /nonexistent"),
            (&["-"], "hunter2", "not a JSON object (line 1, column 1)"),
            (&["-"], r#"["hunter2"]"#, "not a JSON object"),
        ];
        for (arguments, stdin, expected) in cases {
            let error = parsed(arguments, stdin).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
