//! Where a listener listens, and who comes there.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8200`, or `:8200` for all addresses of this machine; port 0 takes a free one.
    Tcp(String),
    /// A socket in the file system.
    Unix(UnixSocket),
}

/// A socket in the file system. <https://developer.hashicorp.com/vault/docs/configuration/listener/unix>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSocket {
    /// Where.
    pub path: PathBuf,
    /// Its permissions, if not what the process's umask leaves of all.
    pub mode: Option<u32>,
    /// Its owner, by number.
    pub user: Option<u32>,
    /// Its group, by number.
    pub group: Option<u32>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(socket) => write!(f, "{}", socket.path.display()),
        }
    }
}

/// A socket that is bound.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// A connection.
pub(crate) enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Socket {
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let listener = listen_at(address).await?;
                let address = listener.local_addr()?;
                Ok(Self::Tcp(listener, address))
            }
            Address::Unix(socket) => {
                // One that a server before has left; one that somebody answers at, or anything else, stays.
                if std::os::unix::net::UnixStream::connect(&socket.path).is_err() {
                    remove_socket(&socket.path)?;
                }
                let listener = UnixListener::bind(&socket.path)?;
                if socket.user.is_some() || socket.group.is_some() {
                    chown(&socket.path, socket.user, socket.group)?;
                }
                if let Some(mode) = socket.mode {
                    std::fs::set_permissions(&socket.path, std::fs::Permissions::from_mode(mode))?;
                }
                Ok(Self::Unix(listener, socket.path.clone()))
            }
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, remote) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream, remote))
            }
            Self::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = remove_socket(path);
        }
    }
}

fn remove_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

async fn listen_at(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':').map(str::parse) {
        // IPv6 takes connections over IPv4 too. Not every machine has it.
        Some(Ok(port)) => {
            let all = [
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            ];
            TcpListener::bind(&all[..]).await
        }
        _ => TcpListener::bind(address).await,
    }
}
