//! JSON as it is written for a record: straight into its line, without a tree of values between.

use std::fmt::Write;

/// An object in the writing. It may lie in another one.
pub struct Object<'o>(&'o mut String);

impl<'o> Object<'o> {
    /// Opens one.
    pub fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self(out)
    }

    /// Closes it.
    pub fn close(self) {
        self.0.push('}');
    }

    /// Where the value of a field goes.
    pub fn field(&mut self, name: &str) -> &mut String {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        quote(self.0, name);
        self.0.push(':');
        self.0
    }

    pub fn text(&mut self, name: &str, text: &str) {
        quote(self.field(name), text);
    }

    pub fn number(&mut self, name: &str, number: impl Into<u64>) {
        // A string takes everything.
        let _ = write!(self.field(name), "{}", number.into());
    }

    pub fn texts<T: AsRef<str>>(&mut self, name: &str, texts: impl IntoIterator<Item = T>) {
        let out = self.field(name);
        out.push('[');
        for text in texts {
            if !out.ends_with('[') {
                out.push(',');
            }
            quote(out, text.as_ref());
        }
        out.push(']');
    }
}

/// Writes a text in quotes.
pub fn quote(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.extend(["\"", text, "\""]);
    } else {
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// Copies JSON, which must be valid, on one line. `shown` says of a field of the object itself whether what stands there is
/// copied as it is; of anything else `text` writes what stands for a text, in quotes.
pub fn copy(
    out: &mut String,
    json: &str,
    shown: impl Fn(&str) -> bool,
    text: impl Fn(&mut String, &str),
) {
    let bytes = json.as_bytes();
    let (mut at, mut depth, mut as_it_is) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = end_of_text(bytes, at);
                let quoted = json.get(at..end).unwrap_or_default();
                let is_name = followed_by_colon(bytes, end);
                if is_name || as_it_is {
                    out.push_str(quoted);
                } else {
                    unquoted(quoted, |inside| text(out, inside));
                }
                if is_name && depth == 1 {
                    unquoted(quoted, |name| as_it_is = shown(name));
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => as_it_is = false,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            out.push(char::from(*byte));
        }
        at += 1;
    }
}

/// Behind the quote that ends a text.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn followed_by_colon(bytes: &[u8], at: usize) -> bool {
    let mut rest = bytes.iter().skip(at);
    rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

fn unquoted(quoted: &str, then: impl FnOnce(&str)) {
    if quoted.contains('\\') {
        then(&serde_json::from_str::<String>(quoted).unwrap_or_default());
    } else {
        let inside = quoted
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        then(inside.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn copied(json: &str) -> String {
        let mut out = String::new();
        let text = |out: &mut String, text: &str| quote(out, &format!("<{text}>"));
        copy(&mut out, json, |name| name == "shown", text);
        out
    }

    /// What [`copied`] does, on values.
    fn marked(value: &Value, top: bool) -> Value {
        match value {
            Value::String(text) => format!("<{text}>").into(),
            Value::Array(all) => all.iter().map(|value| marked(value, false)).collect(),
            Value::Object(map) => {
                let mark = |(name, value): (&String, &Value)| match top && name == "shown" {
                    true => (name.clone(), value.clone()),
                    false => (name.clone(), marked(value, false)),
                };
                map.iter().map(mark).collect()
            }
            other => other.clone(),
        }
    }

    #[test]
    fn texts_are_written_otherwise_and_nothing_else() {
        let rows = [
            (
                r#" { "a" : "x" , "n": [1, true, null, "y"] } "#,
                r#"{"a":"<x>","n":[1,true,null,"<y>"]}"#,
            ),
            (
                r#"{"shown":{"a":"x","b":["y"]},"b":"z"}"#,
                r#"{"shown":{"a":"x","b":["y"]},"b":"<z>"}"#,
            ),
            (
                r#"{"b":{"shown":"x"},"shown":"y"}"#,
                r#"{"b":{"shown":"<x>"},"shown":"y"}"#,
            ),
            (r#"{"a\"b":"c\\\"d\n"}"#, r#"{"a\"b":"<c\\\"d\n>"}"#),
            (r#""x""#, r#""<x>""#),
            ("{\n\"a\":\n\"x\"}", r#"{"a":"<x>"}"#),
        ];
        for (json, expected) in rows {
            assert_eq!(copied(json), expected, "{json}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC*|[\"\\\\\n:,{}]*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let name = "[\"\\\\:a-c]{0,3}|shown";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_a_tree_would_be(value in values(), pretty: bool) {
            let json = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let out = copied(&json);
            prop_assert!(!out.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), marked(&value, true));
        }
    }

    #[test]
    fn objects() {
        let mut out = String::new();
        let mut object = Object::open(&mut out);
        object.text("a", "x\"y");
        object.number("n", 3_u64);
        object.texts("l", ["a", "b"]);
        object.texts("e", [""; 0]);
        let mut inner = Object::open(object.field("o"));
        inner.text("b", "");
        inner.close();
        object.close();
        assert_eq!(
            out,
            r#"{"a":"x\"y","n":3,"l":["a","b"],"e":[],"o":{"b":""}}"#
        );
    }
}
