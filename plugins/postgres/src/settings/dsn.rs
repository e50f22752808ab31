//! `host=db port=5432 user='a b' password=...`, as libpq reads it.

use zeroize::Zeroizing;

use super::Pairs;
use crate::error::Error;

/// So that it is one value, between quotes or without.
pub fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            if c == '\\' || c == '\'' || c.is_ascii_whitespace() {
                out.push('\\');
            }
            out.push(c);
            out
        })
}

/// Every `key=value`.
pub fn pairs(text: &str) -> Result<Pairs, Error> {
    let invalid = |why: &str| Error::Invalid(format!("connection_url: {why}"));
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=') else {
            return Err(invalid(
                "is neither a postgresql:// URL nor a list of key=value",
            ));
        };
        let (value, after) =
            value(after.trim_start()).ok_or_else(|| invalid("a quote is not closed"))?;
        if key.trim_end().contains(|c: char| c.is_ascii_whitespace()) {
            return Err(invalid("a parameter without `=`"));
        }
        if value.contains('\0') {
            return Err(invalid("has a NUL in it"));
        }
        pairs.push((key.trim().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn value(text: &str) -> Option<(Zeroizing<String>, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = Zeroizing::new(String::new());
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next().map_or('\\', |(_, escaped)| escaped)),
            '\'' if quoted => return Some((value, text.get(at + 1..).unwrap_or_default())),
            c if !quoted && c.is_ascii_whitespace() => {
                return Some((value, text.get(at..).unwrap_or_default()));
            }
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}
