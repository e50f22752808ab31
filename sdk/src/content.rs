//! Answers that are no JSON: a page for a browser, a certificate. Only requests have any.

use crate::Result;

/// Makes this the response's whole body, in place of JSON; status and headers are those of the response, which can have no data
/// and no login then. Browsers are told that a page runs no scripts, loads nothing and stands in no frame.
///
/// # Errors
/// If that is no content type, or if the body is longer than 1 MiB.
pub fn respond(content_type: &str, body: impl Into<Vec<u8>>) -> Result<()> {
    let body = body.into();
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::content::respond(content_type, &body);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.respond_with(content_type, body))
}
