//! A real InfluxDB 1.x of our own.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::leash::Leash;
use crate::port;
use crate::wait::within;

/// The name of the user who may do everything.
pub const ADMIN: &str = "admin";
/// That user's password.
pub const PASSWORD: &str = "it's-100%-\"secret\"@/";

const START: Duration = Duration::from_secs(60);

/// A server, which stops when it is dropped.
pub struct InfluxDb {
    address: SocketAddr,
    scheme: &'static str,
    agent: ureq::Agent,
    // The folder goes last.
    _process: (Child, Leash),
    folder: TempDir,
}

impl InfluxDb {
    /// The one that this process's tests share.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<InfluxDb> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(None).expect("InfluxDB"))
    }

    /// A fresh server; with a certificate and its key in PEM it speaks TLS.
    ///
    /// # Errors
    /// If it is not installed, or does not answer within a minute; with what it logged.
    pub fn start(tls: Option<(&str, &str)>) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("coffer-influxdb-")
            .tempdir()?;
        let (address, control) = (port::free(), port::free());
        let at = |name: &str| folder.path().join(name);
        let mut https = String::new();
        if let Some((certificate, key)) = tls {
            std::fs::write(at("tls.pem"), [certificate, key].concat())?;
            https = format!(
                "https-enabled = true\nhttps-certificate = {:?}\n",
                at("tls.pem")
            );
        }
        let config = format!(
            "reporting-disabled = true\nbind-address = \"{control}\"\n[meta]\ndir = {:?}\n[data]\ndir = {:?}\nwal-dir = {:?}\n\
             [http]\nbind-address = \"{address}\"\nauth-enabled = true\nlog-enabled = false\n{https}",
            at("meta"),
            at("data"),
            at("wal"),
        );
        std::fs::write(at("influxdb.conf"), config)?;
        let log = std::fs::File::create(at("log"))?;
        let child = Command::new(binary()?)
            .arg("-config")
            .arg(at("influxdb.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let leash = Leash::on(child.id(), "KILL", Some(folder.path()))?;
        let tls_config = ureq::tls::TlsConfig::builder()
            .disable_verification(true)
            .build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls_config)
            .build()
            .into();
        let server = Self {
            address,
            scheme: if tls.is_some() { "https" } else { "http" },
            agent,
            _process: (child, leash),
            folder,
        };
        let first = format!(
            "CREATE USER {ADMIN} WITH PASSWORD '{}' WITH ALL PRIVILEGES",
            PASSWORD.replace('\'', "\\'")
        );
        // The first user is made by anybody.
        let made = within(START, || {
            server
                .query("", "", &first)
                .is_ok_and(|(status, _)| status == 200)
        });
        if made {
            return Ok(server);
        }
        let log = std::fs::read_to_string(server.folder().join("log")).unwrap_or_default();
        Err(io::Error::other(format!(
            "the server does not answer\n{log}"
        )))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn query(&self, user: &str, password: &str, question: &str) -> io::Result<(u16, Value)> {
        let mut request = self
            .agent
            .post(format!("{}://{}/query", self.scheme, self.address));
        if !user.is_empty() {
            request = request.query("u", user).query("p", password);
        }
        let mut answer = request
            .send_form([("q", question)])
            .map_err(io::Error::other)?;
        let body = answer.body_mut().read_json().map_err(io::Error::other)?;
        Ok((answer.status().as_u16(), body))
    }

    /// Whether this user is let in.
    ///
    /// # Panics
    /// If the server is not there.
    #[track_caller]
    pub fn can_login(&self, user: &str, password: &str) -> bool {
        let (status, _) = self.query(user, password, "SHOW DATABASES").unwrap();
        status == 200
    }

    /// What the server answers to the administrator.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn ask(&self, question: &str) -> Value {
        self.query(ADMIN, PASSWORD, question).unwrap().1
    }

    /// What the server answers to this user.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn ask_as(&self, user: &str, password: &str, question: &str) -> Value {
        self.query(user, password, question).unwrap().1
    }

    /// The users whose names begin so.
    #[track_caller]
    pub fn users_like(&self, prefix: &str) -> Vec<String> {
        let answer = self.ask("SHOW USERS");
        let rows = answer
            .pointer("/results/0/series/0/values")
            .and_then(Value::as_array);
        rows.into_iter()
            .flatten()
            .filter_map(|row| row.get(0)?.as_str())
            .filter(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for InfluxDb {
    fn drop(&mut self) {
        self._process.0.kill().ok();
        self._process.0.wait().ok();
    }
}

/// The server's program: `INFLUXDB_BIN`, or where packages put it.
///
/// # Errors
/// If there is none.
pub fn binary() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::var_os("INFLUXDB_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::split_paths(&path).map(|folder| folder.join("influxd")))
        .chain([PathBuf::from("/usr/bin/influxd")])
        .find(|file| file.is_file())
        .ok_or_else(|| io::Error::other("`influxd`, of InfluxDB 1.x, is not installed"))
}
