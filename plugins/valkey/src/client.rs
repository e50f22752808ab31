//! A connection that heals: made when it is needed, kept, and made again when it turns out to be dead.

use coffer_sdk::network::Stream;

use crate::config::Config;
use crate::error::Error;
use crate::wire::{Reply, Wire};

/// A connection to one server.
pub struct Client {
    config: Config,
    session: Option<Wire<Stream>>,
}

impl Client {
    /// Not connected yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            session: None,
        }
    }

    /// What it connects with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Runs one command that may be run twice. If the connection that there is has died while nobody used it, it runs again
    /// on a new one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn first(&mut self, command: &[&str]) -> Result<Reply, Error> {
        let kept = self.session.is_some();
        match self.run([command]) {
            Err(Error::Lost(_)) if kept => self.run([command]),
            other => other,
        }
        .map(|[reply]| reply)
    }

    /// Runs commands, once. After a failure there is no connection any more: so what a call does by this when its first
    /// command has succeeded, it does on the same connection or not at all.
    ///
    /// # Errors
    /// If there is no connection, or it is of no use any more. What the server refused is among the replies.
    pub fn run<const N: usize>(&mut self, commands: [&[&str]; N]) -> Result<[Reply; N], Error> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.log_in()?,
        };
        let replies = session.run(commands)?;
        for reply in &replies {
            if let Reply::Refused(refusal) = reply
                && refusal.is_away()
            {
                return Err(refusal.clone().into());
            }
        }
        self.session = Some(session);
        Ok(replies)
    }

    fn log_in(&self) -> Result<Wire<Stream>, Error> {
        self.connect().map_err(|error| match error {
            // Whatever is said to a login, there is no connection.
            Error::Lost(_) | Error::Refused(_) => Error::Lost(format!(
                "cannot connect to {}:{}: {error}",
                self.config.host, self.config.port
            )),
            other => other,
        })
    }

    fn connect(&self) -> Result<Wire<Stream>, Error> {
        let Config {
            host,
            port,
            username,
            password,
            tls,
            ..
        } = &self.config;
        let mut stream = Stream::connect(host, *port)?;
        if let Some(options) = tls {
            stream.start_tls(options)?;
        }
        let mut wire = Wire::new(stream);
        match wire.run([&["AUTH", username, password]])? {
            [Reply::Text(text)] if text == "OK" => Ok(wire),
            [Reply::Refused(refusal)] => Err(refusal.into()),
            _ => Err(Error::nonsense("what is no answer to a login")),
        }
    }
}
