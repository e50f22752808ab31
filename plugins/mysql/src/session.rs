//! One session with a server that has let us in. Statements go as text, one after the other.

use std::io::{Read, Write};

use zeroize::Zeroizing;

use crate::error::{Error, nonsense};
use crate::limits;
use crate::protocol::{Reader, Wire, eof_status, is_eof, ok_status, refusal, status, tag};
use crate::sql;

/// Rows, as text.
pub type Rows = Vec<Vec<Option<String>>>;

const QUERY: u8 = 0x03;
const PING: u8 = 0x0e;

/// A session that is ready for statements.
pub struct Session<S> {
    wire: Wire<S>,
    status: u16,
}

impl<S: Read + Write> Session<S> {
    /// After the login, which ended with this status.
    pub fn new(wire: Wire<S>, status: u16) -> Self {
        Self { wire, status }
    }

    /// Runs a statement. Returns the rows of all its answers.
    ///
    /// # Errors
    /// [`Error::Server`] if the server refused it; [`Error::Invalid`] if it cannot be sent. After anything else
    /// ([`Error::is_fatal`]) the session is of no use.
    pub fn query(&mut self, statement: &str) -> Result<Rows, Error> {
        if statement.len() > limits::STATEMENT {
            return Err(Error::Invalid(format!(
                "a statement of {} bytes; {} are allowed",
                statement.len(),
                limits::STATEMENT
            )));
        }
        let mut packet = Zeroizing::new(Vec::with_capacity(statement.len() + 1));
        packet.push(QUERY);
        packet.extend(statement.as_bytes());
        self.wire.start();
        self.wire.send(&packet)?;
        let mut rows = Rows::new();
        loop {
            self.answer(&mut rows)?;
            if self.status & status::MORE_RESULTS == 0 {
                return Ok(rows);
            }
        }
    }

    /// Proves that the server is there.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn ping(&mut self) -> Result<(), Error> {
        self.wire.start();
        self.wire.send(&[PING])?;
        let packet = self.wire.receive()?;
        match packet.first() {
            Some(&tag::OK) => {
                self.status = ok_status(&packet)?;
                Ok(())
            }
            Some(&tag::ERR) => Err(refusal(&packet)),
            _ => Err(nonsense("a packet that answers no ping")),
        }
    }

    /// As a string of this server's.
    pub fn literal(&self, text: &str) -> Zeroizing<String> {
        sql::literal(text, self.status & status::NO_BACKSLASH_ESCAPES == 0)
    }

    fn answer(&mut self, rows: &mut Rows) -> Result<(), Error> {
        let packet = self.wire.receive()?;
        self.status = match packet.first() {
            Some(&tag::OK) => ok_status(&packet)?,
            Some(&tag::ERR) => return Err(refusal(&packet)),
            Some(&tag::FILE) => {
                return Err(Error::lost(
                    "LOAD DATA LOCAL has no place in a role's statements",
                ));
            }
            _ => self.rows(&packet, rows)?,
        };
        Ok(())
    }

    /// What follows the number of columns. Returns the status at the end.
    fn rows(&mut self, head: &[u8], rows: &mut Rows) -> Result<u16, Error> {
        let columns = Reader::new(head).length()?.unwrap_or(0);
        if columns == 0 || columns > limits::COLUMNS {
            return Err(nonsense(format_args!("{columns} columns")));
        }
        for _ in 0..columns {
            let column = self.wire.receive()?;
            if column.first() == Some(&tag::ERR) {
                return Err(refusal(&column));
            }
        }
        if !is_eof(&self.wire.receive()?) {
            return Err(nonsense("columns without an end"));
        }
        loop {
            let packet = self.wire.receive()?;
            if packet.first() == Some(&tag::ERR) {
                return Err(refusal(&packet));
            }
            if is_eof(&packet) {
                return eof_status(&packet);
            }
            let row = row(&packet, columns)?;
            if rows.len() < limits::ROWS {
                rows.push(row);
            }
        }
    }
}

fn row(packet: &[u8], columns: u64) -> Result<Vec<Option<String>>, Error> {
    let mut reader = Reader::new(packet);
    let mut row = Vec::new();
    for _ in 0..columns {
        let value = reader.value()?;
        row.push(value.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    }
    Ok(row)
}
