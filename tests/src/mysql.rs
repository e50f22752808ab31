//! A real MariaDB of our own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::leash::Leash;
use crate::port;
use crate::wait::within;

/// Who may do everything.
pub const SUPERUSER: &str = "admin";
/// The superuser's password.
pub const PASSWORD: &str = "it's 100% secret@/";

const SERVER: &str = "mariadbd";
const CLIENT: &str = "mariadb";
const INSTALLER: &str = "mariadb-install-db";

/// The least that there is to be written when a server is made and started.
const SMALL: [&str; 3] = [
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-flush-log-at-trx-commit=0",
];
const START: Duration = Duration::from_secs(60);

/// A server, which stops when it is dropped.
pub struct MySql {
    address: SocketAddr,
    options: Vec<String>,
    // The folder goes last.
    process: Option<Process>,
    folder: TempDir,
}

struct Process {
    child: Child,
    _leash: Leash,
}

impl MySql {
    /// The one that this process's tests share.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MySql> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]).expect("MariaDB"))
    }

    /// A fresh server with these options (`--name=value`). Losing data to a power cut is allowed.
    ///
    /// # Errors
    /// If MariaDB is not installed or does not start.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        Self::start_with(|_| Ok(options.iter().map(|option| (*option).to_owned()).collect()))
    }

    /// As [`start`](Self::start), with what `prepare` says after it has seen a folder for certificates.
    ///
    /// # Errors
    /// If MariaDB is not installed or does not start.
    pub fn start_with(prepare: impl FnOnce(&Path) -> io::Result<Vec<String>>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("coffer-mysql-").tempdir()?;
        let options = prepare(folder.path())?;
        let mut server = Self {
            address: port::free(),
            options,
            process: None,
            folder,
        };
        server.initialise()?;
        server.run()?;
        Ok(server)
    }

    fn initialise(&self) -> io::Result<()> {
        let mut command = program(INSTALLER)?;
        command.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ]);
        command.args(SMALL);
        command.arg(format!("--datadir={}", self.data().display()));
        // Servers that start at once are in each other's way elsewhere.
        command.arg(format!("--tmpdir={}", self.folder.path().display()));
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        let output = command.output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "{INSTALLER}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )));
        }
        let password = PASSWORD.replace('\'', "''");
        let sql = format!(
            "CREATE USER IF NOT EXISTS '{SUPERUSER}'@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO '{SUPERUSER}'@'%' WITH GRANT OPTION;\n"
        );
        std::fs::write(self.folder.path().join("init.sql"), sql)
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
        let mut command = program(SERVER)?;
        command.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
        ]);
        command.args(SMALL);
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        command.args([
            format!("--datadir={}", self.data().display()),
            format!("--tmpdir={}", self.folder.path().display()),
            format!("--port={}", self.address.port()),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("pid")),
            format!("--init-file={}", path("init.sql")),
        ]);
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        let child = command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let leash = Leash::on(child.id(), "KILL", Some(self.folder.path()))?;
        self.process = Some(Process {
            child,
            _leash: leash,
        });
        if within(START, || {
            self.try_query(SUPERUSER, PASSWORD, "SELECT 1").is_ok()
        }) {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        Err(io::Error::other(format!("MariaDB does not answer\n{log}")))
    }

    /// Stops it at once, as a crash would. [`run`](Self::run) starts it again.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            kill_process(Pid::from_child(&process.child), Signal::KILL).ok();
            process.child.wait().ok();
        }
    }

    /// A new database's name.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("app{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}"));
        name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `connection_url` of a database connection, with its placeholders.
    pub fn url_template(&self) -> String {
        format!("{{{{username}}}}:{{{{password}}}}@tcp({})/", self.address)
    }

    fn client(&self, user: &str, password: &str) -> io::Result<Command> {
        let mut command = program(CLIENT)?;
        command.args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--skip-reconnect",
            "--skip-ssl",
            "--unbuffered",
        ]);
        command.args([
            format!("--host={}", self.address.ip()),
            format!("--port={}", self.address.port()),
            format!("--user={user}"),
        ]);
        command.env("MYSQL_PWD", password);
        Ok(command)
    }

    /// Runs statements as this user. Returns the values of all rows.
    ///
    /// # Errors
    /// What the server said.
    pub fn try_query(&self, user: &str, password: &str, sql: &str) -> io::Result<Vec<Vec<String>>> {
        let output = self
            .client(user, password)?
            .arg(format!("--execute={sql}"))
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let values = |line: &str| line.split('\t').map(str::to_owned).collect();
        Ok(text.lines().map(values).collect())
    }

    /// Whether this user is let in.
    pub fn can_login(&self, user: &str, password: &str) -> bool {
        self.try_query(user, password, "SELECT 1").is_ok()
    }

    /// Runs statements as the superuser.
    ///
    /// # Panics
    /// If they fail.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.query(sql);
    }

    /// Runs a query as the superuser.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        self.try_query(SUPERUSER, PASSWORD, sql).unwrap()
    }

    /// The accounts whose user names are `LIKE` this: `name@host`.
    #[track_caller]
    pub fn users_like(&self, pattern: &str) -> Vec<String> {
        let sql = format!(
            "SELECT CONCAT(User, '@', Host) FROM mysql.user WHERE User LIKE '{pattern}' ORDER BY 1"
        );
        self.query(&sql).into_iter().flatten().collect()
    }

    /// How many sessions there are of users whose names are `LIKE` this.
    #[track_caller]
    pub fn sessions_like(&self, pattern: &str) -> usize {
        self.query(&format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE USER LIKE '{pattern}'"
        ))
        .len()
    }

    /// A session of this user's, which has been let in.
    ///
    /// # Errors
    /// If it is not.
    pub fn connect(&self, user: &str, password: &str) -> io::Result<Session> {
        let mut child = self
            .client(user, password)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        let mut session = Session {
            child,
            input,
            output: BufReader::new(output),
        };
        if session.works() {
            return Ok(session);
        }
        Err(io::Error::other(format!("{user} is not let in")))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for MySql {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A user's session, in a process of its own. It does not connect again.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Whether it still gets answers.
    pub fn works(&mut self) -> bool {
        let mut line = String::new();
        writeln!(self.input, "SELECT 'here';").is_ok()
            && self.output.read_line(&mut line).is_ok()
            && line.trim() == "here"
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether MariaDB's programs are there: in `MARIADB_BIN`, on the PATH, or where packages put them.
///
/// # Errors
/// With the first that is not.
pub fn installed() -> io::Result<()> {
    [SERVER, CLIENT, INSTALLER]
        .into_iter()
        .try_for_each(|name| program(name).map(drop))
}

fn program(name: &str) -> io::Result<Command> {
    let given = std::env::var_os("MARIADB_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = [
        "/usr/sbin",
        "/usr/local/sbin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
    ];
    let found = given
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(others.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| io::Error::other(format!("MariaDB is not installed: no `{name}`")))?;
    let mut command = Command::new(found);
    command.env("LC_ALL", "C").env_remove("MYSQL_HOME");
    Ok(command)
}
