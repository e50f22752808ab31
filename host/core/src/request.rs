//! A request and a response as the API layer sees them: HTTP without the connection.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// The verb, with the aliases already folded: PUT is POST, and GET with `list=true` is LIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: answered as GET, without a body.
    Head,
    /// POST or PUT.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// LIST, or GET with `list=true`.
    List,
}

impl Method {
    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::List => "LIST",
        }
    }

    /// Whether the body counts: it is where a write has its parameters.
    pub fn writes(self) -> bool {
        matches!(self, Self::Post | Self::Patch)
    }
}

/// One call to `/v1/...`.
pub struct Request {
    /// The verb.
    pub method: Method,
    /// What follows `/v1/`, percent-decoded, with no NUL and no `.` or `..` segment. A trailing slash is kept.
    pub path: String,
    /// The query string, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The body as it came.
    pub body: Bytes,
    /// From `X-Vault-Token` or `Authorization: Bearer`.
    pub token: Option<Zeroizing<String>>,
    /// From `X-Vault-Namespace`; empty for the root namespace.
    pub namespace: String,
    /// From `X-Vault-Wrap-TTL`.
    pub wrap_ttl: Option<String>,
    /// The client's address.
    pub remote: SocketAddr,
    /// All headers.
    pub headers: http::HeaderMap,
    /// Who may do what through the listener that it came in by.
    pub gates: Gates,
}

/// Who may call the paths that listeners differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// Making new key shares, `sys/rekey`: with a token that has `sudo`, if it is closed.
    pub rekey: Gate,
    /// Making a root token, `sys/generate-root`: with a token that has `sudo`, if it is closed.
    pub generate_root: Gate,
    /// `sys/metrics`.
    pub metrics: Gate,
    /// `sys/in-flight-req`.
    pub in_flight: Gate,
}

/// Whether a path wants a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Anybody may call.
    Open,
    /// A token is needed.
    Closed,
}

impl Default for Gates {
    /// As Vault has it.
    fn default() -> Self {
        Self {
            rekey: Gate::Open,
            generate_root: Gate::Open,
            metrics: Gate::Closed,
            in_flight: Gate::Closed,
        }
    }
}

/// What goes back.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Body,
    /// Headers besides those that every response has.
    pub headers: Vec<ResponseHeader>,
}

/// A header's name and its value.
pub type ResponseHeader = (Cow<'static, str>, String);

/// A response's body.
pub enum Body {
    /// None.
    Empty,
    /// A JSON document.
    Json(Bytes),
    /// Text of a content type.
    Text(Cow<'static, str>, Bytes),
    /// Lines that come as they are made, until the client has enough.
    Lines(mpsc::Receiver<Bytes>),
}
