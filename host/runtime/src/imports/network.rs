//! `network`: byte streams to granted destinations.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime::component::Resource;

use crate::bindings::plugin::coffer::plugin::network;
use crate::egress::Grants;
use crate::error::plugin_error;
use crate::outside::{Ask, Outside, asked};
use crate::state::State;
use crate::{ErrorKind, PluginError, limits, tls};

type Answer<T> = wasmtime::Result<Result<T, PluginError>>;

/// A guest's stream.
pub struct Connection {
    stream: Stream,
    peer: String,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A TLS handshake failed half-way: nothing can follow.
    Broken,
    /// A test plays it, and knows it by this number.
    Played(Arc<dyn Outside>, u64),
}

fn unavailable<T>(message: String) -> Answer<T> {
    Ok(Err(plugin_error(ErrorKind::Unavailable, message)))
}

pub(super) async fn connect(
    grants: &Grants,
    host: &str,
    port: u16,
) -> Result<TcpStream, PluginError> {
    let denied = |message| plugin_error(ErrorKind::PermissionDenied, message);
    let failed = |message| plugin_error(ErrorKind::Unavailable, message);
    grants.check(host, port).map_err(denied)?;
    let bare = host.trim_matches(['[', ']']);
    let addresses: Vec<_> = tokio::net::lookup_host((bare, port))
        .await
        .map_err(|error| failed(format!("cannot resolve {host:?}: {error}")))?
        .collect();
    let mut reason = format!("{host:?} has no address");
    for address in addresses {
        Grants::check_resolved(host, address.ip()).map_err(denied)?;
        match tokio::time::timeout(limits::CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => reason = format!("cannot connect to {address}: {error}"),
            Err(_) => {
                reason = format!(
                    "cannot connect to {address}: no answer for {:?}",
                    limits::CONNECT
                )
            }
        }
    }
    Err(failed(reason))
}

impl network::Host for State {
    async fn connect(&mut self, host: String, port: u16) -> Answer<Resource<Connection>> {
        if let Some(outside) = self.outside.clone() {
            let peer = format!("{host}:{port}");
            return match asked(&*outside, Ask::Connect { host, port }).await {
                Ok(number) => {
                    let stream = Stream::Played(outside, number);
                    Ok(Ok(self.table.push(Connection { stream, peer })?))
                }
                Err(error) => Ok(Err(error)),
            };
        }
        let grants = self.grants.clone();
        match connect(&grants, &host, port).await {
            Ok(stream) => {
                let connection = Connection {
                    stream: Stream::Plain(stream),
                    peer: format!("{host}:{port}"),
                };
                Ok(Ok(self.table.push(connection)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(max.min(16 << 10));
    let limit = bytes.capacity().min(max).max(1);
    bytes.resize(limit, 0);
    let len = stream.read(&mut bytes).await?;
    bytes.truncate(len);
    Ok(bytes)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

impl network::HostConnection for State {
    async fn read(&mut self, this: Resource<Connection>, max: u32) -> Answer<Vec<u8>> {
        let connection = self.table.get_mut(&this)?;
        let max = max.min(limits::READ) as usize;
        let result = match &mut connection.stream {
            Stream::Plain(stream) => read(stream, max).await,
            Stream::Tls(stream) => read(stream, max).await,
            Stream::Played(outside, stream) => {
                let (stream, max) = (*stream, u32::try_from(max).unwrap_or(limits::READ));
                return Ok(asked(&**outside, Ask::Read { stream, max }).await);
            }
            Stream::Broken => {
                return unavailable(format!("the connection to {} is broken", connection.peer));
            }
        };
        match result {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) => unavailable(format!("reading from {}: {error}", connection.peer)),
        }
    }

    async fn write(&mut self, this: Resource<Connection>, bytes: Vec<u8>) -> Answer<()> {
        let connection = self.table.get_mut(&this)?;
        let result = match &mut connection.stream {
            Stream::Plain(stream) => write(stream, &bytes).await,
            Stream::Tls(stream) => write(stream, &bytes).await,
            Stream::Played(outside, stream) => {
                let stream = *stream;
                return Ok(asked(&**outside, Ask::Write { stream, bytes }).await);
            }
            Stream::Broken => {
                return unavailable(format!("the connection to {} is broken", connection.peer));
            }
        };
        match result {
            Ok(()) => Ok(Ok(())),
            Err(error) => unavailable(format!("writing to {}: {error}", connection.peer)),
        }
    }

    async fn start_tls(
        &mut self,
        this: Resource<Connection>,
        options: network::TlsOptions,
    ) -> Answer<()> {
        let invalid = |message| Ok(Err(plugin_error(ErrorKind::InvalidRequest, message)));
        let (config, name) = match tls::config(&options)
            .and_then(|config| Ok((config, tls::server_name(&options)?)))
        {
            Ok(parts) => parts,
            Err(message) => return invalid(message),
        };
        let connection = self.table.get_mut(&this)?;
        if let Stream::Played(outside, stream) = &connection.stream {
            let stream = *stream;
            return Ok(asked(&**outside, Ask::StartTls { stream, options }).await);
        }
        let Stream::Plain(stream) = std::mem::replace(&mut connection.stream, Stream::Broken)
        else {
            return invalid("TLS was started already on this connection".to_owned());
        };
        let connector = TlsConnector::from(Arc::new(config));
        match tokio::time::timeout(limits::CONNECT, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => {
                connection.stream = Stream::Tls(Box::new(stream));
                Ok(Ok(()))
            }
            Ok(Err(error)) => unavailable(format!("TLS with {}: {error}", connection.peer)),
            Err(_) => unavailable(format!(
                "TLS with {}: no answer for {:?}",
                connection.peer,
                limits::CONNECT
            )),
        }
    }

    async fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        let connection = self.table.delete(this)?;
        if let Stream::Played(outside, stream) = connection.stream {
            // Nobody waits for a stream to be gone.
            let _: Result<(), PluginError> = asked(&*outside, Ask::Drop { stream }).await;
        }
        Ok(())
    }
}
