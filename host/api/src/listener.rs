//! Sockets: bound first, so that the address is known, then served until the server is told to stop.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::http::Request as HttpRequest;
use coffer_core::{Core, Gates};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::forwarded::ForwardedFor;
use crate::handler;
use crate::limits::{self, Limits};
use crate::proxied::ProxyProtocol;
use crate::socket::{Address, Socket, Stream};
use crate::tls::{Certificates, Tls, TlsFiles};

/// Who comes through a socket in the file system is on this machine, and has no address.
const LOCAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

const PLAIN_HTTP: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// A listener to come.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Where.
    pub address: Address,
    /// None for plain HTTP. Over TCP only.
    pub tls: Option<TlsFiles>,
    /// The load balancers that say who a client is. Over TCP only.
    pub proxied: Option<ProxyProtocol>,
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
    /// Who may call the paths that listeners differ in.
    pub gates: Gates,
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
        address: Address,
        /// Why.
        reason: std::io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}

/// A listener that is bound.
pub struct Bound {
    socket: Socket,
    tls: Option<Tls>,
    proxied: Option<ProxyProtocol>,
    rules: Arc<Rules>,
}

impl Bound {
    /// Where clients find it.
    pub fn url(&self) -> String {
        match (&self.socket, &self.tls) {
            (Socket::Tcp(_, address), Some(_)) => format!("https://{address}"),
            (Socket::Tcp(_, address), None) => format!("http://{address}"),
            (Socket::Unix(_, path), _) => format!("unix://{}", path.display()),
        }
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
            let socket = Socket::bind(&config.address).await.map_err(refused)?;
            bound.push(Bound {
                socket,
                tls,
                proxied: config.proxied.clone(),
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

async fn listen(bound: Bound, core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(bound.rules.limits.connections));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(bound.rules.limits));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&bound.socket, &places) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others will be given back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let serving = Serving {
            core: core.clone(),
            rules: bound.rules.clone(),
            builder: builder.clone(),
            watcher: graceful.watcher(),
        };
        let (proxied, tls) = (bound.proxied.clone(), bound.tls.clone());
        tokio::spawn(async move {
            let _place = place;
            match stream {
                Stream::Unix(stream) => serving.connection(stream, LOCAL).await,
                Stream::Tcp(stream, remote) => serving.tcp(stream, remote, proxied, tls).await,
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
    socket: &Socket,
    places: &Arc<Semaphore>,
) -> std::io::Result<(Stream, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    Ok((socket.accept().await?, place))
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

/// What serves a connection.
struct Serving {
    core: Arc<Core>,
    rules: Arc<Rules>,
    builder: Arc<Builder<TokioExecutor>>,
    watcher: Watcher,
}

impl Serving {
    async fn tcp(
        self,
        mut stream: TcpStream,
        mut remote: SocketAddr,
        proxied: Option<ProxyProtocol>,
        tls: Option<Tls>,
    ) {
        if let Some(proxied) = proxied {
            let said = proxied.client(&mut stream, remote);
            match tokio::time::timeout(limits::HANDSHAKE, said).await {
                Ok(Ok(client)) => remote = client,
                Ok(Err(error)) => {
                    tracing::debug!(%remote, %error, "a connection is refused: PROXY protocol");
                    return;
                }
                Err(_) => return,
            }
        }
        match tls {
            None => self.connection(stream, remote).await,
            Some(tls) => {
                let acceptor = tls.acceptor();
                let handshake = handshake(&acceptor, stream);
                let done = tokio::time::timeout(limits::HANDSHAKE, handshake).await;
                if let Ok(Some(stream)) = done {
                    self.connection(stream, remote).await;
                }
            }
        }
    }

    async fn connection<S>(self, stream: S, remote: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service(self.core, self.rules, remote);
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        // How a client leaves is its own affair.
        let _ = self.watcher.watch(connection).await;
    }
}
