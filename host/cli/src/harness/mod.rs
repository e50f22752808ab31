//! `coffer component-harness FILE`: a built component in the real sandbox, driven by its author's own tests.
//!
//! The process belongs to a test: `coffer_sdk::testing::Host` starts it, and it speaks JSON on its standard input and output
//! (see [`wire`]). Instances, limits, transactions and the barrier are those of a server; time, dice and the world outside
//! are the test's. Hosts of one test process share it, so that the component is compiled once.

mod outside;
mod session;
mod wire;

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_runtime::{ComponentStore, Engine, Release};
use tokio::sync::{Mutex, mpsc};

use crate::output;
use outside::Answered;
use session::Session;
use wire::{Call, Order, Said, What, Word};

/// The first argument. Not for people.
pub const HARNESS: &str = "component-harness";

#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    #[error("usage: coffer {HARNESS} FILE")]
    Usage,
    #[error("cannot read the component {0}: {1}")]
    Read(String, std::io::Error),
    #[error("cannot run the component: {0}")]
    Load(String),
    #[error("the test says something else than JSON of the protocol: {0}")]
    Protocol(#[from] serde_json::Error),
    #[error("the test cannot be heard: {0}")]
    Io(#[from] std::io::Error),
    #[error("storage: {0}")]
    Barrier(#[from] coffer_barrier::BarrierError),
}

/// What is tested.
pub struct Subject {
    pub engine: Engine,
    pub release: Release,
    pub store: Arc<Compiled>,
    pub loading: Mutex<()>,
}

/// The component, and its code once it was compiled.
pub struct Compiled {
    wasm: Vec<u8>,
    code: Mutex<Option<Vec<u8>>>,
}

#[async_trait]
impl ComponentStore for Compiled {
    async fn component(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.wasm.clone())
    }

    async fn compiled(&self, _: &str, _: &str) -> Option<Vec<u8>> {
        self.code.lock().await.clone()
    }

    async fn keep_compiled(&self, _: &str, _: &str, code: &[u8]) {
        *self.code.lock().await = Some(code.to_vec());
    }
}

/// Serves a test until it is done.
pub fn run(file: Option<&Path>) -> ExitCode {
    match file.ok_or(HarnessError::Usage).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn subject(file: &Path) -> Result<Subject, HarnessError> {
    let wasm = std::fs::read(file)
        .map_err(|error| HarnessError::Read(file.display().to_string(), error))?;
    let load = |error: coffer_runtime::LoadError| HarnessError::Load(error.to_string());
    let inspection = coffer_runtime::inspect(&wasm).map_err(load)?;
    let manifest = inspection.manifest;
    // All that it asks for is granted: whoever runs its tests has its source.
    let release = Release {
        kind: (manifest.as_ref()).map_or(coffer_manifest::Kind::Secret, |manifest| manifest.kind),
        name: (manifest.as_ref())
            .map_or_else(|| "component".into(), |found| found.name.as_str().into()),
        version: coffer_runtime::CONTRACT_VERSION,
        sha256: coffer_runtime::digest(&wasm).into(),
        builtin: false,
        granted: Arc::new(manifest.map(|manifest| manifest.needs).unwrap_or_default()),
    };
    Ok(Subject {
        engine: Engine::new().map_err(load)?,
        release,
        store: Arc::new(Compiled {
            wasm,
            code: Mutex::default(),
        }),
        loading: Mutex::default(),
    })
}

fn serve(file: &Path) -> Result<(), HarnessError> {
    let subject = Arc::new(subject(file)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut sessions: HashMap<u64, Ways> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let Order { session, now, what } = serde_json::from_str(&line?)?;
        match what {
            What::Start { seed } => {
                let (calls, called) = mpsc::unbounded_channel();
                let (answers, answered) = mpsc::unbounded_channel();
                sessions.insert(session, Ways { calls, answers });
                let subject = subject.clone();
                runtime.spawn(async move {
                    let session_ = Session::start(&subject, session, now, seed, answered).await;
                    let ended = match session_ {
                        Ok(running) => answer_all(running, called).await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = ended {
                        let said = Said::Failed(error.to_string());
                        say(&Word { session, said });
                    }
                });
            }
            What::Call(call) => {
                if let Some(ways) = sessions.get(&session) {
                    // A session that has failed has said so.
                    let _ = ways.calls.send((now, *call));
                }
            }
            What::Answer(answer) => {
                if let Some(ways) = sessions.get(&session) {
                    let _ = ways.answers.send((now, answer));
                }
            }
            What::End => drop(sessions.remove(&session)),
        }
    }
    // What still runs has nobody to run for.
    runtime.shutdown_background();
    Ok(())
}

/// A session's two ways in: what it is to do, and what it asked.
struct Ways {
    calls: mpsc::UnboundedSender<(u64, Call)>,
    answers: mpsc::UnboundedSender<Answered>,
}

async fn answer_all(
    session: Session,
    mut calls: mpsc::UnboundedReceiver<(u64, Call)>,
) -> Result<(), HarnessError> {
    while let Some((now, call)) = calls.recv().await {
        session.call(now, call).await?;
    }
    Ok(())
}

/// Writes a line to the test. One that is gone does not mind.
fn say(word: &Word) {
    if let Ok(mut line) = serde_json::to_vec(word) {
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}
