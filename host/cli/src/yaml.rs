//! YAML as every parser reads it. By YAML 1.1, which most of them still speak, `no` is false, `1e3` is text and `12:30:00` is
//! a number: so all text is in quotes that is not plainly a word, and floats are written as 1.1 knows them.

use std::fmt::Write;

use serde_json::Value;

/// What YAML 1.1 takes for something else than text, in whichever case.
const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
/// A longer key must be announced with a question mark.
const SIMPLE_KEY: usize = 128;

/// A value as a YAML document.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    node(&mut text, value, 0);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Writes a value whose first line is already indented; a block ends with a newline, a scalar does not.
fn node(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (name, value)) in fields.iter().enumerate() {
                margin(out, index, indent);
                let name = quoted(name);
                if name.len() > SIMPLE_KEY {
                    out.push_str("? ");
                    out.push_str(&name);
                    out.push('\n');
                    margin(out, 1, indent);
                } else {
                    out.push_str(&name);
                }
                out.push(':');
                // A list's dashes are enough of an indentation.
                let inner = indent + if value.is_array() { 0 } else { 2 };
                if is_block(value) {
                    out.push('\n');
                    margin(out, 1, inner);
                } else {
                    out.push(' ');
                }
                item(out, value, inner);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                margin(out, index, indent);
                out.push_str("- ");
                item(out, value, indent + 2);
            }
        }
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Number(number) => out.push_str(&float(&number.to_string())),
        Value::Bool(_) | Value::Null => out.push_str(&value.to_string()),
    }
}

fn item(out: &mut String, value: &Value, indent: usize) {
    node(out, value, indent);
    if !is_block(value) {
        out.push('\n');
    }
}

fn margin(out: &mut String, index: usize, indent: usize) {
    if index > 0 {
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn quoted(text: &str) -> String {
    let starts_plainly =
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    if starts_plainly
        && text.bytes().all(is_plain)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str())
    {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Not printable, or a line break of its own.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                escape(&mut quoted, character)
            }
            other if other.is_control() => escape(&mut quoted, other),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(out: &mut String, character: char) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\u{:04x}", u32::from(character));
}

/// `1e21` as `1.0e+21`.
fn float(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        return number.to_owned();
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['+', '-']) {
        ""
    } else {
        "+"
    };
    format!("{mantissa}{point}e{sign}{exponent}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn text_that_is_not_plainly_a_word_is_in_quotes() {
        #[rustfmt::skip]
        let table = [
            ("word", "word"), ("a-b_c.d/e", "a-b_c.d/e"), ("_x", "_x"), ("hvs.CAESI", "hvs.CAESI"), ("note", "note"),
            ("y", r#""y""#), ("N", r#""N""#), ("Yes", r#""Yes""#), ("NO", r#""NO""#), ("on", r#""on""#), ("Off", r#""Off""#),
            ("true", r#""true""#), ("FALSE", r#""FALSE""#), ("Null", r#""Null""#), ("~", r#""~""#), ("", r#""""#),
            ("1", r#""1""#), ("0x1F", r#""0x1F""#), ("1_000", r#""1_000""#), ("12:30:00", r#""12:30:00""#), (".5", r#"".5""#),
            (".inf", r#"".inf""#), ("2026-11-24", r#""2026-11-24""#), ("-", r#""-""#), ("a b", r#""a b""#), ("a: b", r#""a: b""#),
            ("#x", r##""#x""##), ("=", r#""=""#), ("<<", r#""<<""#), ("é", r#""é""#), ("a\"b\\", r#""a\"b\\""#),
            ("one\ntwo\t\r", r#""one\ntwo\t\u000d""#), ("\u{7f}\u{85}\u{2028}\u{feff}", r#""\u007f\u0085\u2028\ufeff""#),
        ];
        for (given, expected) in table {
            assert_eq!(quoted(given), expected, "{given:?}");
        }
    }

    #[test]
    fn numbers() {
        for (given, expected) in [
            ("1", "1"),
            ("-1.5", "-1.5"),
            ("1e21", "1.0e+21"),
            ("1.5e-7", "1.5e-7"),
        ] {
            assert_eq!(float(given), expected);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = "k".repeat(2000);
        let value = json!({
            "no": "yes", "empty": {}, "none": [], "null": null, "n": [1, 1.5, 1e300, true],
            "deep": {"a": {"b": ["x", {"c": "1", "d": [[1, [2]], []]}, ["y"]]}},
            long: {"in": {"side": ["#"]}}, "text": "one\n two: three\n\n",
        });
        for value in [
            value,
            json!([[], {}, "no"]),
            json!("on"),
            json!({}),
            json!(7),
        ] {
            let text = document(&value);
            let read: Value = serde_yaml_ng::from_str(&text).unwrap();
            assert_eq!(read, value, "{text}");
        }
    }
}
