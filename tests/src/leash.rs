//! Processes that end when we do, even when we are killed.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads until its standard input is closed, which the kernel does when we are gone; then ends the process that it
/// holds (a while later with force) and removes a folder. It ignores what a terminal sends to all of us at once.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r _
kill -s "$1" "$2" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$2" 2>/dev/null || break; sleep 0.2; done
kill -s KILL "$2" 2>/dev/null
[ -z "$3" ] || rm -rf -- "$3"
"#;

/// Holds a process to our own life. Dropping it lets go.
#[derive(Debug)]
pub struct Leash(Child);

impl Leash {
    /// Ends `process` with `signal` (`QUIT`, `KILL`) and removes `folder` once we are gone.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn on(process: u32, signal: &str, folder: Option<&Path>) -> io::Result<Self> {
        let folder = folder.map(Path::as_os_str).unwrap_or_default();
        Command::new("sh")
            .args(["-c", SCRIPT, "leash", signal, &process.to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
