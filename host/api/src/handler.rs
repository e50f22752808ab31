//! One request: from hyper's to the core's, and the answer back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::http::{
    HeaderMap, Method as HttpMethod, Request as HttpRequest, Response as HttpResponse, StatusCode,
    Uri, header,
};
use bytes::Bytes;
use coffer_core::{Body, Core, Method, Request};
use futures_util::{FutureExt, stream};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::cors;
use crate::limits::{self, Limits};
use crate::listener::Rules;

/// A refusal before the core was asked.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

fn refuse<T>(status: StatusCode, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(status, message.into()))
}

/// Answers one request that came over HTTP. `remote` is where its connection comes from.
pub async fn answer(
    core: Arc<Core>,
    rules: &Rules,
    remote: SocketAddr,
    request: HttpRequest<HttpBody>,
) -> HttpResponse<HttpBody> {
    let head = request.method() == HttpMethod::HEAD;
    let is_ui = request.uri().path().split('/').nth(1) == Some("ui");
    let allowed = match cors::check(&core, request.method(), request.headers()).await {
        Ok(allowed) => allowed,
        Err(Refusal(status, message)) => return error(status, &message),
    };
    if let Some(preflight) = allowed
        .as_ref()
        .filter(|_| request.method() == HttpMethod::OPTIONS)
    {
        return preflight.answer();
    }
    let response = match accept(rules, remote, request).await {
        Err(Refusal(status, message)) => error(status, &message),
        Ok(request) => {
            let handled = survived(core.handle(request));
            match tokio::time::timeout(rules.limits.request_time, handled).await {
                Ok(Some(response)) => respond(response),
                Ok(None) => error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal error: the server's log says more",
                ),
                Err(_) => error(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the request took too long and was given up",
                ),
            }
        }
    };
    let mut response = match allowed {
        Some(allowed) => allowed.mark(response),
        None => response,
    };
    if is_ui {
        response.headers_mut().extend(core.ui_headers().await);
    }
    if head {
        response.map(|_| HttpBody::empty())
    } else {
        response
    }
}

/// What comes of a request; None if its handler has panicked, which is a fault of ours and no reason to leave the client without
/// an answer. What it was about to commit is dropped with it, and locks that it held are taken as they are. It is boxed: what a
/// request is handled with is large, and would be copied along with everything around it.
fn survived<F: Future>(handling: F) -> Pin<Box<impl Future<Output = Option<F::Output>>>> {
    Box::pin(AssertUnwindSafe(handling).catch_unwind().map(Result::ok))
}

fn error(status: StatusCode, message: &str) -> HttpResponse<HttpBody> {
    let messages: &[&str] = if message.is_empty() { &[] } else { &[message] };
    let body = serde_json::json!({ "errors": messages }).to_string();
    respond(coffer_core::Response {
        status: status.as_u16(),
        body: Body::Json(body.into()),
        headers: Vec::new(),
    })
}

fn respond(response: coffer_core::Response) -> HttpResponse<HttpBody> {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::builder()
        .status(status)
        .header(header::CACHE_CONTROL, "no-store");
    for (name, value) in response.headers {
        builder = builder.header(&*name, value);
    }
    let built = match response.body {
        Body::Empty => builder.body(HttpBody::empty()),
        Body::Json(bytes) => builder
            .header(header::CONTENT_TYPE, "application/json")
            .body(HttpBody::from(bytes)),
        Body::Text(content_type, bytes) => builder
            .header(header::CONTENT_TYPE, &*content_type)
            .body(HttpBody::from(bytes)),
        Body::Lines(lines) => builder
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(HttpBody::from_stream(stream::unfold(
                lines,
                async |mut lines| Some((Ok::<_, Infallible>(lines.recv().await?), lines)),
            ))),
    };
    built.unwrap_or_else(|_| {
        let mut response = HttpResponse::new(HttpBody::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

async fn accept(
    rules: &Rules,
    remote: SocketAddr,
    request: HttpRequest<HttpBody>,
) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    if rules.require_header && text(&parts.headers, "x-vault-request")?.as_deref() != Some("true") {
        return refuse(
            StatusCode::PRECONDITION_FAILED,
            "missing 'X-Vault-Request' header",
        );
    }
    let remote = match &rules.forwarded {
        Some(forwarded) => forwarded
            .client(remote, &parts.headers)
            .map_err(|reason| Refusal(StatusCode::BAD_REQUEST, reason))?,
        None => remote,
    };
    let path = path(&parts.uri)?;
    let query = query(&parts.uri)?;
    let method = method(&parts.method, &query)?;
    let headers = &parts.headers;
    let token = token(headers)?;
    let namespace = text(headers, "x-vault-namespace")?.unwrap_or_default();
    let wrap_ttl = text(headers, "x-vault-wrap-ttl")?;
    let body = form_as_json(headers, read(rules.limits, headers, body).await?);
    check_nesting(&body)?;
    let query = query
        .into_iter()
        .filter(|(name, _)| !(name == "list" && method == Method::List))
        .collect();
    Ok(Request {
        method,
        path,
        query,
        body,
        token,
        namespace,
        wrap_ttl,
        remote,
        headers: parts.headers,
        gates: rules.gates,
    })
}

fn method(method: &HttpMethod, query: &[(String, String)]) -> Result<Method, Refusal> {
    let mut listed = false;
    if method == HttpMethod::GET
        && let Some((_, value)) = query.iter().find(|(name, _)| name == "list")
    {
        listed = match value.as_str() {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => true,
            "" | "0" | "f" | "F" | "false" | "False" | "FALSE" => false,
            _ => {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    format!("the query's \"list\" is {value:?}; expected true or false"),
                );
            }
        };
    }
    Ok(match method.as_str() {
        "GET" if listed => Method::List,
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" | "PUT" => Method::Post,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "LIST" => Method::List,
        _ => return refuse(StatusCode::METHOD_NOT_ALLOWED, ""),
    })
}

/// What follows `/v1/`, decoded, and harmless.
fn path(uri: &Uri) -> Result<String, Refusal> {
    let invalid = |why: &str| refuse(StatusCode::BAD_REQUEST, format!("invalid path: {why}"));
    if uri.path().len() + uri.query().map_or(0, str::len) > limits::URI {
        return refuse(StatusCode::URI_TOO_LONG, "the path is too long");
    }
    let Some(raw) = uri.path().strip_prefix("/v1/") else {
        return refuse(StatusCode::NOT_FOUND, "");
    };
    if !valid_escapes(raw) {
        return invalid("it has a broken percent-encoding");
    }
    let Ok(path) = percent_decode_str(raw).decode_utf8() else {
        return invalid("it is not UTF-8");
    };
    if path.contains('\0') {
        return invalid("it contains NUL");
    }
    if path
        .split('/')
        .any(|segment| segment == ".." || segment == ".")
    {
        return invalid("it contains a segment \".\" or \"..\"");
    }
    let path = path.trim_start_matches('/');
    if !path.contains("//") {
        return Ok(path.to_owned());
    }
    // Slashes that follow each other count as one, as they do for Vault's clients, which are redirected.
    let mut clean = String::with_capacity(path.len());
    clean.extend(
        path.chars()
            .scan(' ', |before, c| Some((std::mem::replace(before, c), c)))
            .filter(|pair| *pair != ('/', '/'))
            .map(|(_, c)| c),
    );
    Ok(clean)
}

fn valid_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            bytes
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        })
}

fn query(uri: &Uri) -> Result<Vec<(String, String)>, Refusal> {
    let Some(query) = uri.query() else {
        return Ok(Vec::new());
    };
    Ok(form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect())
}

fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    match headers.get(name).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value.to_owned())),
        Some(Err(_)) => refuse(
            StatusCode::BAD_REQUEST,
            format!("the header {name} is not text"),
        ),
    }
}

fn token(headers: &HeaderMap) -> Result<Option<Zeroizing<String>>, Refusal> {
    if let Some(token) = text(headers, "x-vault-token")?.filter(|token| !token.is_empty()) {
        return Ok(Some(Zeroizing::new(token)));
    }
    let bearer = text(headers, "authorization")?.map(Zeroizing::new);
    Ok(bearer.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| Zeroizing::new(token.trim().to_owned()))
    }))
}

async fn read(limits: Limits, headers: &HeaderMap, body: HttpBody) -> Result<Bytes, Refusal> {
    let too_large = || {
        refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "http: request body too large; {} bytes are allowed",
                limits.body
            ),
        )
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limits.body as u64) {
        return too_large();
    }
    match tokio::time::timeout(limits.body_time, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, "the request body was cut short"),
        Err(_) => refuse(
            StatusCode::REQUEST_TIMEOUT,
            "the request body took too long",
        ),
    }
}

/// What a form says, as JSON. `curl -d` calls everything a form: what begins like an object is one.
fn form_as_json(headers: &HeaderMap, body: Bytes) -> Bytes {
    let is_form = headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    let starts = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if !is_form || matches!(starts, None | Some(b'{')) {
        return body;
    }
    let pairs: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
    serde_json::Value::Object(coffer_core::object_of(&pairs))
        .to_string()
        .into()
}

/// Refuses what would make a parser recurse, without parsing it.
fn check_nesting(body: &[u8]) -> Result<(), Refusal> {
    if coffer_core::nests_deeper(body, limits::NESTING) {
        let message = format!(
            "failed to parse JSON input: it is nested more than {} deep",
            limits::NESTING
        );
        return refuse(StatusCode::BAD_REQUEST, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths() {
        let long = format!("/v1/{}", "x".repeat(limits::URI));
        #[rustfmt::skip]
        let table = [
            ("/v1/secret/data/a%20b", Ok("secret/data/a b")),
            ("/v1/secret/metadata/", Ok("secret/metadata/")),
            ("/v1//sys/health", Ok("sys/health")), ("/v1/a//b///", Ok("a/b/")),
            ("/v1/a%2Fb", Ok("a/b")),
            ("/v1/a/../b", Err(400)), ("/v1/%2e%2e/b", Err(400)), ("/v1/a/.", Err(400)), ("/v1/a%00b", Err(400)),
            ("/v1/%ff", Err(400)), ("/v1/%zz", Err(400)), ("/v1/a%", Err(400)),
            ("/", Err(404)), ("/v2/x", Err(404)), (long.as_str(), Err(414)),
        ];
        for (uri, expected) in table {
            let path = path(&uri.parse().unwrap()).map_err(|refusal| refusal.0.as_u16());
            assert_eq!(path, expected.map(str::to_owned), "{uri}");
        }
    }

    #[tokio::test]
    #[allow(clippy::panic)]
    async fn a_handler_that_panics_is_survived() {
        assert_eq!(survived(async { 1 }).await, Some(1));
        assert_eq!(survived(async { panic!("a fault") }).await, None::<()>);
    }

    #[test]
    fn nesting() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check_nesting(deep(limits::NESTING).as_bytes()).is_ok());
        assert!(check_nesting(deep(limits::NESTING + 1).as_bytes()).is_err());
        assert!(
            check_nesting(format!("{{\"a\": \"{}\\\"[\"}}", "[".repeat(1000)).as_bytes()).is_ok()
        );
    }
}
