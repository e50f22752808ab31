//! HTTP: listeners, TLS, limits, and the way from a request on the wire to the core's and back.
//!
//! Whatever arrives is bounded before it is believed: headers by number, size and time, bodies by size, nesting and time,
//! connections by number. Everything that is refused is refused in Vault's shape, `{"errors": [...]}`.
//! It knows nothing of tokens, policies or paths: `/v1/` is the core's.

mod cors;
mod forwarded;
mod handler;
mod limits;
mod listener;
mod proxied;
mod socket;
mod tls;

pub use crate::forwarded::ForwardedFor;
pub use crate::handler::answer;
pub use crate::limits::Limits;
pub use crate::listener::{Bound, ListenerConfig, Rules, ServeError, Server};
pub use crate::proxied::ProxyProtocol;
pub use crate::socket::{Address, UnixSocket};
pub use crate::tls::{Certificates, TlsFiles, TlsVersion, cipher_suites};
