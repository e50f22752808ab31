//! The command line, as a user runs it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use serde_json::Value;
use tempfile::TempDir;

use crate::leash::Leash;
use crate::server::{self, Server};

/// The `coffer` command, with the environment of a user who has logged in.
pub struct Cli {
    binary: PathBuf,
    environment: Vec<(String, String)>,
    home: TempDir,
}

/// What a command left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; -1 if it was killed.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Cli {
    /// A user of `server` who holds its root token.
    ///
    /// # Errors
    /// If there is no executable.
    pub fn new(server: &Server) -> io::Result<Self> {
        Self::at(&server.url(), server.root_token())
    }

    /// A user of the server at `url`, with a token unless it is empty.
    ///
    /// # Errors
    /// If there is no executable.
    pub fn at(url: &str, token: &str) -> io::Result<Self> {
        let mut environment = Vec::new();
        for prefix in ["VAULT", "BAO"] {
            environment.push((format!("{prefix}_ADDR"), url.to_owned()));
            if !token.is_empty() {
                environment.push((format!("{prefix}_TOKEN"), token.to_owned()));
            }
        }
        Ok(Self {
            binary: server::binary()?,
            environment,
            home: tempfile::tempdir()?,
        })
    }

    /// The same with another program, which takes what `coffer` takes.
    #[must_use]
    pub fn program(self, binary: PathBuf) -> Self {
        Self { binary, ..self }
    }

    /// The same, and a variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The user's home directory, which is also where the commands run.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the home directory, for `@file` and the like.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.home.path().join(name), content).expect("a file in the home directory");
    }

    /// Runs a command line, whose words are separated by blanks.
    pub fn run(&self, line: &str) -> Ran {
        self.words(line.split_whitespace())
    }

    /// Runs a command.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn words(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        let output = self
            .command(words)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command line as on a terminal, and returns all that is seen there.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn on_a_terminal(&self, line: &str) -> String {
        let output = self
            .in_home(Path::new("script"))
            .args([
                "-qec",
                &format!("{} {line}", self.binary.display()),
                "/dev/null",
            ])
            .output()
            .unwrap_or_else(|error| panic!("script: {error}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a command that goes on until it is told to stop; what it says goes into this file.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(&self, line: &str, says: &Path) -> Running {
        let file = std::fs::File::create(says).expect("a file for what it says");
        let child = self
            .command(line.split_whitespace())
            .stdout(file.try_clone().expect("the same file"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let leash = Leash::on(child.id(), "INT", None).expect("a shell");
        Running {
            child,
            _leash: leash,
        }
    }

    fn command(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.in_home(&self.binary);
        command.args(words);
        command
    }

    fn in_home(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(std::process::Stdio::null());
        command
    }
}

/// A command that goes on. It is told to stop when it is dropped.
pub struct Running {
    child: Child,
    _leash: Leash,
}

impl Running {
    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// As Ctrl-C does; returns how it ended.
    ///
    /// # Panics
    /// If that cannot be known.
    pub fn interrupt(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().ok();
        self.child.wait().expect("its status")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
        }
    }
}

impl Ran {
    /// The standard output of a success, without white space around it.
    ///
    /// # Panics
    /// If it failed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.trim().to_owned()
    }

    /// The standard output of a success, as JSON.
    ///
    /// # Panics
    /// If it failed or is not JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
