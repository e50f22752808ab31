//! Byte streams to the destinations that the operator granted; in `cargo test`, real sockets to those that the test did.

use std::io::{self, Read, Write};

use crate::bindings::plugin::coffer::plugin::network as contract;
#[cfg(not(target_family = "wasm"))]
use crate::testing::network::{Connection, connect};
use crate::{Error, Result};
#[cfg(target_family = "wasm")]
use contract::{Connection, connect};

pub use contract::{TlsOptions, Verification};

/// A stream. The host connects, and speaks TLS.
pub struct Stream {
    connection: Connection,
    // Read from the host but not by the caller yet.
    buffer: Vec<u8>,
    at: usize,
}

impl Stream {
    /// Connects.
    ///
    /// # Errors
    /// Permission denied if the operator has not granted the destination; unavailable if nobody answers there.
    pub fn connect(host: &str, port: u16) -> Result<Self> {
        Ok(Self {
            connection: connect(host, port)?,
            buffer: Vec::new(),
            at: 0,
        })
    }

    /// From here on it is TLS. Can be called once.
    ///
    /// # Errors
    /// Invalid for options that make no sense; unavailable if the handshake fails, or if something came in the clear that
    /// was not read: it would be taken for what the other side says within TLS.
    pub fn start_tls(&mut self, options: &TlsOptions) -> Result<()> {
        if self.at != self.buffer.len() {
            return Err(Error::unavailable(
                "something came in the clear where TLS was to start",
            ));
        }
        self.connection.start_tls(options)
    }
}

fn io_error(error: crate::Error) -> io::Error {
    io::Error::other(error.message)
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            self.buffer = self.connection.read(64 << 10).map_err(io_error)?;
            self.at = 0;
        }
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let len = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at += len;
        Ok(len)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write(bytes).map_err(io_error)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
