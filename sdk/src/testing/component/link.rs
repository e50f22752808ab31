//! The process that runs the component, one for all hosts of this process, and each host's line to it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use super::wire::{Said, Word};

/// Says where the `coffer` is that runs it, if not on the path.
const COFFER: &str = "COFFER";

struct Link {
    stdin: Mutex<ChildStdin>,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    last: u64,
    open: HashMap<u64, Sender<Said>>,
    /// The process has: who listens then hears that.
    ended: bool,
}

static LINK: OnceLock<Link> = OnceLock::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host's line.
pub struct Line {
    session: u64,
    link: &'static Link,
    heard: Receiver<Said>,
}

/// A line for one more host.
///
/// # Panics
/// If there is no `coffer`.
pub fn line(component: &OsStr) -> Line {
    let link = LINK.get_or_init(|| start(component));
    let (said, heard) = channel();
    let mut lines = lock(&link.lines);
    lines.last += 1;
    let session = lines.last;
    if !lines.ended {
        lines.open.insert(session, said);
    }
    drop(lines);
    Line {
        session,
        link,
        heard,
    }
}

#[allow(clippy::panic)]
fn start(component: &OsStr) -> Link {
    let program = std::env::var_os(COFFER).unwrap_or_else(|| OsString::from("coffer"));
    let child = Command::new(&program)
        .arg("component-harness")
        .arg(component)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!(
            "{} does not run: {error}; {COFFER} says where it is",
            program.display()
        )
    });
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        panic!("{} cannot be heard", program.display());
    };
    let lines = Arc::new(Mutex::new(Lines::default()));
    let heard = lines.clone();
    // The process ends when this one does, with its standard input.
    std::thread::spawn(move || {
        listen(stdout, &heard);
        let mut lines = lock(&heard);
        lines.ended = true;
        lines.open.clear();
        drop(lines);
        child.wait().ok();
    });
    Link {
        stdin: Mutex::new(stdin),
        lines,
    }
}

/// Hands what the process says to whom it says it.
fn listen(stdout: ChildStdout, lines: &Mutex<Lines>) {
    for line in BufReader::new(stdout).lines() {
        let word = line.map_err(|error| error.to_string()).and_then(|line| {
            serde_json::from_str::<Word>(&line).map_err(|error| format!("{error}: {line}"))
        });
        match word {
            Ok(word) => {
                if let Some(line) = lock(lines).open.get(&word.session) {
                    line.send(word.said).ok();
                }
            }
            Err(error) => {
                eprintln!(
                    "coffer says something that this version of the SDK does not know: {error}"
                );
                return;
            }
        }
    }
}

impl Line {
    /// Says something; if nobody is there, the next to listen finds out.
    pub fn send(&self, now: u64, what: &Value) {
        let order = json!({ "session": self.session, "now": now, "what": what });
        let mut stdin = lock(&self.link.stdin);
        let line = format!("{order}\n");
        stdin
            .write_all(line.as_bytes())
            .and_then(|()| stdin.flush())
            .ok();
    }

    /// Waits for what is said.
    ///
    /// # Panics
    /// If the process is gone.
    #[allow(clippy::panic)]
    pub fn hear(&self) -> Said {
        self.heard.recv().unwrap_or_else(|_| {
            panic!("the process that runs the component has ended; what it complained of stands on standard error")
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        lock(&self.link.lines).open.remove(&self.session);
        self.send(0, &json!("end"));
    }
}
