//! Calls from web pages of other origins: refused, unless CORS is set up and names the origin.
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use axum::body::Body as HttpBody;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use coffer_core::{Core, Cors};

use crate::handler::Refusal;

const METHODS: &[&str] = &["DELETE", "GET", "OPTIONS", "POST", "PUT", "PATCH", "LIST"];

/// A page's origin that may call.
pub(crate) struct Allowed {
    origin: HeaderValue,
    cors: Cors,
}

/// Whether a page calls, and may. None where there is no page, or CORS was not set up: then a browser lets it read nothing.
pub(crate) async fn check(
    core: &Core,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Allowed>, Refusal> {
    let Some(origin) = headers
        .get(header::ORIGIN)
        .filter(|origin| !origin.is_empty())
    else {
        return Ok(None);
    };
    let cors = core.cors().await.map_err(|error| {
        let status = StatusCode::from_u16(error.status());
        Refusal(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error.to_string(),
        )
    })?;
    let Some(cors) = cors else {
        return Ok(None);
    };
    if !origin.to_str().is_ok_and(|origin| cors.allows(origin)) {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "origin not allowed".to_owned(),
        ));
    }
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_known = |wanted: &HeaderValue| METHODS.iter().any(|method| wanted == method);
    if *method == Method::OPTIONS && !wanted.is_some_and(is_known) {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, String::new()));
    }
    Ok(Some(Allowed {
        origin: origin.clone(),
        cors,
    }))
}

impl Allowed {
    /// Has the browser let the page read the answer.
    pub(crate) fn mark(&self, mut response: Response<HttpBody>) -> Response<HttpBody> {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if self.cors.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        response
    }

    /// What the browser is told before it sends the page's request.
    pub(crate) fn answer(&self) -> Response<HttpBody> {
        let mut response = self.mark(Response::new(HttpBody::empty()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS.join(",")),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                self.cors.all_headers().join(","),
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "300".to_owned()),
        ] {
            // What is no header's value was never a header's name.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
