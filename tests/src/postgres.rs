//! A real PostgreSQL of our own.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::postgres::{NoTls, Row};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::leash::Leash;
use crate::port;
use crate::wait::within;

/// The superuser's name.
pub const SUPERUSER: &str = "postgres";
/// The superuser's password.
pub const PASSWORD: &str = "it's 100% secret@/";

const START: Duration = Duration::from_secs(60);
/// A client that waits longer for a connection is not let in.
const CONNECT: Duration = Duration::from_secs(10);

/// A server, which stops when it is dropped.
pub struct Postgres {
    binaries: PathBuf,
    address: SocketAddr,
    settings: Vec<String>,
    // The folder goes last.
    process: Option<Process>,
    folder: TempDir,
}

struct Process {
    child: Child,
    _leash: Leash,
}

/// A database that nobody else uses, on a server that is shared.
pub struct Database<'a> {
    server: &'a Postgres,
    /// Its name.
    pub name: String,
}

impl Postgres {
    /// The one that this process's tests share, where losing data to a power cut is allowed.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&["fsync=off"]).expect("PostgreSQL"))
    }

    /// A fresh server with these settings (`name=value`).
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub fn start(settings: &[&str]) -> io::Result<Self> {
        Self::start_with(settings, |_| Ok(()))
    }

    /// As [`start`](Self::start), after `prepare` has seen the data directory (for certificates and `pg_hba.conf`).
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub fn start_with(
        settings: &[&str],
        prepare: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let binaries = binaries()?;
        let folder = tempfile::Builder::new()
            .prefix("coffer-postgres-")
            .tempdir()?;
        let mut server = Self {
            binaries,
            address: port::free(),
            settings: settings
                .iter()
                .map(|setting| (*setting).to_owned())
                .collect(),
            process: None,
            folder,
        };
        server.initialise()?;
        prepare(&server.data())?;
        server.own(&server.data())?;
        server.run()?;
        Ok(server)
    }

    fn initialise(&self) -> io::Result<()> {
        let password = self.folder.path().join("password");
        std::fs::write(&password, PASSWORD)?;
        self.own(self.folder.path())?;
        let output = self
            .command("initdb")
            .args([
                "--no-sync",
                "--no-instructions",
                "--no-locale",
                "--encoding=UTF8",
                "--auth=scram-sha-256",
            ])
            .args(["--username", SUPERUSER, "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(self.data())
            .output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "initdb: {}",
                String::from_utf8_lossy(&output.stderr)
            )))
        }
    }

    /// Starts it (again), at the same address over the same data.
    ///
    /// # Errors
    /// If it does not accept connections within a minute; with what it logged.
    pub fn run(&mut self) -> io::Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let port = format!("port={}", self.address.port());
        let ours = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            &port,
        ];
        for setting in ours
            .into_iter()
            .chain(self.settings.iter().map(String::as_str))
        {
            command.args(["-c", setting]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let leash = Leash::on(child.id(), "QUIT", Some(self.folder.path()))?;
        self.process = Some(Process {
            child,
            _leash: leash,
        });
        let ready = || self.connect(SUPERUSER, PASSWORD, "postgres").is_ok();
        if within(START, ready) {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        Err(io::Error::other(format!(
            "PostgreSQL does not answer\n{log}"
        )))
    }

    /// Stops it at once, as a crash would. [`run`](Self::run) starts it again.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            kill_process(Pid::from_child(&process.child), Signal::QUIT).ok();
            process.child.wait().ok();
        }
    }

    /// A new database.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn database(&self) -> Database<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("app{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = self
            .connect(SUPERUSER, PASSWORD, "postgres")
            .expect("the superuser is let in");
        admin
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .expect("a database is made");
        Database { server: self, name }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A program of the same installation (`psql`, `pgbench`), as the user who may run it.
    pub fn command(&self, program: &str) -> Command {
        // Some installations put a few of them elsewhere.
        let beside = std::iter::once(self.binaries.clone()).chain(folders());
        let found = beside
            .map(|folder| folder.join(program))
            .find(|file| file.is_file());
        let mut command = Command::new(found.unwrap_or_else(|| program.into()));
        if let Some((uid, gid)) = other_user() {
            command.uid(uid).gid(gid);
        }
        command.current_dir("/").env("LC_ALL", "C");
        command
    }

    fn connect(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<::postgres::Client, ::postgres::Error> {
        ::postgres::Config::new()
            .host("127.0.0.1")
            .port(self.address.port())
            .user(user)
            .password(password)
            .dbname(database)
            .connect_timeout(CONNECT)
            .connect(NoTls)
    }

    fn own(&self, path: &Path) -> io::Result<()> {
        let Some((uid, gid)) = other_user() else {
            return Ok(());
        };
        chown(path, Some(uid), Some(gid))?;
        if path.is_dir() {
            for entry in path.read_dir()? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Database<'_> {
    /// The `connection_url` of a database connection, with its placeholders.
    pub fn url_template(&self) -> String {
        format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@{}/{}?sslmode=disable",
            self.server.address, self.name
        )
    }

    /// A connection.
    ///
    /// # Errors
    /// If the user is not let in.
    pub fn connect(
        &self,
        user: &str,
        password: &str,
    ) -> Result<::postgres::Client, ::postgres::Error> {
        self.server.connect(user, password, &self.name)
    }

    /// Whether this user is let in.
    ///
    /// # Panics
    /// If the server is not there.
    #[track_caller]
    pub fn can_login(&self, user: &str, password: &str) -> bool {
        match self.connect(user, password) {
            Ok(mut client) => client.query("SELECT 1", &[]).is_ok(),
            Err(error) if error.as_db_error().is_some() => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs statements as the superuser.
    ///
    /// # Panics
    /// If they fail.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.connect(SUPERUSER, PASSWORD)
            .unwrap()
            .batch_execute(sql)
            .unwrap();
    }

    /// Runs a query as the superuser.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Row> {
        self.connect(SUPERUSER, PASSWORD)
            .unwrap()
            .query(sql, &[])
            .unwrap()
    }

    /// The roles of the server whose names are `LIKE` this.
    #[track_caller]
    pub fn roles_like(&self, pattern: &str) -> Vec<String> {
        let sql = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE $1 ORDER BY 1";
        let rows = self
            .connect(SUPERUSER, PASSWORD)
            .unwrap()
            .query(sql, &[&pattern])
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Where PostgreSQL's server programs are: `PG_BIN`, the PATH, or where packages put them (the newest).
///
/// # Errors
/// If they are nowhere.
pub fn binaries() -> io::Result<PathBuf> {
    folders()
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .ok_or_else(|| {
            io::Error::other(
                "PostgreSQL is not installed: no `initdb` and `postgres` in any usual place",
            )
        })
}

fn folders() -> Vec<PathBuf> {
    let version = |folder: &PathBuf| {
        let name = folder
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<u32>().ok()).unwrap_or(0)
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
                .collect()
        })
        .unwrap_or_default();
    packaged.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let others = [
        "/usr/local/bin",
        "/usr/local/pgsql/bin",
        "/opt/homebrew/bin",
    ]
    .map(PathBuf::from);
    let given = std::env::var_os("PG_BIN").map(PathBuf::from);
    given
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(packaged)
        .chain(others)
        .collect()
}

/// PostgreSQL refuses to be run by root: who runs it instead, as (uid, gid).
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .or(Some((65534, 65534)))
}

/// A database that accepts connections and never says a word.
///
/// # Errors
/// If it cannot listen.
pub fn mute() -> io::Result<SocketAddr> {
    listen(std::mem::forget)
}

/// A database that answers rubbish.
///
/// # Errors
/// If it cannot listen.
pub fn rubbish() -> io::Result<SocketAddr> {
    listen(|mut stream| {
        io::Write::write_all(&mut stream, &[0xff; 4096]).ok();
    })
}

fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    Ok(address)
}
