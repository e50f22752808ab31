use std::time::Duration;

/// What one listener puts up with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request's body, in bytes.
    pub body: usize,
    /// All headers of a request, in bytes.
    pub header_bytes: usize,
    /// How long the headers may take.
    pub header_time: Duration,
    /// How long the body may take.
    pub body_time: Duration,
    /// How long a request may be worked on.
    pub request_time: Duration,
    /// Connections at the same time.
    pub connections: usize,
    /// How long requests under way may go on when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            header_bytes: 64 << 10,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            request_time: Duration::from_secs(90),
            connections: 16_384,
            drain: Duration::from_secs(30),
        }
    }
}

/// How deep JSON may be nested.
pub(crate) const NESTING: usize = 64;
/// A request's headers, by number.
pub(crate) const HEADERS: usize = 100;
/// A path with its query, in bytes.
pub(crate) const URI: usize = 16 << 10;
/// HTTP/2 requests at the same time on one connection.
pub(crate) const STREAMS: u32 = 128;
/// A TLS handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
