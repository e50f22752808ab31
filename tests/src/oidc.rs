//! A real OpenID provider, and a real browser without a screen that logs in there.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::leash::Leash;

/// The client that the provider knows.
pub const CLIENT_ID: &str = "coffer";
/// That client's secret.
pub const CLIENT_SECRET: &str = "it is: a \"secret\"";

/// A script of `tests/oidc` that Node.js runs, and what it is asked and says, line by line. It ends when this is dropped.
struct Script {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _leash: Leash,
}

impl Script {
    fn start(name: &str, arguments: &[&str]) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc");
        if !folder.join("node_modules").is_dir() {
            return Err(io::Error::other(format!(
                "{} has no node_modules: `cargo xtask test` installs them",
                folder.display()
            )));
        }
        let mut child = Command::new("node")
            .arg(folder.join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let leash = Leash::on(child.id(), "TERM", None)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| io::Error::other("no output"))?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
            _leash: leash,
        })
    }

    fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        match line.trim() {
            "" => Err(io::Error::other("it has ended, and its errors say why")),
            said => Ok(said.to_owned()),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It ends with its input.
        self.input.take();
        let ended = crate::within(std::time::Duration::from_secs(10), || {
            !matches!(self.child.try_wait(), Ok(None))
        });
        if !ended {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// The provider. Anybody logs in, with any password; `joe` has the groups `dev` and `ops`.
pub struct Provider {
    _script: Script,
    /// Its URL.
    pub issuer: String,
}

impl Provider {
    /// One that sends browsers back to these URLs, at any port.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(redirect_uris: &[&str]) -> io::Result<Self> {
        let mut script = Script::start("provider.mjs", redirect_uris)?;
        let issuer = script.hear()?;
        Ok(Self {
            _script: script,
            issuer,
        })
    }
}

/// A browser.
pub struct Browser(Script);

/// What it shows in the end.
#[derive(Debug)]
pub struct Shown {
    /// The page's title.
    pub title: String,
    /// All of its text.
    pub text: String,
    /// Where it is.
    pub url: String,
}

impl Browser {
    /// One that has been nowhere yet.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start() -> io::Result<Self> {
        let program = browser()?;
        Script::start("browser.mjs", &[&program.to_string_lossy()]).map(Self)
    }

    /// Opens a URL, has somebody log in wherever they are asked to, and says yes to everything.
    ///
    /// # Panics
    /// If it has ended.
    pub fn login(&mut self, url: &str, user: &str) -> Shown {
        self.go(&json!({"url": url, "user": user}))
    }

    /// Opens a URL, and cancels.
    ///
    /// # Panics
    /// If it has ended.
    pub fn refuse(&mut self, url: &str) -> Shown {
        self.go(&json!({"url": url, "user": "", "refuses": true}))
    }

    fn go(&mut self, asked: &Value) -> Shown {
        let input = self.0.input.as_mut().expect("its input");
        writeln!(input, "{asked}").expect("a browser that listens");
        let said = self.0.hear().expect("what is shown");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        Shown {
            title: text("title"),
            text: text("text"),
            url: text("url"),
        }
    }
}

/// The browser's program.
///
/// # Errors
/// If it is not installed.
pub fn browser() -> io::Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            io::Error::other("Chromium is not installed: `cargo xtask test` installs it")
        })
}
