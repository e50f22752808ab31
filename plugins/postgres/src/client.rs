//! A connection that heals: made when it is needed, kept, and made again when it turns out to be dead.

use coffer_sdk::network::Stream;

use crate::connect::connect;
use crate::error::{Error, Fate};
use crate::session::{Answer, Session};
use crate::settings::Settings;

/// A connection to one database.
pub struct Client {
    settings: Settings,
    session: Option<Session<Stream>>,
    /// Which host the next connection tries first.
    host: usize,
}

impl Client {
    /// Not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            session: None,
            host: 0,
        }
    }

    /// What it connects with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs a flight ([`Session::run`]) on the connection that there is, or on a new one. If the one that there is turns out
    /// to have died while nobody used it, or a server to be a standby by now, the flight runs again on a new one: nothing
    /// has been done yet. Once for the connection that there was, and once for each further host.
    ///
    /// `done` is for a flight that must not take effect twice: a query that has a row once it did. It is asked only if a
    /// connection died without a word.
    ///
    /// # Errors
    /// As [`Session::run`], and if no connection can be made.
    pub fn run(&mut self, flight: &[&str], done: Option<&str>) -> Result<Vec<Answer>, Error> {
        let mut left =
            self.settings.hosts.len().saturating_sub(1) + usize::from(self.session.is_some());
        loop {
            let kept = self.session.is_some();
            match self.once(flight) {
                Err(Error::Lost {
                    fate: Fate::NotRun, ..
                }) if left > 0 => {}
                Err(Error::Lost {
                    fate: Fate::Unheard,
                    message,
                }) if left > 0 && kept => self.check(done, &message)?,
                Err(Error::Server(error)) if left > 0 && error.is_failover() => {}
                other => return other,
            }
            left -= 1;
        }
    }

    /// That it was not done after all.
    fn check(&mut self, done: Option<&str>, message: &str) -> Result<(), Error> {
        let Some(done) = done else { return Ok(()) };
        let answer = self.once(&[done])?.into_iter().next().unwrap_or_default();
        if answer.rows()?.is_empty() {
            return Ok(());
        }
        Err(Error::lost(format!(
            "{message}: what was under way was done, perhaps by somebody else"
        )))
    }

    fn once(&mut self, flight: &[&str]) -> Result<Vec<Answer>, Error> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let (session, host) = connect(&self.settings, self.host)?;
                self.host = host;
                session
            }
        };
        let answers = session.run(flight);
        match &answers {
            Ok(answers) => {
                let failover = answers
                    .iter()
                    .filter_map(|answer| answer.refused.as_ref())
                    .find(|error| error.is_failover());
                if let Some(error) = failover {
                    self.host = self.host.wrapping_add(1) % self.settings.hosts.len().max(1);
                    return Err(error.clone().into());
                }
                self.session = Some(session);
            }
            Err(Error::Invalid(_)) => self.session = Some(session),
            Err(_) => {}
        }
        answers
    }
}
