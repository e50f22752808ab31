//! A real Valkey, or Redis, of our own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::leash::Leash;
use crate::port;
use crate::wait::within;

/// The name of the user who may do everything.
pub const ADMIN: &str = "default";
/// That user's password.
pub const PASSWORD: &str = "it's-100%-\"secret\"@/";

const START: Duration = Duration::from_secs(60);
/// A server that says nothing fails a test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server, which stops when it is dropped.
pub struct Valkey {
    address: SocketAddr,
    // The folder goes last.
    process: Option<(Child, Leash)>,
    folder: TempDir,
}

impl Valkey {
    /// The one that this process's tests share.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Valkey> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]).expect("Valkey or Redis"))
    }

    /// A fresh server with these lines in its configuration.
    ///
    /// # Errors
    /// If neither Valkey nor Redis is installed, or it does not start.
    pub fn start(settings: &[&str]) -> io::Result<Self> {
        Self::start_with(settings, |_| Ok(()))
    }

    /// As [`start`](Self::start), after `prepare` has seen the server's folder, which relative paths begin in.
    ///
    /// # Errors
    /// If neither Valkey nor Redis is installed, or it does not start.
    pub fn start_with(
        settings: &[&str],
        prepare: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("coffer-valkey-")
            .tempdir()?;
        let mut server = Self {
            address: port::free(),
            process: None,
            folder,
        };
        let admin = format!("user {ADMIN} on >{PASSWORD} ~* &* +@all\n");
        std::fs::write(server.folder().join("users.acl"), &admin)?;
        let port = format!("port {}", server.address.port());
        let ours = ["bind 127.0.0.1", "save \"\"", &port];
        let mut lines = ours
            .into_iter()
            .chain(settings.iter().copied())
            .collect::<Vec<_>>()
            .join("\n");
        if !lines.contains("aclfile") {
            let escaped = PASSWORD.replace('"', "\\\"");
            lines.push_str(&format!("\nrequirepass \"{escaped}\""));
        }
        std::fs::write(server.folder().join("server.conf"), lines + "\n")?;
        prepare(server.folder())?;
        server.run()?;
        Ok(server)
    }

    /// Starts it (again), at the same address, with the users that it has kept.
    ///
    /// # Errors
    /// If it does not answer within a minute; with what it logged.
    pub fn run(&mut self) -> io::Result<()> {
        let log_file = self.folder().join("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_file)?;
        let child = Command::new(binary()?)
            .arg(self.folder().join("server.conf"))
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let leash = Leash::on(child.id(), "KILL", Some(self.folder()))?;
        self.process = Some((child, leash));
        let mut ready = false;
        // Whoever does not like its configuration ends at once.
        within(START, || {
            ready = self.login(ADMIN, PASSWORD).is_ok();
            ready || self.has_ended()
        });
        if ready {
            return Ok(());
        }
        let log = std::fs::read_to_string(log_file).unwrap_or_default();
        Err(io::Error::other(format!(
            "the server does not answer\n{log}"
        )))
    }

    fn has_ended(&mut self) -> bool {
        self.process
            .as_mut()
            .is_none_or(|(child, _)| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    /// Stops it at once, as a crash would. [`run`](Self::run) starts it again.
    pub fn stop(&mut self) {
        if let Some((mut child, _leash)) = self.process.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Where it listens in the clear.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, for a test that stops it for a while.
    ///
    /// # Panics
    /// If it does not run.
    pub fn process(&self) -> u32 {
        self.process.as_ref().expect("it runs").0.id()
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A session.
    ///
    /// # Errors
    /// If the user is not let in: [`io::ErrorKind::PermissionDenied`].
    pub fn login(&self, user: &str, password: &str) -> io::Result<Session> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Session(BufReader::new(stream));
        let answer = session.ask(&["AUTH", user, password])?;
        if answer == "OK" {
            return Ok(session);
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, answer))
    }

    /// Whether this user is let in.
    ///
    /// # Panics
    /// If the server is not there.
    #[track_caller]
    pub fn can_login(&self, user: &str, password: &str) -> bool {
        match self.login(user, password) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// What the server answers to the administrator, each value in a line; an error begins with `-`.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn ask(&self, command: &[&str]) -> String {
        let mut session = self.login(ADMIN, PASSWORD).unwrap();
        session.ask(command).unwrap()
    }

    /// The users whose names begin so.
    #[track_caller]
    pub fn users_like(&self, prefix: &str) -> Vec<String> {
        let users = self.ask(&["ACL", "USERS"]);
        let like = users.lines().filter(|name| name.starts_with(prefix));
        like.map(str::to_owned).collect()
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A session of a user.
pub struct Session(BufReader<TcpStream>);

impl Session {
    /// What the server answers, each value in a line; an error begins with `-`.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn ask(&mut self, command: &[&str]) -> io::Result<String> {
        self.send(command)?;
        self.hear()
    }

    /// Sends a command, without waiting for the answer.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn send(&mut self, command: &[&str]) -> io::Result<()> {
        let mut text = format!("*{}\r\n", command.len());
        for word in command {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("$" | "*", "-1")) => Ok(String::new()),
            Some(("$", len)) => {
                let mut value = vec![0; len.parse::<usize>().map_err(io::Error::other)? + 2];
                self.0.read_exact(&mut value)?;
                value.truncate(value.len() - 2);
                Ok(String::from_utf8_lossy(&value).into_owned())
            }
            Some(("*", len)) => {
                let len = len.parse::<usize>().map_err(io::Error::other)?;
                let values: io::Result<Vec<_>> = (0..len).map(|_| self.hear()).collect();
                Ok(values?.join("\n"))
            }
            Some(("-", _)) | None => Ok(line.to_owned()),
            Some((_, rest)) => Ok(rest.to_owned()),
        }
    }

    /// Whether the server has ended it.
    pub fn has_ended(&mut self) -> bool {
        self.ask(&["PING"]).is_err()
    }
}

/// The server's program: `VALKEY_BIN`, or the first of Valkey and Redis on the PATH or where packages put them.
///
/// # Errors
/// If there is none.
pub fn binary() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(others).collect();
    let named = ["valkey-server", "redis-server"]
        .into_iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    std::env::var_os("VALKEY_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(named)
        .find(|file| file.is_file())
        .ok_or_else(|| io::Error::other("neither `valkey-server` nor `redis-server` is installed"))
}
