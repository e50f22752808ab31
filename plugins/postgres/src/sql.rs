//! Text that becomes SQL: quoting of what is ours, templating of what the operator wrote, and PostgreSQL's notation of time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::Error;

/// As an identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As a string, whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// One transaction of these statements, as one message. The server splits it, as nobody else could: it alone knows where a
/// quote, a comment or a function's body ends.
pub fn transaction(first: &str, statements: &[impl AsRef<str>]) -> String {
    let mut text = String::from("BEGIN;");
    text.push_str(first);
    for statement in statements {
        // A line of its own, so that a comment at the end of a statement ends with it.
        text.push('\n');
        text.push_str(statement.as_ref());
        text.push_str("\n;");
    }
    text.push_str("\nCOMMIT");
    text
}

/// Values for the `{{name}}` of statements.
pub struct Values<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Values<'a> {
    /// Refuses values that would not stay within the quotes which the operator put around them.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the value.
    pub fn new(values: &'a [(&'a str, &'a str)]) -> Result<Self, Error> {
        let breaks_out = |c: char| matches!(c, '\'' | '"' | '\\') || c.is_control();
        for (name, value) in values {
            if value.contains(breaks_out)
                || (*name != "password" && value.contains('$'))
                || value.contains("$$")
            {
                return Err(Error::Invalid(format!(
                    "the {name} has characters in it that cannot stand in a statement"
                )));
            }
        }
        Ok(Self(values))
    }

    /// The statements with every `{{name}}` replaced, in one pass: what was put in is not looked at again. Empty ones are
    /// left out.
    pub fn fill<S: AsRef<str>>(&self, statements: &[S]) -> Vec<String> {
        let plain = statements
            .iter()
            .flat_map(|statement| unpack(statement.as_ref()));
        plain
            .map(|statement| self.fill_one(statement.trim()))
            .filter(|statement| !statement.is_empty())
            .collect()
    }

    fn fill_one(&self, statement: &str) -> String {
        let mut out = String::with_capacity(statement.len() + 128);
        let mut rest = statement;
        while let Some(at) = rest.find("{{") {
            let (before, braces) = rest.split_at(at);
            out.push_str(before);
            let known = self.0.iter().find_map(|(name, value)| {
                Some((
                    *value,
                    braces
                        .strip_prefix("{{")?
                        .strip_prefix(name)?
                        .strip_prefix("}}")?,
                ))
            });
            // Not ours: the next brace may be.
            let (text, after) = known.unwrap_or_else(|| braces.split_at(1));
            out.push_str(text);
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

/// What Vault takes for a statement may also be a JSON list of statements, and either of them in Base64.
fn unpack(text: &str) -> Vec<String> {
    let decoded = BASE64
        .decode(text.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = decoded.as_deref().unwrap_or(text);
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

/// A point in time (milliseconds since 1970) as `2006-01-02 15:04:05+0000`; what is beyond PostgreSQL's calendar is for ever.
pub fn timestamp(millis: Option<u64>) -> String {
    let Some(seconds) = millis
        .map(|millis| millis / 1000)
        .filter(|seconds| *seconds < 253_402_300_800)
    else {
        return "infinity".to_owned();
    };
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Civil from days: years start in March, so that the leap day is the last (H. Hinnant, "chrono-compatible dates").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}+0000")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }

    #[test]
    fn templates_are_filled_once() {
        let values = [("name", "v-{{password}}"), ("password", "p")];
        let values = Values::new(&values).unwrap();
        #[rustfmt::skip]
        let table = [
            ("CREATE ROLE \"{{name}}\" PASSWORD '{{password}}'", "CREATE ROLE \"v-{{password}}\" PASSWORD 'p'"),
            ("{{name}}{{name}}", "v-{{password}}v-{{password}}"),
            ("{{ name }} {{other}} {{", "{{ name }} {{other}} {{"),
            ("{{{name}}}", "{v-{{password}}}"),
        ];
        for (statement, expected) in table {
            assert_eq!(values.fill(&[statement]), [expected], "{statement}");
        }
        assert!(values.fill(&["  ", "\n"]).is_empty());
        for packed in [
            r#"["A", "B {{password}};"]"#,
            "WyJBIiwgIkIge3twYXNzd29yZH19OyJd",
        ] {
            assert_eq!(values.fill(&[packed]), ["A", "B p;"]);
        }
        assert_eq!(values.fill(&["U0VMRUNUIDE7"]), ["SELECT 1;"]);
    }

    #[test]
    fn values_stay_within_their_quotes() {
        for bad in ["a'b", "a\"b", "a\\b", "a\nb", "a\0b", "a$$b"] {
            assert!(Values::new(&[("password", bad)]).is_err(), "{bad:?}");
        }
        assert!(Values::new(&[("name", "a$b")]).is_err());
        assert!(Values::new(&[("password", "SCRAM-SHA-256$4096:a=$b=:c=")]).is_ok());
    }

    #[test]
    fn a_comment_does_not_swallow_what_follows() {
        let text = transaction("", &["SELECT 1 -- one", "SELECT 2;"]);
        assert_eq!(text, "BEGIN;\nSELECT 1 -- one\n;\nSELECT 2;\n;\nCOMMIT");
    }

    #[test]
    fn time_as_postgresql_reads_it() {
        #[rustfmt::skip]
        let table = [
            (Some(0), "1970-01-01 00:00:00+0000"),
            (Some(951_782_399_999), "2000-02-28 23:59:59+0000"),
            (Some(951_782_400_000), "2000-02-29 00:00:00+0000"),
            (Some(1_709_251_200_000), "2024-03-01 00:00:00+0000"),
            (Some(1_735_689_599_000), "2024-12-31 23:59:59+0000"),
            (Some(4_107_542_400_000), "2100-03-01 00:00:00+0000"),
            (Some(u64::MAX), "infinity"),
            (None, "infinity"),
        ];
        for (millis, expected) in table {
            assert_eq!(timestamp(millis), expected);
        }
    }
}
