//! Headers of HTTP, as far as the operator lets them through: `passthrough_request_headers` and `allowed_response_headers` of
//! the mount's tuning. Only requests have any.

use crate::Result;

/// The values that the request has for a header, in order; none if the mount does not let it through.
pub fn request(name: &str) -> Vec<String> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::headers::request(name);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.request_header(name))
}

/// Adds a header to the response. It reaches the client if the mount lets it through and the request succeeds.
///
/// # Errors
/// If it is no header, or one that is the host's to say.
pub fn respond(name: &str, value: &str) -> Result<()> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::headers::respond(name, value);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.respond_with_header(name, value))
}
