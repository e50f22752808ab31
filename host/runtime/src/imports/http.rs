//! `http`: a client for one request at a time, to granted destinations.

use std::sync::Arc;

use http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::network::connect;
use crate::bindings::plugin::coffer::plugin::http as contract;
use crate::bindings::plugin::coffer::plugin::network::{TlsOptions, Verification};
use crate::egress::Grants;
use crate::error::plugin_error;
use crate::outside::{self, Ask};
use crate::state::State;
use crate::{ErrorKind, PluginError, limits, tls};

impl contract::Host for State {
    async fn send(
        &mut self,
        request: contract::Request,
    ) -> wasmtime::Result<Result<contract::Response, PluginError>> {
        if let Some(outside) = &self.outside {
            return Ok(outside::asked(&**outside, Ask::Http(request)).await);
        }
        let grants = self.grants.clone();
        Ok(
            match tokio::time::timeout(limits::HTTP, send(&grants, request)).await {
                Ok(answer) => answer,
                Err(_) => Err(unavailable(format!("no answer for {:?}", limits::HTTP))),
            },
        )
    }
}

fn invalid(message: String) -> PluginError {
    plugin_error(ErrorKind::InvalidRequest, message)
}

fn unavailable(message: String) -> PluginError {
    plugin_error(ErrorKind::Unavailable, message)
}

async fn send(
    grants: &Grants,
    request: contract::Request,
) -> Result<contract::Response, PluginError> {
    let no_url = || invalid(format!("{:?} is no URL of http or https", request.url));
    let uri: Uri = request.url.parse().map_err(|_| no_url())?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(no_url()),
    };
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(no_url)?;
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    if request.body.len() > limits::HTTP_BODY {
        return Err(invalid(format!(
            "a request's body has {} bytes; {} are allowed",
            request.body.len(),
            limits::HTTP_BODY
        )));
    }
    let options = request.tls.clone().unwrap_or_else(|| TlsOptions {
        server_name: host.trim_matches(['[', ']']).to_owned(),
        verification: Verification::Full,
        root_certificates: String::new(),
        client_certificate: String::new(),
        client_key: String::new(),
    });
    let prepared = prepare(&uri, host, request)?;
    let stream = connect(grants, host, port).await?;
    if !secure {
        return exchange(stream, prepared).await;
    }
    let config = tls::config(&options).map_err(invalid)?;
    let name = tls::server_name(&options).map_err(invalid)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| unavailable(format!("TLS with {host}:{port}: {error}")))?;
    exchange(stream, prepared).await
}

/// The request as it goes over the wire.
fn prepare(
    uri: &Uri,
    host: &str,
    request: contract::Request,
) -> Result<http::Request<Full<Bytes>>, PluginError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = match uri.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(path)
        .header(http::header::HOST, authority);
    for (name, value) in request.headers {
        // The host says whom it talks to, and how long what it says is.
        let own = [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
        ];
        if own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(invalid(format!("the header {name:?} is set by the host")));
        }
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(Bytes::from(request.body)))
        .map_err(|error| invalid(format!("this is no request: {error}")))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> Result<contract::Response, PluginError> {
    let failed =
        |error: &dyn std::fmt::Display| unavailable(format!("the request failed: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(limits::HTTP_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limits::HTTP_BODY)
            .collect()
            .await
            .map_err(|error| failed(&error))?;
        let headers = head.headers.iter().filter_map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes()).ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        Ok(contract::Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: body.to_bytes().into(),
        })
    };
    // The connection moves the bytes, and ends with the answer: whichever fails first says so through the other.
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(&error)),
        },
    }
}
