//! An HTTP client, to the destinations that the operator granted.

use crate::Result;
use crate::bindings::plugin::coffer::plugin::http as contract;

pub use crate::network::{TlsOptions, Verification};
pub use contract::{Request, Response};

impl Request {
    /// A request without a body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            tls: None,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body in JSON.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// How TLS is done: a root of one's own, a client's certificate.
    #[must_use]
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = Some(options);
        self
    }

    /// Sends it. Any status is an answer; redirections are not followed.
    ///
    /// # Errors
    /// Permission denied if the destination is not granted, invalid if this is no request, unavailable without an answer.
    pub fn send(&self) -> Result<Response> {
        #[cfg(target_family = "wasm")]
        return contract::send(self);
        #[cfg(not(target_family = "wasm"))]
        crate::testing::Host::http(self)
    }
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, from JSON.
    ///
    /// # Errors
    /// Unavailable if it is something else.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| crate::Error::unavailable(format!("the answer is not JSON: {error}")))
    }
}
