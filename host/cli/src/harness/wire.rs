//! What the test's process and the harness say to each other, one JSON text a line. `coffer_sdk::testing` has the other end.

use coffer_runtime::{BackendCall, Lease, MountInfo, PluginError, Request, StorageAccess};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A mount's storage, whole: test storages are small, and the test can look at it and change it between calls.
pub type Stored = Vec<(String, Vec<u8>)>;

/// From the test.
#[derive(Deserialize)]
pub struct Order {
    /// Which of the test process's hosts says it.
    pub session: u64,
    /// What time it is there, in milliseconds since the Unix epoch.
    pub now: u64,
    pub what: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A host whose randomness has this seed.
    Start { seed: u64 },
    /// A call into the component.
    Call(Box<Call>),
    /// To what the component asked.
    Answer(Result<Value, PluginError>),
    /// The host is gone.
    End,
}

#[derive(Deserialize)]
pub struct Call {
    pub mount: MountInfo,
    pub storage: Stored,
    /// The keys that the host holds, as they are kept.
    pub keys: Stored,
    /// Which accesses fail: the number counts down to the one that does.
    pub faults: Vec<(StorageAccess, usize)>,
    pub run: Run,
}

/// A function of the component.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    Handle(Request),
    Exists(Request),
    Renew(Lease, u64),
    Revoke(Lease),
    Tick,
    /// Of a database backend, on a connection of this name and configuration.
    Backend {
        connection: String,
        config: String,
        call: BackendCall,
    },
    /// The connection is not used any more.
    Close {
        connection: String,
    },
}

/// To the test.
#[derive(Serialize)]
pub struct Word {
    pub session: u64,
    pub said: Said,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The component asks something of the world outside.
    Ask(Value),
    /// The call has ended.
    Done(Box<Done>),
    /// The component cannot be run at all.
    Failed(String),
}

#[derive(Serialize)]
pub struct Done {
    pub answer: Answer,
    /// What the call leaves in storage.
    pub storage: Stored,
    /// And of keys.
    pub keys: Stored,
    /// How often storage was read by key.
    pub gets: usize,
    /// What is left of the faults.
    pub faults: Vec<(StorageAccess, usize)>,
    pub log: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Answered(Value),
    Refused(PluginError),
    /// A trap, a limit, an answer that makes no sense.
    Ended(String),
}
