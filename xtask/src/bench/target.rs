//! A server under load: ours, the incumbent, or one that runs already.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use coffer_tests::server::{Keys, Storage};
use coffer_tests::{Client, Server};
use serde_json::{Value, json};

use crate::bench::process;
use crate::error::{Error, Result};

/// How many starts the start-up time is the median of.
const STARTS: usize = 5;

/// The server.
pub struct Target {
    /// What it is called in the tables.
    pub name: String,
    /// Where it listens: the loopback interface, always.
    pub address: SocketAddr,
    /// A client with all rights.
    pub client: Client,
    /// Its process, if it is known: then what it uses is told.
    pub pid: Option<u32>,
    server: Option<(Server, Keys)>,
}

impl Target {
    /// Starts a server with its data on disk, and unseals it.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(name: &str, binary: &Path, storage: Storage) -> Result<Self> {
        let failed = |error| Error::other(format!("{name}: {error}"));
        let mut server = Server::durable_of(binary, storage).map_err(failed)?;
        let keys = server.init(1, 1).map_err(failed)?;
        server.unseal(&keys).map_err(failed)?;
        Ok(Self {
            name: name.to_owned(),
            address: server.address(),
            client: server.client(),
            pid: server.pid(),
            server: Some((server, keys)),
        })
    }

    /// A server that runs already.
    ///
    /// # Errors
    /// If it is not on this machine: this is a load generator.
    pub fn running(url: &str, token: &str, pid: Option<u32>) -> Result<Self> {
        let bad = || {
            Error::other(format!(
                "{url}: expected http://ADDRESS:PORT on this machine's loopback interface"
            ))
        };
        let authority = url
            .strip_prefix("http://")
            .ok_or_else(bad)?
            .trim_end_matches('/');
        let address = authority
            .to_socket_addrs()
            .map_err(|_| bad())?
            .find(|address| address.ip().is_loopback());
        Ok(Self {
            name: "server".to_owned(),
            address: address.ok_or_else(bad)?,
            client: Client::new(url, token),
            pid,
            server: None,
        })
    }

    /// Whether we started it.
    pub fn is_ours(&self) -> bool {
        self.server.is_some()
    }

    /// From exec to the first answer of `sys/health`, over the data that it has: the median of some starts.
    /// None if it is not ours to restart.
    ///
    /// # Errors
    /// If it does not come up again.
    pub fn start_up(&mut self) -> Result<Option<Duration>> {
        let Some((server, keys)) = &mut self.server else {
            return Ok(None);
        };
        let mut times = Vec::new();
        for _ in 0..STARTS {
            server.kill9();
            times.push(wake(&self.name, server)?);
        }
        server
            .unseal(keys)
            .map_err(|error| Error::other(format!("{}: {error}", self.name)))?;
        self.pid = server.pid();
        times.sort_unstable();
        Ok(times.get(STARTS / 2).copied())
    }

    /// Kills it, and returns how long it takes from exec until it is unsealed and answers a token's request.
    /// None if it is not ours to restart.
    ///
    /// # Errors
    /// If it does not come up again.
    pub fn restart(&mut self) -> Result<Option<Duration>> {
        let Some((server, keys)) = &mut self.server else {
            return Ok(None);
        };
        server.kill9();
        let began = Instant::now();
        wake(&self.name, server)?;
        server
            .unseal(keys)
            .map_err(|error| Error::other(format!("{}: {error}", self.name)))?;
        self.pid = server.pid();
        self.ask("GET", "auth/token/lookup-self", Value::Null)?;
        Ok(Some(began.elapsed()))
    }

    /// Where it keeps its data, if we started it.
    pub fn folder(&self) -> Option<&Path> {
        self.server.as_ref().map(|(server, _)| server.folder())
    }

    /// Resident memory, in MiB.
    pub fn resident(&self) -> Option<f64> {
        self.pid.and_then(process::resident)
    }

    /// A request that must succeed.
    ///
    /// # Errors
    /// If it does not.
    pub fn ask(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        let body = (!body.is_null()).then_some(&body);
        let reply = self
            .client
            .send(method, path, body)
            .map_err(|error| Error::other(format!("{path}: {error}")))?;
        if reply.is_ok() {
            Ok(reply.body)
        } else {
            Err(Error::other(format!(
                "{}: {method} {path}: {reply:?}",
                self.name
            )))
        }
    }

    /// A request that may find nothing to do.
    pub fn try_ask(&self, method: &str, path: &str) {
        self.client.send(method, path, None).ok();
    }

    /// New tokens with these policies, one for each of `count` connections: clients do not share theirs.
    ///
    /// # Errors
    /// If they are refused.
    pub fn tokens(&self, count: usize, policy: &str) -> Result<Vec<String>> {
        (0..count)
            .map(|_| {
                let body = json!({ "policies": [policy], "ttl": "12h", "no_parent": true });
                let reply = self.ask("POST", "auth/token/create", body)?;
                text(&reply, "/auth/client_token")
            })
            .collect()
    }
}

/// Starts a server, and returns how long it takes from exec to its first answer.
fn wake(name: &str, server: &mut Server) -> Result<Duration> {
    let client = server.anonymous();
    let began = Instant::now();
    server
        .spawn()
        .map_err(|error| Error::other(format!("{name}: {error}")))?;
    while client.send("GET", "sys/health", None).is_err() {
        if began.elapsed() > Duration::from_secs(60) {
            return Err(Error::other(format!(
                "{name} does not answer\n{}",
                server.log()
            )));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(began.elapsed())
}

/// The text at a JSON pointer.
///
/// # Errors
/// If there is none.
pub fn text(body: &Value, pointer: &str) -> Result<String> {
    let text = body.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| Error::other(format!("an answer has no {pointer}")))
}
