//! A connection that heals: made when it is needed, kept, and made again when it turns out to be dead.

use coffer_sdk::network::Stream;
use zeroize::Zeroizing;

use crate::connect::connect;
use crate::error::Error;
use crate::session::{Rows, Session};
use crate::settings::Settings;
use crate::sql;

/// A connection to one server.
pub struct Client {
    settings: Settings,
    session: Option<Session<Stream>>,
}

impl Client {
    /// Not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            session: None,
        }
    }

    /// What it connects with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs the first statement of something, on the connection that there is or on a new one. If the one that there is
    /// turns out to have died while nobody used it, or its server to be of no use any more, on a new one: so it must be a
    /// statement that may run twice.
    ///
    /// # Errors
    /// As [`Session::query`], and if no connection can be made.
    pub fn begin(&mut self, statement: &str) -> Result<Rows, Error> {
        self.first(|session| session.query(statement))
    }

    /// Proves that the server is there, connecting if need be.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn ping(&mut self) -> Result<(), Error> {
        self.first(Session::ping)
    }

    /// Runs a further statement, on the same connection or not at all.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn query(&mut self, statement: &str) -> Result<Rows, Error> {
        let Some(session) = &mut self.session else {
            return Err(Error::lost("the connection was lost"));
        };
        let answer = session.query(statement);
        self.settle(answer)
    }

    /// Ends the connection, and with it what it holds.
    pub fn close(&mut self) {
        self.session = None;
    }

    /// As a string, for the connection that there is.
    pub fn literal(&self, text: &str) -> Zeroizing<String> {
        match &self.session {
            Some(session) => session.literal(text),
            None => sql::literal(text, true),
        }
    }

    fn first<R>(
        &mut self,
        call: impl Fn(&mut Session<Stream>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        if let Some(session) = &mut self.session {
            let answer = call(session);
            match self.settle(answer) {
                Err(error) if error.is_fatal() => {}
                other => return other,
            }
        }
        let session = self.session.insert(connect(&self.settings)?);
        let answer = call(session);
        self.settle(answer)
    }

    fn settle<R>(&mut self, answer: Result<R, Error>) -> Result<R, Error> {
        if answer.as_ref().is_err_and(Error::is_fatal) {
            self.close();
        }
        answer
    }
}
