//! A database for the guest `backend`, and calls that reach it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coffer_runtime::MountContext;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Fixture, token};

/// A server of the protocol that the guest `backend` speaks.
#[derive(Clone, Default)]
pub struct Server {
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Server {
    /// Returns its address.
    pub async fn start(&self, tls: Option<TlsAcceptor>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (server, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    server.connections.fetch_add(1, Ordering::SeqCst);
                    server.open.fetch_add(1, Ordering::SeqCst);
                    match tls {
                        None => serve(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream).await;
                            }
                        }
                    }
                    server.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        address
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub async fn until_open(&self, count: usize) {
        while self.open.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|len| len > 0) {
        let answer = match line.split_whitespace().nth(2) {
            // Until the client has had enough.
            Some("hang") => {
                let _ = stream.read_line(&mut line).await;
                return;
            }
            Some("hangup") => return,
            Some("fail") => "permission denied for the role\n",
            _ => "ok\n",
        };
        if let Some("slow") = line.split_whitespace().nth(2) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err()
            || stream.get_mut().flush().await.is_err()
        {
            return;
        }
        line.clear();
    }
}

pub fn db(url: &str) -> Value {
    json!({"name": "db", "config": {"url": url}})
}

pub fn with(mut data: Value, more: Value) -> Value {
    data.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    data
}

pub async fn ask(
    fixture: &Fixture,
    mount: &Arc<MountContext>,
    path: &str,
    data: Value,
) -> Result<Value, String> {
    fixture.ask(mount, token("t"), path, data).await
}
