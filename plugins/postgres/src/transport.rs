//! What the driver asks of a network: nothing more than the contract gives a plugin, so that it runs over the host's
//! streams and, in tests, over a socket.

use std::io::{self, Read, Write};

use crate::settings::Certificates;

/// How much of the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Nothing.
    None,
    /// That a trusted root vouches for it.
    Chain,
    /// And that it is for this server.
    Full,
}

/// A byte stream.
pub trait Transport: Read + Write {
    /// From here on it is TLS.
    ///
    /// # Errors
    /// If the handshake fails; the stream is of no use then.
    fn start_tls(
        &mut self,
        name: &str,
        verification: Verification,
        certificates: &Certificates,
    ) -> io::Result<()>;
}

/// Makes byte streams.
pub trait Dial {
    /// What it makes.
    type Stream: Transport;

    /// Connects.
    ///
    /// # Errors
    /// If that fails; [`io::ErrorKind::PermissionDenied`] if it is not allowed.
    fn dial(&mut self, host: &str, port: u16) -> io::Result<Self::Stream>;
}
