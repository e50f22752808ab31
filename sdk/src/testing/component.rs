//! A host whose plugin is a built component, in the real sandbox. Where the environment names one in `COFFER_COMPONENT`, a
//! process of `coffer` runs it, and this is the way there: one process for all hosts of a test's process, JSON on its
//! standard input and output. What the component asks of the world outside comes back here, to what the test has set up.

mod link;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::network::{self, Connection};
use super::{DATABASE, Host};
use crate::{Error, Result, http};
use link::Line;
use wire::{Answer, Ask, Done, PodFile, Said};

pub(super) use wire::{BackendCall, Run};

/// Names the component that takes the plugin's place.
pub(super) const COMPONENT: &str = "COFFER_COMPONENT";

/// What runs the plugin of this thread's host.
enum Slot {
    /// Its own functions.
    Native,
    Component(Session),
    /// A component that waits for an answer from the test.
    Busy,
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Native) };
}

struct Session {
    line: Line,
    started: bool,
    streams: BTreeMap<u64, Connection>,
    next_stream: u64,
}

/// Whether the plugin's functions are not called natively.
pub(super) fn is_used() -> bool {
    std::env::var_os(COMPONENT).is_some_and(|file| !file.is_empty())
}

/// A new host on this thread.
pub(super) fn begin() {
    let slot = match std::env::var_os(COMPONENT) {
        Some(file) if !file.is_empty() => Slot::Component(Session {
            line: link::line(&file),
            started: false,
            streams: BTreeMap::new(),
            next_stream: 1,
        }),
        _ => Slot::Native,
    };
    SLOT.set(slot);
}

/// It is gone.
pub(super) fn end() {
    // At the thread's end there may be nothing left to end.
    SLOT.try_with(|slot| slot.replace(Slot::Native)).ok();
}

/// Calls the component.
#[allow(clippy::panic)]
pub(super) fn call<T: DeserializeOwned>(run: &Run<'_>) -> Result<T> {
    let mut session = match SLOT.replace(Slot::Busy) {
        Slot::Component(session) => session,
        Slot::Busy => panic!(
            "the test calls the plugin while the plugin waits for the test: a component cannot be called from what serves it"
        ),
        Slot::Native => panic!("{COMPONENT} was set after this Host was made"),
    };
    let answer = session.run(run);
    SLOT.set(Slot::Component(session));
    serde_json::from_value(answer?)
        .map_err(|error| Error::internal(format!("the component answers something else: {error}")))
}

/// Closes a backend's connection, if there is still a host on this thread.
pub(super) fn close(connection: &str) {
    let is_there = SLOT.try_with(|slot| matches!(&*slot.borrow(), Slot::Component(_)));
    if is_there.unwrap_or_default() && Host::is_there() {
        // What does not close is closed with the session.
        let _: Result<()> = call(&Run::Close { connection });
    }
}

impl Session {
    #[allow(clippy::panic)]
    fn run(&mut self, run: &Run<'_>) -> Result<Value> {
        let (now, seed, call) = Host::with(|host| {
            host.leased = false;
            let storage: Vec<_> = host.storage.iter().collect();
            let keys: Vec<_> = host.keys.iter().collect();
            let call = json!({ "call": { "mount": host.mount, "storage": storage, "keys": keys, "faults": host.faults.on_wire(), "run": run } });
            (host.now, host.seed, call)
        });
        if !std::mem::replace(&mut self.started, true) {
            self.line.send(now, &json!({ "start": { "seed": seed } }));
        }
        self.line.send(now, &call);
        loop {
            match self.line.hear() {
                Said::Ask(ask) => {
                    let answer = self.answer(ask);
                    let now = Host::with(|host| host.now);
                    self.line.send(now, &json!({ "answer": answer }));
                }
                Said::Done(done) => return finish(*done),
                Said::Failed(reason) => panic!("{COMPONENT}: {reason}"),
            }
        }
    }

    /// Answers what the component asks, as the native functions do.
    fn answer(&mut self, ask: Ask) -> Result<Value> {
        let gone = || Error::internal("there is no such stream");
        let value = match ask {
            Ask::Http(request) => to_value(Host::http(&request)?)?,
            Ask::Connect { host, port } => {
                let stream = network::connect(&host, port)?;
                self.next_stream += 1;
                self.streams.insert(self.next_stream, stream);
                json!(self.next_stream)
            }
            Ask::Read { stream, max } => {
                let stream = self.streams.get_mut(&stream).ok_or_else(gone)?;
                json!(stream.read(max)?)
            }
            Ask::Write { stream, bytes } => {
                let stream = self.streams.get_mut(&stream).ok_or_else(gone)?;
                to_value(stream.write(&bytes)?)?
            }
            Ask::StartTls { stream, options } => {
                let stream = self.streams.get_mut(&stream).ok_or_else(gone)?;
                to_value(stream.start_tls(&options)?)?
            }
            Ask::Drop { stream } => {
                self.streams.remove(&stream);
                Value::Null
            }
            Ask::Database { on, call, with } => database(&on, &call, with)?,
            Ask::CloseDatabase { name } => {
                Host::with(|host| host.closed.push(name));
                Value::Null
            }
            Ask::Prepare {
                lease,
                storage,
                keys,
            } => Host::with(|host| {
                host.storage = storage.into_iter().collect();
                host.keys = keys.into_iter().collect();
                to_value(host.prepare(lease.as_ref())?)
            })?,
            Ask::Password { policy } => to_value(crate::passwords::generate(&policy)?)?,
            Ask::RequestHeader { name } => to_value(Host::with(|host| host.request_header(&name)))?,
            Ask::RespondWithHeader { name, value } => {
                to_value(Host::with(|host| host.respond_with_header(&name, &value))?)?
            }
            Ask::LoginGroups { names } => to_value(crate::identity::groups(&names)?)?,
            Ask::Pod { file } => to_value(match file {
                PodFile::Token => crate::pod::service_account_token()?,
                PodFile::CertificateAuthority => crate::pod::certificate_authority()?,
            })?,
            Ask::RespondWith { content_type, body } => {
                to_value(Host::with(|host| host.respond_with(&content_type, body))?)?
            }
            Ask::Withdraw => to_value(Host::with(super::State::withdraw)?)?,
        };
        Ok(value)
    }
}

fn to_value(value: impl serde::Serialize) -> Result<Value> {
    Ok(serde_json::to_value(value)?)
}

fn database(on: &crate::databases::Target, call: &str, with: Value) -> Result<Value> {
    // What the kit cannot read is the kit's fault.
    fn read<T: DeserializeOwned>(with: Value) -> Result<T> {
        Ok(serde_json::from_value(with)?)
    }
    DATABASE.with(|slot| {
        let mut slot = slot.borrow_mut();
        let database = slot
            .as_deref_mut()
            .ok_or_else(|| Error::unavailable("no database in this test"))?;
        match call {
            "secret_fields" => to_value(database.secret_fields(on)?),
            "username" => to_value(database.username(on, &read(with)?)?),
            "exists" => to_value(database.exists(on, &read::<String>(with)?)?),
            "create_user" => to_value(database.create_user(on, &read(with)?)?),
            "update_user" => to_value(database.update_user(on, &read(with)?)?),
            "delete_user" => to_value(database.delete_user(on, &read(with)?)?),
            "ping" => to_value(database.ping(on)?),
            other => Err(Error::internal(format!("databases has no {other:?}"))),
        }
    })
}

fn finish(done: Done) -> Result<Value> {
    Host::with(|host| {
        host.storage = done.storage.into_iter().collect();
        host.committed = host.storage.clone();
        host.keys = done.keys.into_iter().collect();
        host.committed_keys = host.keys.clone();
        host.gets += done.gets;
        host.faults.set_left(&done.faults);
        host.log.extend(done.log);
    });
    match done.answer {
        Answer::Answered(value) => Ok(value),
        Answer::Refused(error) => Err(error),
        Answer::Ended(reason) => Err(Error::internal(format!("the component ended: {reason}"))),
    }
}

/// A response's parts, under their own name here.
pub(super) fn response(
    response: crate::bindings::plugin::exports::coffer::plugin::engine::Response,
) -> crate::Response {
    crate::Response {
        status: response.status,
        data: response.data,
        warnings: response.warnings,
        auth: response.auth,
        ttl: response.ttl,
    }
}

/// What a component asks of HTTP.
type HttpRequest = http::Request;
