//! The network of a test: real sockets to what was granted, and faults when the test says so.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use serde_json::json;

use super::{Host, recording, tls};
use crate::network::TlsOptions;
use crate::{Error, Result};

/// A server that does not answer fails a test instead of stopping it.
const CONNECT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);
/// What the contract allows of one read.
const READ: usize = 1 << 20;

/// Something that goes wrong on the network. The number is which call it hits, counted over all streams from the moment
/// that the fault was asked for: 1 is the next. The stream is of no use afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answers where a stream is to lead.
    Connect(usize),
    /// A read fails.
    Read(usize),
    /// A write fails, and nothing of it arrives.
    Write(usize),
    /// A TLS handshake fails.
    StartTls(usize),
    /// A read finds the end of the stream.
    End(usize),
}

/// What a plugin does with the network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Connect,
    Read,
    Write,
    StartTls,
}

impl Fault {
    fn parts(&mut self) -> (Call, &mut usize) {
        match self {
            Self::Connect(left) => (Call::Connect, left),
            Self::Read(left) | Self::End(left) => (Call::Read, left),
            Self::Write(left) => (Call::Write, left),
            Self::StartTls(left) => (Call::StartTls, left),
        }
    }
}

/// What this thread's host knows of the network.
#[derive(Default)]
pub(super) struct Network {
    granted: BTreeSet<(String, u16)>,
    faults: Vec<Fault>,
}

/// A name as it is compared: `[::1]` is `::1`, and case does not matter.
fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).to_ascii_lowercase()
}

impl Network {
    pub(super) fn allow(&mut self, host: &str, port: u16) {
        self.granted.insert((plain(host), port));
    }

    pub(super) fn is_allowed(&self, host: &str, port: u16) -> bool {
        self.granted.contains(&(plain(host), port))
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The fault that hits this call, if one does.
    fn strike(&mut self, call: Call) -> Option<Fault> {
        let mut hit = None;
        self.faults.retain_mut(|fault| {
            let (hits, left) = fault.parts();
            if hits != call {
                return true;
            }
            *left = left.saturating_sub(1);
            let due = *left == 0;
            if due {
                hit = Some(*fault);
            }
            !due
        });
        hit
    }
}

fn strike(call: Call) -> Option<Fault> {
    Host::with(|host| host.network.strike(call))
}

fn on_demand(what: &str) -> Error {
    Error::unavailable(format!("{what}: the test lets it fail"))
}

/// A plugin's stream, as the contract has it.
pub(crate) struct Connection {
    stream: Stream,
    peer: String,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// It came to its end: nothing more is read, and nobody reads what is written.
    Ended,
    Broken,
}

/// Real TCP, if the test allows it, or what a recording has.
pub(crate) fn connect(host: &str, port: u16) -> Result<Connection> {
    let mut connection = None;
    recording::through("connect", (host, port), || {
        connection = Some(dial(host, port)?);
        Ok(())
    })?;
    Ok(connection.unwrap_or(Connection {
        stream: Stream::Ended,
        peer: format!("{host}:{port}"),
    }))
}

fn dial(host: &str, port: u16) -> Result<Connection> {
    if !Host::with(|state| state.network.is_allowed(host, port)) {
        return Err(Error::denied(format!(
            "no network was granted to this test: Host::allow({host:?}, {port})"
        )));
    }
    let peer = format!("{host}:{port}");
    if strike(Call::Connect).is_some() {
        return Err(on_demand(&format!("cannot connect to {peer}")));
    }
    let addresses = (plain(host).as_str(), port)
        .to_socket_addrs()
        .map_err(|error| Error::unavailable(format!("cannot resolve {host:?}: {error}")))?;
    let mut reason = format!("{host:?} has no address");
    for address in addresses {
        match open(&address) {
            Ok(stream) => {
                let stream = Stream::Plain(stream);
                return Ok(Connection { stream, peer });
            }
            Err(error) => reason = format!("cannot connect to {address}: {error}"),
        }
    }
    Err(Error::unavailable(reason))
}

fn open(address: &std::net::SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, CONNECT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Connection {
    pub(crate) fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        let call = json!({ "from": self.peer, "max": max });
        recording::through("read", call, || self.receive(max))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let call = json!({ "to": self.peer, "bytes": bytes });
        recording::through("write", call, || self.send(bytes))
    }

    pub(crate) fn start_tls(&mut self, options: &TlsOptions) -> Result<()> {
        let call = json!({ "with": self.peer, "server_name": options.server_name });
        recording::through("start_tls", call, || self.encrypt(options))
    }

    fn receive(&mut self, max: u32) -> Result<Vec<u8>> {
        match strike(Call::Read) {
            Some(Fault::End(_)) => self.stream = Stream::Ended,
            Some(_) => {
                self.stream = Stream::Broken;
                return Err(on_demand(&format!("reading from {}", self.peer)));
            }
            None => {}
        }
        let mut bytes = vec![0; usize::try_from(max).unwrap_or(READ).clamp(1, READ)];
        let read = loop {
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut bytes),
                Stream::Tls(stream) => stream.read(&mut bytes),
                Stream::Ended => Ok(0),
                Stream::Broken => return Err(self.broken()),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let len = read
            .map_err(|error| Error::unavailable(format!("reading from {}: {error}", self.peer)))?;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if strike(Call::Write).is_some() {
            self.stream = Stream::Broken;
            return Err(on_demand(&format!("writing to {}", self.peer)));
        }
        let written = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Stream::Ended | Stream::Broken => return Err(self.broken()),
        };
        written.map_err(|error| Error::unavailable(format!("writing to {}: {error}", self.peer)))
    }

    fn encrypt(&mut self, options: &TlsOptions) -> Result<()> {
        let config = tls::config(options).map_err(Error::invalid)?;
        let name = tls::server_name(options).map_err(Error::invalid)?;
        let mut socket = match std::mem::replace(&mut self.stream, Stream::Broken) {
            Stream::Plain(socket) => socket,
            Stream::Tls(_) => {
                return Err(Error::invalid("TLS was started already on this connection"));
            }
            Stream::Ended | Stream::Broken => return Err(self.broken()),
        };
        let failed = |error: &dyn std::fmt::Display| {
            Error::unavailable(format!("TLS with {}: {error}", self.peer))
        };
        if strike(Call::StartTls).is_some() {
            return Err(on_demand(&format!("TLS with {}", self.peer)));
        }
        let mut connection =
            ClientConnection::new(Arc::new(config), name).map_err(|error| failed(&error))?;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut socket)
                .map_err(|error| failed(&error))?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(connection, socket)));
        Ok(())
    }

    fn broken(&self) -> Error {
        Error::unavailable(format!("the connection to {} is broken", self.peer))
    }
}

#[cfg(test)]
mod tests;
