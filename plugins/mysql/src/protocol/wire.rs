//! Packets over a byte stream: bounded, and in order.

use std::io::{Read, Write};

use zeroize::Zeroizing;

use super::tag;
use crate::error::{Error, nonsense};
use crate::limits;

/// Both directions of a connection.
pub struct Wire<S> {
    stream: S,
    /// The number of the next packet, of either side.
    sequence: u8,
    /// What the server may still say.
    budget: usize,
}

impl<S: Read + Write> Wire<S> {
    /// Over a stream that is connected.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            sequence: 0,
            budget: limits::ANSWER,
        }
    }

    /// The stream, between two packets.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// A new command follows.
    pub fn start(&mut self) {
        self.sequence = 0;
        self.budget = limits::ANSWER;
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// Lost, if the connection is broken.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), Error> {
        let len = u32::try_from(payload.len())
            .ok()
            .filter(|len| *len < 0xff_ffff)
            .ok_or_else(|| Error::Invalid("a packet that is too long".to_owned()))?;
        let [a, b, c, _] = len.to_le_bytes();
        let mut packet = Zeroizing::new(Vec::with_capacity(payload.len() + 4));
        packet.extend([a, b, c, self.sequence]);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream
            .write_all(&packet)
            .and_then(|()| self.stream.flush())
            .map_err(Error::lost)
    }

    /// The next packet. It is not empty.
    ///
    /// # Errors
    /// Lost, if the connection is broken, or what comes is no MySQL.
    pub fn receive(&mut self) -> Result<Vec<u8>, Error> {
        let mut header = [0; 4];
        self.fill(&mut header)?;
        let [a, b, c, sequence] = header;
        let len = u32::from_le_bytes([a, b, c, 0]);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > limits::PACKET {
            return Err(nonsense(format!(
                "a packet of {len} bytes; {} are allowed",
                limits::PACKET
            )));
        }
        if len == 0 {
            return Err(nonsense("an empty packet"));
        }
        self.budget = self
            .budget
            .checked_sub(len + header.len())
            .ok_or_else(|| nonsense("an answer without an end"))?;
        let mut payload = vec![0; len];
        self.fill(&mut payload)?;
        // A server that closes a connection says so when nobody asked.
        let goodbye = sequence == 0 && payload.first() == Some(&tag::ERR);
        if sequence != self.sequence && !goodbye {
            return Err(nonsense("packets that are out of order"));
        }
        self.sequence = sequence.wrapping_add(1);
        Ok(payload)
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.stream.read_exact(out).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                return Error::lost("the server closed the connection");
            }
            Error::lost(error)
        })
    }
}
