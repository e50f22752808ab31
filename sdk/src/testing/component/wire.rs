//! What is said over the line; `coffer component-harness` has the other end.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HttpRequest;
use crate::Error;
use crate::bindings::plugin::exports::coffer::plugin::engine::{Lease, Request};
use crate::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use crate::effects::LeaseRequest;
use crate::network::TlsOptions;

type Stored = Vec<(String, Vec<u8>)>;

/// A function of the component.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::testing) enum Run<'a> {
    Handle(&'a Request),
    Exists(&'a Request),
    Renew(&'a Lease, u64),
    Revoke(&'a Lease),
    Tick,
    Backend {
        connection: &'a str,
        config: &'a str,
        call: BackendCall<'a>,
    },
    Close {
        connection: &'a str,
    },
}

/// A function of a database backend.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::testing) enum BackendCall<'a> {
    Open,
    Username(&'a UserNaming),
    Exists(&'a str),
    CreateUser(&'a UserRequest),
    UpdateUser(&'a UserChange),
    DeleteUser(&'a UserRemoval),
    Ping,
}

/// A line of the harness.
#[derive(Deserialize)]
pub struct Word {
    pub session: u64,
    pub said: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    Ask(Ask),
    Done(Box<Done>),
    Failed(String),
}

/// What the component wants of the world outside.
#[derive(Deserialize)]
#[serde(tag = "ask", content = "with", rename_all = "snake_case")]
pub enum Ask {
    Http(HttpRequest),
    Connect {
        host: String,
        port: u16,
    },
    Password {
        policy: String,
    },
    RequestHeader {
        name: String,
    },
    RespondWithHeader {
        name: String,
        value: String,
    },
    LoginGroups {
        names: Vec<String>,
    },
    Pod {
        file: PodFile,
    },
    RespondWith {
        content_type: String,
        body: Vec<u8>,
    },
    Read {
        stream: u64,
        max: u32,
    },
    Write {
        stream: u64,
        bytes: Vec<u8>,
    },
    StartTls {
        stream: u64,
        options: TlsOptions,
    },
    Drop {
        stream: u64,
    },
    Database {
        on: Target,
        call: String,
        with: Value,
    },
    CloseDatabase {
        name: String,
    },
    Prepare {
        lease: Option<LeaseRequest>,
        storage: Stored,
        keys: Stored,
    },
    Withdraw,
}

/// A file of the server's pod.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodFile {
    Token,
    CertificateAuthority,
}

/// How a call ended.
#[derive(Deserialize)]
pub struct Done {
    pub answer: Answer,
    pub storage: Stored,
    pub keys: Stored,
    pub gets: usize,
    pub faults: Vec<(String, usize)>,
    pub log: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Answered(Value),
    Refused(Error),
    Ended(String),
}
