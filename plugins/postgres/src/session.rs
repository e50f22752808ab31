//! One session with one server, after it has let us in.
//!
//! Statements go by the simple query protocol: several in one message, several messages in one flight. A server works
//! through a flight in order and answers each message, whatever became of the one before.

use std::io::{Read, Write};

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;

use crate::error::{Error, Fate, ServerError, code};
use crate::limits;
use crate::wire::{Wire, nonsense};

/// The answer to one message.
#[derive(Debug, Default)]
pub struct Answer {
    /// The rows of all its statements, as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// What the server refused: what comes after that in the message was not run.
    pub refused: Option<ServerError>,
    /// A setting of the session was changed, perhaps for longer than the transaction.
    set: bool,
}

impl Answer {
    /// The rows.
    ///
    /// # Errors
    /// What the server refused.
    pub fn rows(self) -> Result<Vec<Vec<Option<String>>>, Error> {
        match self.refused {
            Some(error) => Err(error.into()),
            None => Ok(self.rows),
        }
    }

    /// Whether the connection's user may not do this.
    pub fn lacks_privilege(&self) -> bool {
        self.refused
            .as_ref()
            .is_some_and(|error| error.code == code::INSUFFICIENT_PRIVILEGE)
    }

    /// Whether the first value of its first row is this.
    pub fn says(&self, text: &str) -> bool {
        let first = self.rows.first().and_then(|row| row.first());
        matches!(first, Some(Some(value)) if value == text)
    }
}

/// A session that is ready for statements.
pub struct Session<S> {
    wire: Wire<S>,
}

impl<S: Read + Write> Session<S> {
    /// After `ReadyForQuery`.
    pub fn new(wire: Wire<S>) -> Self {
        Self { wire }
    }

    /// Sends these messages at once, and returns as many answers. A transaction that is left open is rolled back, and
    /// settings (`SET ROLE`, say) do not outlive the flight.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection broke: the session is of no use then. [`Error::Invalid`] if a statement cannot
    /// be sent; nothing was.
    pub fn run(&mut self, flight: &[&str]) -> Result<Vec<Answer>, Error> {
        for statements in flight {
            self.wire.put(|out| frontend::query(statements, out))?;
        }
        self.wire.send()?;
        let mut open = false;
        let mut answers = Vec::with_capacity(flight.len());
        for _ in flight {
            let (answer, still_open) = self.answer()?;
            answers.push(answer);
            open = still_open;
        }
        if open {
            self.clean_up("ROLLBACK")?;
        }
        if answers.iter().any(|answer| answer.set) {
            self.clean_up("DISCARD ALL")?;
        }
        Ok(answers)
    }

    fn clean_up(&mut self, statement: &str) -> Result<(), Error> {
        self.wire.put(|out| frontend::query(statement, out))?;
        self.wire
            .send()
            .map_err(|error| Error::lost(error.to_string()))?;
        let (answer, _) = self.answer()?;
        answer.rows().map(drop)
    }

    fn answer(&mut self) -> Result<(Answer, bool), Error> {
        let mut answer = Answer::default();
        loop {
            let first = !self.wire.heard();
            match self.wire.receive()? {
                Message::DataRow(row) if answer.rows.len() < limits::ROWS => {
                    answer.rows.push(values(&row)?)
                }
                Message::ErrorResponse(body) => {
                    let error = ServerError::parse(&body);
                    if error.is_fatal() {
                        // Said before anything else it was said while we were away: nothing of the flight was run.
                        let fate = if first { Fate::NotRun } else { Fate::Unknown };
                        return Err(Error::Lost {
                            message: error.to_string(),
                            fate,
                        });
                    }
                    answer.refused.get_or_insert(error);
                }
                Message::ReadyForQuery(body) => return Ok((answer, body.status() != b'I')),
                Message::CopyInResponse(_) => {
                    return Err(Error::lost(
                        "COPY FROM STDIN has no place in a role's statements",
                    ));
                }
                Message::CommandComplete(body) => {
                    answer.set |= body.tag().is_ok_and(|tag| tag == "SET")
                }
                Message::RowDescription(_)
                | Message::DataRow(_)
                | Message::EmptyQueryResponse
                | Message::NoticeResponse(_)
                | Message::NotificationResponse(_)
                | Message::ParameterStatus(_)
                | Message::CopyOutResponse(_)
                | Message::CopyData(_)
                | Message::CopyDone => {}
                _ => return Err(nonsense("a message that answers no statement")),
            }
        }
    }
}

fn values(row: &DataRowBody) -> Result<Vec<Option<String>>, Error> {
    let mut values = Vec::new();
    let mut ranges = row.ranges();
    while let Some(range) = ranges.next().map_err(nonsense)? {
        let bytes = match range {
            Some(range) => Some(
                row.buffer()
                    .get(range)
                    .ok_or_else(|| nonsense("a row that is cut off"))?,
            ),
            None => None,
        };
        values.push(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    }
    Ok(values)
}
