//! Text that becomes SQL: quoting of what is ours, templating and splitting of what the operator wrote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_sdk::clock;
use zeroize::Zeroizing;

use crate::error::Error;

/// As a string. `escapes` says whether `\` has a meaning in strings.
pub fn literal(text: &str, escapes: bool) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 2 + 2));
    out.push('\'');
    for c in text.chars() {
        if c == '\'' || (c == '\\' && escapes) {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

/// An account, of a user whose name was checked ([`check_name`](crate::users::check_name)).
pub fn account(username: &str, host: &str) -> String {
    format!("'{username}'@{host}")
}

/// Values for the `{{name}}` of statements.
pub struct Values<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Values<'a> {
    /// Refuses values that would not stay within the quotes which the operator put around them.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the value.
    pub fn new(values: &'a [(&'a str, &'a str)]) -> Result<Self, Error> {
        for (name, value) in values {
            if breaks_out(value) {
                return Err(Error::Invalid(format!(
                    "the {name} has characters in it that cannot stand in a statement"
                )));
            }
        }
        Ok(Self(values))
    }

    /// The statements, one by one, with every `{{name}}` replaced, in one pass: what was put in is neither looked at nor
    /// split again.
    pub fn fill<S: AsRef<str>>(&self, statements: &[S]) -> Vec<Zeroizing<String>> {
        split(statements)
            .iter()
            .map(|statement| self.fill_one(statement))
            .collect()
    }

    fn fill_one(&self, statement: &str) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(statement.len() + 256));
        let mut rest = statement;
        while let Some(at) = rest.find("{{") {
            let (before, braces) = rest.split_at(at);
            out.push_str(before);
            let known = self.0.iter().find_map(|(name, value)| {
                let after = braces.strip_prefix("{{")?.strip_prefix(name)?;
                Some((*value, after.strip_prefix("}}")?))
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

/// Whether it could end the quotes that it stands in, of whatever kind.
pub fn breaks_out(text: &str) -> bool {
    text.contains(|c: char| matches!(c, '\'' | '"' | '`' | '\\') || c.is_control())
}

/// Vault's rule: an entry is a JSON list of statements, or statements separated by `;`, and either of them may be in Base64.
/// So a statement with a `;` in it goes into a list. Empty ones are left out.
pub fn split<S: AsRef<str>>(statements: &[S]) -> Vec<String> {
    statements
        .iter()
        .flat_map(|entry| unpack(entry.as_ref().trim()))
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

fn unpack(text: &str) -> Vec<String> {
    let decoded = BASE64
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = decoded.as_deref().unwrap_or(text);
    serde_json::from_str(text).unwrap_or_else(|_| text.split(';').map(str::to_owned).collect())
}

/// Whether a session is afterwards as it was before: it may be kept then.
pub fn leaves_no_trace(statement: &str) -> bool {
    const HARMLESS: [&str; 10] = [
        "ALTER", "CREATE", "DELETE", "DROP", "FLUSH", "GRANT", "INSERT", "REVOKE", "SELECT",
        "UPDATE",
    ];
    let word = statement.split_whitespace().next().unwrap_or_default();
    HARMLESS
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

/// A point in time (milliseconds since 1970) as `2006-01-02 15:04:05+0000`. Without one it is the end of the calendar.
pub fn timestamp(millis: Option<u64>) -> String {
    let text = clock::rfc3339(millis.unwrap_or(u64::MAX));
    let (date, time) = text.split_once('T').unwrap_or_default();
    format!("{date} {}+0000", time.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(*literal(r"it's a\b", true), r"'it''s a\\b'");
        assert_eq!(*literal(r"it's a\b", false), r"'it''s a\b'");
    }

    #[test]
    fn statements_are_split_and_filled_once() {
        let values = [("name", "v-{{password}}"), ("password", "p;w")];
        let values = Values::new(&values).unwrap();
        let fill = |entry: &str| -> Vec<String> {
            let filled = values.fill(&[entry]);
            filled.iter().map(|text| text.to_string()).collect()
        };
        #[rustfmt::skip]
        let table: [(&str, &[&str]); 7] = [
            ("CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}';", &["CREATE USER 'v-{{password}}'@'%' IDENTIFIED BY 'p;w'"]),
            ("A; B;\n;C", &["A", "B", "C"]),
            (r#"["A; B", "C {{password}};"]"#, &["A; B", "C p;w;"]),
            ("WyJBOyBCIiwgIkMiXQ==", &["A; B", "C"]),
            ("QTsgQg==", &["A", "B"]),
            ("{{ name }} {{other}} {{", &["{{ name }} {{other}} {{"]),
            (" ; \n;", &[]),
        ];
        for (entry, expected) in table {
            assert_eq!(fill(entry), expected, "{entry}");
        }
    }

    #[test]
    fn values_stay_within_their_quotes() {
        for bad in ["a'b", "a\"b", "a\\b", "a\nb", "a\0b", "a`b"] {
            assert!(Values::new(&[("password", bad)]).is_err(), "{bad:?}");
        }
        assert!(Values::new(&[("password", "a-b;c@d$e%")]).is_ok());
    }

    #[test]
    fn what_outlives_a_statement() {
        assert!(leaves_no_trace("grant select ON *.* TO 'x'"));
        assert!(leaves_no_trace("CREATE\tUSER x"));
        for trace in ["SET ROLE x", "USE db", "CALL f()", "/* */ CREATE", ""] {
            assert!(!leaves_no_trace(trace), "{trace}");
        }
    }

    #[test]
    fn time() {
        assert_eq!(timestamp(Some(951_782_399_999)), "2000-02-28 23:59:59+0000");
        assert_eq!(timestamp(None), "9999-12-31 23:59:59+0000");
    }
}
