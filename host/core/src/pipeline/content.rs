//! What a plugin answers in place of JSON.

use bytes::Bytes;
use coffer_runtime::{ErrorKind, PluginError};
use http::HeaderValue;

use crate::reply::Reply;
use crate::request::Body;
use crate::{Error, limits};

/// What browsers are told of it. It comes from where the API is: a script of it could act as whoever is logged in there.
const FOR_BROWSERS: [(&str, &str); 3] = [
    (
        "content-security-policy",
        "sandbox allow-forms; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

/// A body, and of what type it is.
pub(crate) struct Content {
    kind: String,
    body: Bytes,
}

impl Content {
    /// # Errors
    /// If that is no content type, or if it is too long.
    pub(crate) fn new(kind: &str, body: Vec<u8>) -> Result<Self, String> {
        let is_header =
            kind.len() <= limits::RESPONSE_HEADER && HeaderValue::try_from(kind).is_ok();
        if !is_header || !kind.contains('/') {
            return Err(format!("{kind:?} is no content type"));
        }
        if body.len() > limits::CONTENT {
            return Err(format!(
                "the body has {} bytes; {} are allowed",
                body.len(),
                limits::CONTENT
            ));
        }
        Ok(Self {
            kind: kind.to_owned(),
            body: body.into(),
        })
    }

    /// The reply with this for its body.
    ///
    /// # Errors
    /// If it says something besides.
    pub(super) fn answer(self, reply: Reply) -> Result<Reply, Error> {
        if !reply.is_nothing() {
            return Err(Error::Plugin(PluginError {
                kind: ErrorKind::Internal,
                message: "the plugin answers with a body of its own and with something besides"
                    .to_owned(),
            }));
        }
        Ok(Reply {
            body: Some(Body::Text(self.kind.into(), self.body)),
            headers: FOR_BROWSERS
                .map(|(name, value)| (name.into(), value.to_owned()))
                .into(),
            ..reply
        })
    }
}
