//! A request as text: its target and its headers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'+')
    .remove(b':')
    .remove(b'@')
    .remove(b'=')
    .remove(b'*')
    .remove(b',');
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// List: a GET with `list=true`, which passes every proxy.
    List,
    /// Write.
    Put,
    /// Write, where Vault's clients use POST.
    Post,
    /// JSON merge patch (RFC 7396).
    Patch,
    /// Delete.
    Delete,
}

impl Method {
    /// What HTTP calls it.
    pub(super) fn http(self) -> &'static str {
        match self {
            Self::Get | Self::List => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// The path and query of a request.
pub(super) fn target(method: Method, path: &str, query: &[(String, String)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, IN_QUERY).to_string();
    let mut pairs: Vec<String> = query
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    if method == Method::List {
        pairs.push("list=true".to_owned());
    }
    let path = utf8_percent_encode(path.trim_start_matches('/'), IN_PATH);
    let question = if pairs.is_empty() { "" } else { "?" };
    format!("/v1/{path}{question}{}", pairs.join("&"))
}

/// The header that a body needs.
pub(super) fn content_type<'a>(
    method: Method,
    body: bool,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let kind = if method == Method::Patch {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    body.then_some(("Content-Type", kind)).into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let cases = [
            (Method::Get, "secret/x", vec![], "/v1/secret/x"),
            (Method::Get, "/secret/x/", vec![], "/v1/secret/x/"),
            (Method::List, "secret/x", vec![], "/v1/secret/x?list=true"),
            (Method::Get, "a b/ü%?#", vec![], "/v1/a%20b/%C3%BC%25%3F%23"),
            (
                Method::Get,
                "x",
                vec![pair("version", "1"), pair("q", "a&b=c d")],
                "/v1/x?version=1&q=a%26b%3Dc%20d",
            ),
        ];
        for (method, path, query, expected) in cases {
            assert_eq!(target(method, path, &query), expected);
        }
    }
}
