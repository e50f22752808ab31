//! Sockets: bound first, so that the address is known, then served until the server is told to stop.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::http::Request as HttpRequest;
use coffer_core::Core;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::forwarded::ForwardedFor;
use crate::handler;
use crate::limits::{self, Limits};
use crate::tls::{Certificates, Tls, TlsFiles};

const PLAIN_HTTP: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// A listener to come.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Where: `127.0.0.1:8200`, or `:8200` for all addresses of this machine; port 0 takes a free one.
    pub address: String,
    /// None for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whom it answers, and what it puts up with.
    pub rules: Rules,
}

/// Whom a listener answers, and what it puts up with.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What it puts up with.
    pub limits: Limits,
    /// The proxies whose word for a client's address it takes.
    pub forwarded: Option<ForwardedFor>,
    /// Whether a request must have the header `X-Vault-Request`, which a browser does not send for others.
    pub require_header: bool,
}

/// Why a listener does not come up.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// As configured.
        address: String,
        /// Why.
        reason: std::io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}

/// A listener that is bound.
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    rules: Arc<Rules>,
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// All listeners.
pub struct Server(Vec<Bound>);

impl Server {
    /// Binds every listener.
    ///
    /// # Errors
    /// If one cannot be bound, or its certificate not be read.
    pub async fn bind(configs: &[ListenerConfig]) -> Result<Self, ServeError> {
        let mut bound = Vec::with_capacity(configs.len());
        for config in configs {
            let refused = |reason| ServeError::Bind {
                address: config.address.clone(),
                reason,
            };
            let tls = config.tls.as_ref().map(Tls::load).transpose()?;
            let socket = listen_at(&config.address).await.map_err(refused)?;
            let address = socket.local_addr().map_err(refused)?;
            bound.push(Bound {
                socket,
                address,
                tls,
                rules: Arc::new(config.rules.clone()),
            });
        }
        Ok(Self(bound))
    }

    /// What was bound.
    pub fn bound(&self) -> &[Bound] {
        &self.0
    }

    /// The certificates, to be read again when they are new.
    pub fn certificates(&self) -> Certificates {
        Certificates(
            self.0
                .iter()
                .filter_map(|bound| bound.tls.clone())
                .collect(),
        )
    }

    /// Serves until `stop` turns true; then takes nothing new, and lets what is under way finish.
    pub async fn serve(self, core: Arc<Core>, stop: watch::Receiver<bool>) {
        let mut running = tokio::task::JoinSet::new();
        for bound in self.0 {
            running.spawn(listen(bound, core.clone(), stop.clone()));
        }
        while running.join_next().await.is_some() {}
    }
}

async fn listen_at(address: &str) -> std::io::Result<TcpListener> {
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

async fn listen(bound: Bound, core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(bound.rules.limits.connections));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(bound.rules.limits));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&bound.socket, &places) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, remote, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others will be given back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let service = service(core.clone(), bound.rules.clone(), remote);
        let (builder, watcher, tls) = (builder.clone(), graceful.watcher(), bound.tls.clone());
        tokio::spawn(async move {
            let _place = place;
            match tls {
                None => connection(&builder, watcher, service, stream).await,
                Some(tls) => {
                    if let Ok(Some(stream)) =
                        tokio::time::timeout(limits::HANDSHAKE, handshake(&tls.acceptor(), stream))
                            .await
                    {
                        connection(&builder, watcher, service, stream).await;
                    }
                }
            }
        });
    }
    drop(bound.socket);
    if tokio::time::timeout(bound.rules.limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests under way were cut off");
    }
}

/// TLS over a connection; None if the client does not manage it. One that speaks plain HTTP is told so, as Go's server
/// does: `http` in an address is the commonest mistake.
async fn handshake(tls: &TlsAcceptor, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await.ok()?;
    if first[0].is_ascii_uppercase() {
        let _ = stream.write_all(PLAIN_HTTP).await;
        let _ = stream.shutdown().await;
        // Until the client has read that: closing over what it sent would take it back.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        return None;
    }
    tls.accept(stream).await.ok()
}

async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, remote) = socket.accept().await?;
    Ok((stream, remote, place))
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits::HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(30)));
    builder
}

type Service = TowerToHyperService<Router>;

fn service(core: Arc<Core>, rules: Arc<Rules>, remote: SocketAddr) -> Service {
    let router = Router::new().fallback(move |request: HttpRequest<HttpBody>| {
        let (core, rules) = (core.clone(), rules.clone());
        async move { handler::answer(core, &rules, remote, request).await }
    });
    TowerToHyperService::new(router)
}

async fn connection<S>(
    builder: &Builder<TokioExecutor>,
    watcher: Watcher,
    service: Service,
    stream: S,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    // How a client leaves is its own affair.
    let _ = watcher.watch(connection).await;
}
