//! The client/server protocol: as much of it as statements in text need.

mod handshake;
mod reader;
mod wire;

pub use handshake::{Greeting, Response, capability};
pub use reader::Reader;
pub use wire::Wire;

use crate::error::{Error, ServerError, nonsense};
use crate::limits;

/// The first byte of a packet of the server.
pub mod tag {
    /// Done.
    pub const OK: u8 = 0x00;
    /// More to an authentication plugin.
    pub const MORE: u8 = 0x01;
    /// The server wants a file.
    pub const FILE: u8 = 0xfb;
    /// The end of columns or rows; in a login, another authentication plugin.
    pub const EOF: u8 = 0xfe;
    /// Refused.
    pub const ERR: u8 = 0xff;
}

/// Flags of the server's status.
pub mod status {
    /// Another answer follows.
    pub const MORE_RESULTS: u16 = 0x0008;
    /// `\` is a character like any other in strings.
    pub const NO_BACKSLASH_ESCAPES: u16 = 0x0200;
}

/// The status in an `OK` packet.
///
/// # Errors
/// If it is none.
pub fn ok_status(packet: &[u8]) -> Result<u16, Error> {
    let mut reader = Reader::new(packet);
    reader.byte()?;
    // Rows that were changed, and the last number that was given out.
    reader.length()?;
    reader.length()?;
    reader.u16()
}

/// The status in an `EOF` packet.
///
/// # Errors
/// If it is none.
pub fn eof_status(packet: &[u8]) -> Result<u16, Error> {
    let mut reader = Reader::new(packet);
    reader.byte()?;
    // Warnings.
    reader.u16()?;
    reader.u16()
}

/// Whether it is an `EOF` packet: a row may start with the same byte, but is longer then.
pub fn is_eof(packet: &[u8]) -> bool {
    packet.first() == Some(&tag::EOF) && packet.len() < 9
}

/// An `ERR` packet. What is not UTF-8 is read as well as it can be.
pub fn refusal(packet: &[u8]) -> Error {
    let mut reader = Reader::new(packet);
    let (Ok(tag::ERR), Ok(code)) = (reader.byte(), reader.u16()) else {
        return nonsense("an error that is cut off");
    };
    let text = String::from_utf8_lossy(reader.rest());
    let (state, message) = match text.strip_prefix('#') {
        Some(rest) if rest.is_char_boundary(5.min(rest.len())) => rest.split_at(5.min(rest.len())),
        _ => ("", text.as_ref()),
    };
    ServerError {
        code,
        state: state.to_owned(),
        message: message.chars().take(limits::MESSAGE).collect(),
    }
    .into()
}

#[cfg(test)]
mod tests;
