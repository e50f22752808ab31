//! Compiling components. It takes long and much memory, and its input is hostile: it is done by a process of its own, in
//! time that nobody else wants and with hard limits, so that neither the host's memory nor its requests are at stake.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::{Engine, LoadError, limits};

/// Who compiles.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// A thread of this process: for tests and tools.
    Thread,
    /// A process that reads a component on its standard input and runs [`compile_stdin`].
    Process {
        /// The executable.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
        /// How long it may take.
        time: Duration,
    },
}

impl Compiler {
    /// Compiles a component for the engine.
    ///
    /// # Errors
    /// [`LoadError::Contract`] if it is none, or takes too much time or memory.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        component: Vec<u8>,
    ) -> Result<Vec<u8>, LoadError> {
        match self {
            Self::Thread => {
                let engine = engine.clone();
                tokio::task::spawn_blocking(move || engine.precompile(&component))
                    .await
                    .map_err(|error| failed(format!("the compiler failed: {error}")))?
            }
            Self::Process {
                program,
                arguments,
                time,
            } => {
                let work = run(program, arguments, &component);
                match tokio::time::timeout(*time, work).await {
                    Ok(result) => result,
                    Err(_) => Err(failed(format!(
                        "compiling it takes longer than {time:?} (plugin_compile_timeout)"
                    ))),
                }
            }
        }
    }
}

fn failed(reason: String) -> LoadError {
    LoadError::Contract(reason)
}

/// The process ends with this future.
async fn run(
    program: &PathBuf,
    arguments: &[OsString],
    component: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let broken =
        |error: std::io::Error| LoadError::Compiler(format!("the compiler does not run: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(broken)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that is gone already says why on its other end.
            let _ = stdin.write_all(component).await;
        }
    };
    let read = async {
        let mut code = Vec::new();
        match stdout {
            Some(stdout) => stdout.take(limits::COMPILED).read_to_end(&mut code).await,
            None => Ok(0),
        }
        .map(|_| code)
    };
    let explain = async {
        let mut text = String::new();
        if let Some(stderr) = stderr {
            let _ = stderr
                .take(limits::TEXT as u64)
                .read_to_string(&mut text)
                .await;
        }
        text
    };
    let ((), code, text) = tokio::join!(write, read, explain);
    let status = child.wait().await.map_err(broken)?;
    let code = code.map_err(broken)?;
    if status.success() && (code.len() as u64) < limits::COMPILED {
        return Ok(code);
    }
    match text.trim() {
        "" => Err(failed(format!(
            "compiling it takes more than {} MiB of memory, or crashes the compiler ({status})",
            limits::COMPILE_MEMORY >> 20
        ))),
        text => Err(failed(text.to_owned())),
    }
}

/// Has this thread, and those that it will start, run when a processor has nothing else to do: with the lowest of the usual
/// priorities they would still end the slice that they were given while a request waits. A refusal only makes it impolite.
fn yield_to_all() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = rustix::process::nice(19);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

/// What the compiler's process does: reads a component on standard input, writes the compiled code on standard output.
///
/// # Errors
/// With what is wrong, for standard error.
pub fn compile_stdin() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    use std::io::{Read, Write};

    let limit = |resource, value| {
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit).map_err(|error| format!("cannot limit the compiler: {error}"))
    };
    limit(Resource::Data, limits::COMPILE_MEMORY)?;
    // Also if the host is gone that would end it.
    limit(Resource::Cpu, limits::MAX_COMPILE_TIME.as_secs())?;
    limit(Resource::Core, 0)?;
    yield_to_all();
    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut component)
        .map_err(|error| error.to_string())?;
    let engine = Engine::new().map_err(|error| error.to_string())?;
    let code = engine.precompile(&component).map_err(|error| match error {
        LoadError::Contract(reason) => reason,
        other => other.to_string(),
    })?;
    std::io::stdout()
        .lock()
        .write_all(&code)
        .map_err(|error| error.to_string())
}
