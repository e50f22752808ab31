//! Who a client is behind a load balancer that says so at the beginning of a connection: the PROXY protocol, versions 1
//! and 2. <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>,
//! <https://developer.hashicorp.com/vault/docs/configuration/listener/tcp#proxy_protocol_behavior>

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use ppp::{HeaderResult, PartialResult, v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The longest header that is read, in bytes. Those of version 2 have usually less than 300.
const LONGEST: usize = 4096;
/// The longest of version 1, which is a line.
const LONGEST_LINE: usize = 107;
/// Before it is looked again whether the rest of a header has come: a socket that has some bytes always says that it is
/// readable.
const PAUSE: Duration = Duration::from_millis(2);

/// Which load balancers are believed, and what becomes of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Whoever says something is believed.
    UseAlways,
    /// Of others than these the header is passed over, and their own address counts.
    AllowAuthorized(Vec<IpNet>),
    /// Others than these are not served.
    DenyUnauthorized(Vec<IpNet>),
}

impl ProxyProtocol {
    /// Takes the header off a connection, if it begins with one. Returns the client's address.
    ///
    /// # Errors
    /// If the header is broken or does not come whole, and if the connection is not to be served.
    pub(crate) async fn client(
        &self,
        stream: &mut TcpStream,
        remote: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let ip = remote.ip().to_canonical();
        let has = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&ip));
        let believed = match self {
            Self::UseAlways => true,
            Self::AllowAuthorized(nets) => has(nets),
            Self::DenyUnauthorized(nets) if has(nets) => true,
            Self::DenyUnauthorized(_) => return Err(io::ErrorKind::PermissionDenied.into()),
        };
        let said = take_header(stream).await?;
        Ok(said.filter(|_| believed).unwrap_or(remote))
    }
}

/// Reads a header; None if there is none, or if it names nobody.
async fn take_header(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut bytes = vec![0; LONGEST];
    let mut before = 0;
    loop {
        let have = stream.peek(&mut bytes).await?;
        if have == before {
            // Closed, or no room for more.
            if have == 0 || have == LONGEST {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        before = have;
        let come = bytes.get(..have).unwrap_or_default();
        let header = HeaderResult::parse(come);
        if header.is_incomplete() {
            if come.starts_with(b"PROXY ") && (have > LONGEST_LINE || come.contains(&b'\n')) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            continue;
        }
        let Some((length, client)) = understood(&header)? else {
            return Ok(None);
        };
        stream
            .read_exact(bytes.get_mut(..length).unwrap_or_default())
            .await?;
        return Ok(client);
    }
}

/// How long a header is, and whom it names; None if it is none.
fn understood(header: &HeaderResult<'_>) -> io::Result<Option<(usize, Option<SocketAddr>)>> {
    Ok(match header {
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Tcp4(of) => Some((of.source_address, of.source_port).into()),
                v1::Addresses::Tcp6(of) => Some((of.source_address, of.source_port).into()),
                v1::Addresses::Unknown => None,
            };
            Some((header.header.len(), client))
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match header.addresses {
                // The balancer itself, seeing whether we live.
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(of) => Some((of.source_address, of.source_port).into()),
                v2::Addresses::IPv6(of) => Some((of.source_address, of.source_port).into()),
                v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
            };
            Some((header.header.len(), client))
        }
        // A request, or a TLS handshake.
        HeaderResult::V1(Err(v1::BinaryParseError::Parse(v1::ParseError::InvalidPrefix))) => None,
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => {
            return Err(io::ErrorKind::InvalidData.into());
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<(usize, Option<String>)>, ()> {
        let header = HeaderResult::parse(bytes);
        assert!(header.is_complete(), "{bytes:?}");
        let understood = understood(&header).map_err(|_| ())?;
        Ok(understood.map(|(length, client)| (length, client.map(|client| client.to_string()))))
    }

    #[test]
    fn headers() {
        let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        v2.extend([10, 1, 2, 3, 127, 0, 0, 1, 0x1f, 0x90, 0, 80]);
        let mut local = v2.clone();
        local[12] = 0x20;
        let named = |length, name: &str| Ok(Some((length, Some(name.to_owned()))));
        let v1 = b"PROXY TCP4 10.1.2.3 127.0.0.1 8080 80\r\n";
        assert_eq!(read(v1), named(39, "10.1.2.3:8080"));
        assert_eq!(read(b"PROXY TCP6 ::2 ::1 1 2\r\nGET"), named(24, "[::2]:1"));
        assert_eq!(read(&v2), named(28, "10.1.2.3:8080"));
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), Ok(Some((15, None))));
        assert_eq!(read(&local), Ok(Some((28, None))));
        for none in [
            &b"GET /v1/sys/health HTTP/1.1\r\n"[..],
            b"PUT /v1/x HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\0\x01",
        ] {
            assert_eq!(read(none), Ok(None), "{none:?}");
        }
        for broken in [
            &b"PROXY TCP4 10.1.2 127.0.0.1 8080 80\r\n"[..],
            b"PROXY TCP4 10.1.2.3 127.0.0.1 99999 80\r\n",
        ] {
            assert_eq!(read(broken), Err(()), "{broken:?}");
        }
    }
}
