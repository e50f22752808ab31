//! What a guest answers is input like any other: checked before it goes anywhere.

use serde_json::value::RawValue;

use crate::bindings::plugin::exports::coffer::plugin::engine::{self as contract, Auth};
use crate::{CallError, limits};

/// A checked answer.
#[derive(Debug)]
pub struct Response {
    /// An HTTP status other than the usual 200 (with data) or 204 (without).
    pub status: Option<u16>,
    /// A JSON object.
    pub data: Option<Box<RawValue>>,
    /// For the client to read.
    pub warnings: Vec<String>,
    /// A successful login.
    pub auth: Option<Auth>,
    /// Advice on how long the data may be kept, in seconds: `lease_duration` of a response without a lease.
    pub ttl: u64,
}

impl Response {
    /// Takes what a guest answered; its data may have `limit` bytes.
    pub(crate) fn checked(response: contract::Response, limit: usize) -> Result<Self, CallError> {
        let contract::Response {
            status,
            data,
            warnings,
            auth,
            ttl,
        } = response;
        if let Some(status) = status.filter(|status| !(200..=599).contains(status)) {
            return Err(CallError::InvalidResponse(format!(
                "status {status} is not between 200 and 599"
            )));
        }
        list("warnings", warnings.iter().map(String::as_str))?;
        if let Some(auth) = &auth {
            check_auth(auth)?;
        }
        let data = data.map(|data| object(data, limit)).transpose()?;
        Ok(Self {
            status,
            data,
            warnings,
            auth,
            ttl,
        })
    }
}

fn object(data: String, limit: usize) -> Result<Box<RawValue>, CallError> {
    if data.len() > limit {
        return Err(CallError::ResponseTooLarge(format!(
            "data of {} bytes; {limit} are allowed",
            data.len()
        )));
    }
    if nests_deeper(data.as_bytes(), limits::NESTING) {
        return Err(CallError::InvalidResponse(format!(
            "the data is nested more than {} deep",
            limits::NESTING
        )));
    }
    match RawValue::from_string(data) {
        Ok(data) if data.get().starts_with('{') => Ok(data),
        Ok(_) => Err(CallError::InvalidResponse(
            "the data is not a JSON object".to_owned(),
        )),
        // What serde_json says quotes nothing of the data.
        Err(error) => Err(CallError::InvalidResponse(format!(
            "the data is not JSON: {error}"
        ))),
    }
}

/// Whether arrays and objects stand in each other more than so deep in this JSON: whoever reads it may have one frame for each.
pub fn nests_deeper(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn check_auth(auth: &Auth) -> Result<(), CallError> {
    list("policies", auth.policies.iter().map(String::as_str))?;
    list("bound CIDRs", auth.bound_cidrs.iter().map(String::as_str))?;
    list(
        "metadata",
        auth.metadata
            .iter()
            .flat_map(|(key, value)| [key.as_str(), value.as_str()]),
    )?;
    list("display name", [auth.display_name.as_str()])?;
    if let Some(alias) = &auth.alias {
        list("alias", [alias.name.as_str()])?;
        list(
            "alias metadata",
            alias
                .metadata
                .iter()
                .flat_map(|(key, value)| [key.as_str(), value.as_str()]),
        )?;
    }
    internal(&auth.internal)
        .map_err(|reason| CallError::InvalidResponse(format!("the auth's internal data {reason}")))
}

/// What a lease or a token keeps for its plugin.
pub(crate) fn internal(data: &str) -> Result<(), String> {
    if data.len() > limits::INTERNAL {
        return Err(format!(
            "has {} bytes; {} are allowed",
            data.len(),
            limits::INTERNAL
        ));
    }
    serde_json::from_str::<&RawValue>(data)
        .map(|_| ())
        .map_err(|error| format!("is not JSON: {error}"))
}

fn list<'a>(what: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<(), CallError> {
    let mut total = 0;
    for (index, text) in texts.into_iter().enumerate() {
        total += text.len();
        if index >= limits::LIST || total > limits::TEXT {
            let (items, bytes) = (limits::LIST, limits::TEXT);
            return Err(CallError::ResponseTooLarge(format!(
                "{what}: at most {items} items and {bytes} bytes are allowed"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(data: &str) -> contract::Response {
        contract::Response {
            status: None,
            data: Some(data.to_owned()),
            warnings: Vec::new(),
            auth: None,
            ttl: 0,
        }
    }

    #[test]
    fn data_is_a_json_object_within_the_limit() {
        let nested = |depth| format!("{{\"x\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        let (deep, too_deep) = (nested(limits::NESTING - 1), nested(limits::NESTING));
        for good in ["{}", " {\"a\": [1, 2]} ", deep.as_str()] {
            assert!(
                Response::checked(response(good), 30_000).is_ok(),
                "{good:.40}"
            );
        }
        #[rustfmt::skip]
        let table = [
            (too_deep.as_str(), "invalid response: the data is nested more than 100 deep"),
            ("", "invalid response: the data is not JSON: EOF while parsing a value at line 1 column 0"),
            ("[]", "invalid response: the data is not a JSON object"),
            ("null", "invalid response: the data is not a JSON object"),
            ("{} {}", "invalid response: the data is not JSON: trailing characters at line 1 column 4"),
            ("{\"a\"}", "invalid response: the data is not JSON: expected `:` at line 1 column 5"),
        ];
        for (bad, expected) in table {
            let error = Response::checked(response(bad), 30_000)
                .map(|_| ())
                .map_err(|error| error.to_string());
            assert_eq!(error, Err(expected.to_owned()), "{bad}");
        }
        let error = Response::checked(response(r#"{"a":"0123456789"}"#), 10).map(|_| ());
        assert_eq!(
            error,
            Err(CallError::ResponseTooLarge(
                "data of 18 bytes; 10 are allowed".to_owned()
            ))
        );
    }

    #[test]
    fn status_and_lists_have_bounds() {
        for (status, good) in [
            (199, false),
            (200, true),
            (404, true),
            (599, true),
            (600, false),
            (0, false),
        ] {
            let response = contract::Response {
                status: Some(status),
                ..response("{}")
            };
            assert_eq!(Response::checked(response, 100).is_ok(), good, "{status}");
        }
        for (count, len, good) in [
            (1000, 1, true),
            (1001, 1, false),
            (1, 65_536, true),
            (2, 40_000, false),
        ] {
            let response = contract::Response {
                warnings: vec!["w".repeat(len); count],
                ..response("{}")
            };
            assert_eq!(
                Response::checked(response, 100).is_ok(),
                good,
                "{count} of {len}"
            );
        }
    }
}
