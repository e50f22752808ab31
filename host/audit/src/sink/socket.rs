//! A server that takes lines, over TCP, UDP or a socket in the file system.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Sink;
use crate::options::SocketNetwork;

pub struct Socket {
    address: String,
    network: SocketNetwork,
    timeout: Duration,
    open: Option<Open>,
}

enum Open {
    Tcp(TcpStream),
    Udp(UdpSocket),
    Unix(UnixStream),
}

impl Open {
    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(lines.concat().as_bytes()),
            Self::Unix(stream) => stream.write_all(lines.concat().as_bytes()),
            Self::Udp(socket) => lines
                .iter()
                .try_for_each(|line| socket.send(line.as_bytes()).map(drop)),
        }
    }
}

impl Socket {
    pub fn new(address: String, network: SocketNetwork, timeout: Duration) -> Self {
        Self {
            address,
            network,
            timeout,
            open: None,
        }
    }

    fn connect(&self) -> io::Result<Open> {
        let timeout = Some(self.timeout);
        match self.network {
            SocketNetwork::Unix => {
                let stream = UnixStream::connect(&self.address)?;
                stream.set_write_timeout(timeout)?;
                Ok(Open::Unix(stream))
            }
            SocketNetwork::Udp => {
                let address = self.resolve()?;
                let any = if address.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Ok(Open::Udp(socket))
            }
            SocketNetwork::Tcp => {
                let stream = TcpStream::connect_timeout(&self.resolve()?, self.timeout)?;
                stream.set_write_timeout(timeout)?;
                stream.set_nodelay(true)?;
                Ok(Open::Tcp(stream))
            }
        }
    }

    fn resolve(&self) -> io::Result<std::net::SocketAddr> {
        let none = || io::Error::other(format!("{:?} has no address", self.address));
        self.address.to_socket_addrs()?.next().ok_or_else(none)
    }

    /// Over the connection that is open, or over a new one.
    fn try_write(&mut self, lines: &[String]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        open.write(lines)?;
        self.open = Some(open);
        Ok(())
    }
}

impl Sink for Socket {
    fn last_line(&mut self) -> io::Result<Option<String>> {
        Ok(None)
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let was_open = self.open.is_some();
        match self.try_write(lines) {
            // The other side may have gone since the last time.
            Err(error) if was_open && error.kind() != io::ErrorKind::WouldBlock => {
                self.try_write(lines)
            }
            done => done,
        }
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}
