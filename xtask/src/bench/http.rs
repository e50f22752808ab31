//! One kept HTTP/1.1 connection: the least that a load generator can spend on a request.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Below `/v1/`.
    pub path: String,
    /// Empty for none.
    pub token: String,
    /// JSON; empty for none.
    pub body: String,
}

impl Call {
    /// GET.
    pub fn get(path: impl Into<String>, token: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            token: token.to_owned(),
            body: String::new(),
        }
    }

    /// POST.
    pub fn post(path: impl Into<String>, token: &str, body: &serde_json::Value) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            token: token.to_owned(),
            body: body.to_string(),
        }
    }
}

/// The connection.
pub struct Connection {
    address: SocketAddr,
    host: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let host =
            HeaderValue::try_from(address.to_string()).map_err(|error| failed(address, &error))?;
        Ok(Self {
            address,
            host,
            sender: connect(address).await?,
        })
    }

    /// Sends a request and reads the whole answer. Connects again if the server closed the connection before.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send(&mut self, call: &Call) -> Result<(u16, Bytes)> {
        if self.sender.ready().await.is_err() {
            self.sender = connect(self.address).await?;
        }
        let uri: Uri = format!("/v1/{}", call.path)
            .parse()
            .map_err(|error| failed(self.address, &error))?;
        let mut request = Request::new(Full::new(Bytes::from(call.body.clone())));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if !call.token.is_empty() {
            let token =
                HeaderValue::try_from(&call.token).map_err(|error| failed(self.address, &error))?;
            headers.insert("x-vault-token", token);
        }
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|error| failed(self.address, &error))?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| failed(self.address, &error))?;
        Ok((status, body.to_bytes()))
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| failed(address, &error))?;
    stream
        .set_nodelay(true)
        .map_err(|error| failed(address, &error))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(address, &error))?;
    tokio::spawn(async move {
        // How it ended is told by the request that it ended under.
        connection.await.ok();
    });
    Ok(sender)
}

fn failed(address: SocketAddr, error: &dyn std::error::Error) -> Error {
    Error::other(format!("{address}: {error}"))
}
