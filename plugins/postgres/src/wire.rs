//! Messages over a byte stream: buffered, bounded, and with no trust in what the other side says of their length.

use std::io::{self, Read, Write};

use bytes::BytesMut;
use postgres_protocol::message::backend::{Header, Message};

use crate::error::{Error, Fate};
use crate::limits;

/// The two directions of a connection.
pub struct Wire<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    /// An answer came back since the last flight was sent.
    heard: bool,
}

impl<S: Read + Write> Wire<S> {
    /// Over a stream that is connected.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            heard: false,
        }
    }

    /// The stream, while nothing is buffered: before the protocol proper starts.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Adds a message to the next flight.
    ///
    /// # Errors
    /// If it holds a NUL or is too long for the protocol.
    pub fn put(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), Error> {
        let before = self.output.len();
        write(&mut self.output).map_err(|error| {
            self.output.truncate(before);
            Error::Invalid(format!("cannot be said to PostgreSQL: {error}"))
        })
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// If the connection is broken: nothing of the flight has run then, as far as one can tell.
    pub fn send(&mut self) -> Result<(), Error> {
        self.heard = false;
        let sent = self
            .stream
            .write_all(&self.output)
            .and_then(|()| self.stream.flush());
        self.output.clear();
        sent.map_err(|error| Error::Lost {
            message: error.to_string(),
            fate: Fate::Unheard,
        })
    }

    /// The next message.
    ///
    /// # Errors
    /// If the connection is broken, or what comes is no PostgreSQL.
    pub fn receive(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(header) = Header::parse(&self.input).map_err(nonsense)?
                && usize::try_from(header.len()).is_ok_and(|len| len > limits::MESSAGE)
            {
                return Err(Error::lost(format!(
                    "the server answers nonsense: a message of {} bytes; {} are allowed",
                    header.len(),
                    limits::MESSAGE
                )));
            }
            if let Some(message) = Message::parse(&mut self.input).map_err(nonsense)? {
                // A server that goes down may say so to whoever is connected, and that answers nothing.
                self.heard |= !matches!(
                    message,
                    Message::NoticeResponse(_)
                        | Message::NotificationResponse(_)
                        | Message::ParameterStatus(_)
                );
                return Ok(message);
            }
            self.fill()?;
        }
    }

    /// Whether the last flight was answered with anything yet.
    pub fn heard(&self) -> bool {
        self.heard
    }

    fn fill(&mut self) -> Result<(), Error> {
        let fate = if self.heard || !self.input.is_empty() {
            Fate::Unknown
        } else {
            Fate::Unheard
        };
        let have = self.input.len();
        self.input.resize(have + limits::READ, 0);
        let space = self.input.get_mut(have..).unwrap_or_default();
        let result = loop {
            match self.stream.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.input
            .truncate(have + result.as_ref().copied().unwrap_or(0).min(limits::READ));
        match result {
            Ok(0) => Err(Error::Lost {
                message: "the server closed the connection".to_owned(),
                fate,
            }),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Lost {
                message: error.to_string(),
                fate,
            }),
        }
    }
}

/// For what cannot be PostgreSQL's protocol.
pub fn nonsense(what: impl std::fmt::Display) -> Error {
    Error::lost(format!("the server answers nonsense: {what}"))
}
