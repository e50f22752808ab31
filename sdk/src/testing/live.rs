//! HTTP to a real server, where the test allows it.

use std::time::Duration;

use super::Host;
use crate::http::{Request, Response};
use crate::{Error, Result};

/// As long as the host waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a request, if its destination was [allowed](Host::allow).
pub(super) fn send(request: &Request) -> Result<Response> {
    let uri: ureq::http::Uri = (request.url.parse())
        .map_err(|_| Error::invalid(format!("{:?} is no URL of http or https", request.url)))?;
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    });
    if !Host::with(|state| state.network.is_allowed(host, port)) {
        return Err(Error::denied(format!(
            "destination {:?} is not granted: the test's Host serves no HTTP, and Host::allow({host:?}, {port}) was not called",
            request.url
        )));
    }
    if request.tls.is_some() {
        return Err(Error::invalid(
            "a test's real HTTP request has the public roots only, and this one wants TLS of its own",
        ));
    }
    let failed =
        |error: &dyn std::fmt::Display| Error::unavailable(format!("the request failed: {error}"));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let mut builder = ureq::http::Request::builder()
        .method(request.method.as_str())
        .uri(uri);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let request = builder
        .body(request.body.clone())
        .map_err(|error| Error::invalid(format!("this is no request: {error}")))?;
    let mut answer = agent.run(request).map_err(|error| failed(&error))?;
    let headers = answer.headers().iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Ok(Response {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: answer
            .body_mut()
            .read_to_vec()
            .map_err(|error| failed(&error))?,
    })
}
