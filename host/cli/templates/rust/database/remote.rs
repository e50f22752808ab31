//! The server, over the network. `Stream` is `std::io::Read` and `Write`; `Stream::start_tls` encrypts it.

use coffer_sdk::network::Stream;
use coffer_sdk::{Error, Result};

use crate::{Server, Settings};

/// A server, connected when there is something to say to it.
pub struct Remote {
    settings: Settings,
    stream: Option<Stream>,
}

impl Remote {
    fn stream(&mut self) -> Result<&mut Stream> {
        let connected = match self.stream.take() {
            Some(stream) => stream,
            // This is where to log in, as `settings.username`.
            None => Stream::connect(&self.settings.host, self.settings.port)?,
        };
        Ok(self.stream.insert(connected))
    }

    /// Refuses, rather than pretend.
    fn unwritten<T>(&mut self, what: &str) -> Result<T> {
        self.stream()?;
        Err(Error::unsupported(format!(
            "src/remote.rs cannot {what} yet"
        )))
    }
}

impl Server for Remote {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            stream: None,
        }
    }

    fn exists(&mut self, _user: &str) -> Result<bool> {
        self.unwritten("look for users")
    }

    fn create(&mut self, _user: &str, _password: &str) -> Result<()> {
        self.unwritten("make users")
    }

    fn set_password(&mut self, _user: &str, _password: &str) -> Result<()> {
        self.unwritten("change passwords")
    }

    fn remove(&mut self, _user: &str) -> Result<()> {
        self.unwritten("remove users")
    }

    fn ping(&mut self) -> Result<()> {
        self.stream().map(drop)
    }
}
