//! A real server process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::leash::Leash;
use crate::wait::within;
use crate::{Client, port};

/// From exec to an answer.
const START: Duration = Duration::from_secs(60);
/// From SIGTERM to the end.
const STOP: Duration = Duration::from_secs(60);
/// The root token in dev mode.
const DEV_TOKEN: &str = "root";

/// A server, running or stopped. Dropping it kills it and removes all that it stored.
pub struct Server {
    binary: PathBuf,
    arguments: Vec<String>,
    address: SocketAddr,
    scheme: &'static str,
    // The folder goes last.
    process: Option<Process>,
    root_token: String,
    folder: TempDir,
}

struct Process {
    child: Child,
    _leash: Leash,
}

/// What `sys/init` gave.
#[derive(Clone)]
pub struct Keys {
    /// The shares of the unseal key, in hexadecimal.
    pub shares: Vec<String>,
    /// The first token.
    pub root_token: String,
}

/// An answer as it came.
#[derive(Debug)]
pub struct RawReply {
    /// Its status.
    pub status: u16,
    /// The status line and the headers, each with its end of line.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Server {
    /// A server in dev mode: unsealed, in memory, with the root token `root`.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn dev() -> io::Result<Self> {
        Self::dev_at(&binary()?, port::free())
    }

    /// As [`dev`](Self::dev), with this executable and at this address.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn dev_at(binary: &Path, address: SocketAddr) -> io::Result<Self> {
        Self::dev_configured(binary, address, "")
    }

    /// As [`dev_at`](Self::dev_at), with a configuration file of this text, unless it is empty.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn dev_configured(binary: &Path, address: SocketAddr, config: &str) -> io::Result<Self> {
        let mut server = Self::stopped(binary, address)?;
        server.arguments = vec![
            "-dev".to_owned(),
            format!("-dev-root-token-id={DEV_TOKEN}"),
            format!("-dev-listen-address={address}"),
        ];
        if !config.is_empty() {
            let file = server.folder.path().join("config.hcl");
            std::fs::write(&file, config)?;
            server.arguments.push(format!("-config={}", file.display()));
        }
        server.root_token = DEV_TOKEN.to_owned();
        server.start()?;
        Ok(server)
    }

    /// A server that stores on disk, not yet initialised.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn durable() -> io::Result<Self> {
        Self::durable_of(&binary()?, Storage::under_test())
    }

    /// As [`durable`](Self::durable), with this executable and storage.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn durable_of(binary: &Path, storage: Storage) -> io::Result<Self> {
        Self::configured(binary, "http", |folder, address| {
            storage.config(folder, address, "tls_disable = true")
        })
    }

    /// A server with a configuration file, whose text is made of a folder for its data and the address to listen at.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn configured(
        binary: &Path,
        scheme: &'static str,
        config: impl FnOnce(&Path, SocketAddr) -> String,
    ) -> io::Result<Self> {
        let address = port::free();
        let mut server = Self::stopped(binary, address)?;
        server.scheme = scheme;
        let file = server.folder.path().join("config.hcl");
        std::fs::write(&file, config(server.folder.path(), address))?;
        server.arguments = vec![format!("-config={}", file.display())];
        server.start()?;
        Ok(server)
    }

    /// A durable server that is initialised with one share, and unsealed.
    ///
    /// # Errors
    /// If it does not come to that.
    pub fn ready() -> io::Result<(Self, Keys)> {
        let mut server = Self::durable()?;
        let keys = server.init(1, 1)?;
        server.unseal(&keys)?;
        Ok((server, keys))
    }

    /// As [`ready`](Self::ready), with these settings in its listener, and these, made of its folder, beside it.
    ///
    /// # Errors
    /// If it does not come to that.
    pub fn ready_with(
        listener: &str,
        settings: impl FnOnce(&Path) -> String,
    ) -> io::Result<(Self, Keys)> {
        let mut server = Self::configured(&binary()?, "http", |folder, address| {
            let listener = format!("tls_disable = true\n{listener}");
            Storage::under_test().config(folder, address, &listener) + &settings(folder)
        })?;
        let keys = server.init(1, 1)?;
        server.unseal(&keys)?;
        Ok((server, keys))
    }

    fn stopped(binary: &Path, address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            binary: binary.to_owned(),
            arguments: Vec::new(),
            address,
            scheme: "http",
            process: None,
            root_token: String::new(),
            folder: tempfile::Builder::new()
                .prefix("coffer-server-")
                .tempdir()?,
        })
    }

    /// Starts it (again), at the same address over the same data.
    ///
    /// # Errors
    /// If it ends, or does not answer in a minute; with what it logged.
    pub fn start(&mut self) -> io::Result<()> {
        self.spawn()?;
        let client = self.anonymous();
        let mut ended = None;
        let answers = within(START, || {
            ended = self
                .process
                .as_mut()
                .and_then(|process| process.child.try_wait().ok().flatten());
            // Over TLS a client that does not trust the certificate gets no answer; that it is refused is one.
            ended.is_some()
                || client.send("GET", "sys/health", None).is_ok()
                || self.scheme == "https" && self.accepts()
        });
        match ended {
            None if answers => Ok(()),
            ended => Err(io::Error::other(format!(
                "{} {}: {}\n{}",
                self.binary.display(),
                self.arguments.join(" "),
                ended.map_or("does not answer".to_owned(), |status| status.to_string()),
                self.log()
            ))),
        }
    }

    /// Starts it without waiting for an answer.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&mut self) -> io::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let child = Command::new(&self.binary)
            .arg("server")
            .args(&self.arguments)
            // Dev mode leaves its token in the home directory, for the command line.
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", self.binary.display()))
            })?;
        let leash = Leash::on(child.id(), "KILL", Some(self.folder.path()))?;
        self.process = Some(Process {
            child,
            _leash: leash,
        });
        Ok(())
    }

    fn accepts(&self) -> bool {
        std::net::TcpStream::connect(self.address).is_ok()
    }

    /// Kills it, as a power cut would.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.child.kill().ok();
            process.child.wait().ok();
        }
    }

    /// Asks it to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// If it is not running, or does not end in a minute.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        let mut process = self
            .process
            .take()
            .ok_or_else(|| io::Error::other("not running"))?;
        let pid = Pid::from_child(&process.child);
        kill_process(pid, Signal::TERM)?;
        let mut status = None;
        within(STOP, || {
            status = process.child.try_wait().ok().flatten();
            status.is_some()
        });
        if status.is_none() {
            process.child.kill().ok();
            process.child.wait().ok();
        }
        status.ok_or_else(|| {
            io::Error::other(format!("not ended {STOP:?} after SIGTERM\n{}", self.log()))
        })
    }

    /// Kills it and starts it again.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill9();
        self.start()
    }

    /// Initialises it. Its root token is then the one of [`client`](Self::client).
    ///
    /// # Errors
    /// If it is refused.
    pub fn init(&mut self, shares: u32, threshold: u32) -> io::Result<Keys> {
        let body = json!({ "secret_shares": shares, "secret_threshold": threshold });
        let reply = self.anonymous().send("PUT", "sys/init", Some(&body))?;
        if !reply.is_ok() {
            return Err(io::Error::other(format!("sys/init: {reply:?}")));
        }
        let shares = reply.body["keys"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let keys = Keys {
            shares: shares
                .iter()
                .filter_map(|share| Some(share.as_str()?.to_owned()))
                .collect(),
            root_token: reply.text("/root_token"),
        };
        self.root_token.clone_from(&keys.root_token);
        Ok(keys)
    }

    /// Unseals it and waits until it is active.
    ///
    /// # Errors
    /// If it stays sealed.
    pub fn unseal(&self, keys: &Keys) -> io::Result<()> {
        let client = self.anonymous();
        for share in &keys.shares {
            let reply = client.send("PUT", "sys/unseal", Some(&json!({ "key": share })))?;
            if reply.body["sealed"] == false {
                let active = || {
                    client
                        .send("GET", "sys/health", None)
                        .is_ok_and(|reply| reply.status == 200)
                };
                return if within(START, active) {
                    Ok(())
                } else {
                    Err(io::Error::other("not active after unseal"))
                };
            }
        }
        Err(io::Error::other("sealed after all shares"))
    }

    /// A request with these header lines, for what no client sends; over plain HTTP.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn raw(&self, method: &str, path: &str, headers: &[&str], body: &str) -> RawReply {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        stream.set_read_timeout(Some(START)).expect("a timeout");
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let len = body.len();
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        RawReply {
            status: status.expect("a status"),
            head: format!("{head}\r\n"),
            body: body.to_owned(),
        }
    }

    /// A client with the root token.
    pub fn client(&self) -> Client {
        Client::new(&self.url(), &self.root_token)
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url(), "")
    }

    /// The root token; empty before [`init`](Self::init).
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its resident memory, in KiB.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resident(&self) -> u64 {
        let pid = self.pid().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("its memory");
        let kib = line.trim().trim_end_matches(" kB");
        kib.parse().expect("a number")
    }

    /// Every file below its folder, as it is on the disk.
    ///
    /// # Panics
    /// If one cannot be read.
    pub fn on_disk(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut left = vec![self.folder().to_owned()];
        let mut files = Vec::new();
        while let Some(path) = left.pop() {
            if path.is_dir() {
                let below = path.read_dir().expect("a folder that can be read");
                left.extend(below.map(|entry| entry.expect("a file").path()));
            } else {
                let bytes = std::fs::read(&path).expect("a file that can be read");
                files.push((path, bytes));
            }
        }
        files
    }

    /// What it has logged since it was first started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Where a durable server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Coffer's.
    Redb,
    /// OpenBao's.
    Raft,
}

impl Storage {
    /// That of the server under test: redb, unless `COFFER_TEST_STORAGE` is `raft`.
    pub fn under_test() -> Self {
        if std::env::var("COFFER_TEST_STORAGE").is_ok_and(|name| name == "raft") {
            Self::Raft
        } else {
            Self::Redb
        }
    }

    /// The configuration of a durable server: `listener` is the inside of its listener, besides the address.
    pub fn config(self, folder: &Path, address: SocketAddr, listener: &str) -> String {
        let storage = match self {
            Self::Redb => format!(
                "storage \"redb\" {{\n  path = {:?}\n}}",
                folder.join("coffer.redb")
            ),
            Self::Raft => format!(
                "cluster_addr = \"http://127.0.0.1:{}\"\nstorage \"raft\" {{\n  node_id = \"one\"\n  path = {folder:?}\n}}",
                address.port() + 1
            ),
        };
        format!(
            "{storage}\nlistener \"tcp\" {{\n  address = \"{address}\"\n  {listener}\n}}\napi_addr = \"http://{address}\"\n"
        )
    }
}

/// The executable under test: `COFFER_BIN`, or the one that cargo built beside us.
///
/// # Errors
/// If there is none.
pub fn binary() -> io::Result<PathBuf> {
    if let Some(binary) = std::env::var_os("COFFER_BIN") {
        return Ok(binary.into());
    }
    let us = std::env::current_exe()?;
    let beside = us
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("coffer"))
        .find(|file| file.is_file());
    beside.ok_or_else(|| {
        io::Error::other(
            "there is no `coffer`: build it with `cargo xtask build`, or set COFFER_BIN",
        )
    })
}
