//! The requests that are under way, for an operator who asks why the server is busy.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coffer_clock::UnixMillis;
use serde_json::{Map, Value, json};

use crate::request::{Method, Request};
use crate::time::rfc3339;

/// All of them. Bounded by what the listeners accept.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<String, Started>>);

struct Started {
    at: UnixMillis,
    remote: SocketAddr,
    path: String,
    method: Method,
}

/// One of them, as long as this lives.
pub struct Here<'u> {
    all: &'u UnderWay,
    id: &'u str,
}

impl UnderWay {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Started>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has begun.
    pub fn enter<'u>(&'u self, id: &'u str, request: &Request, at: UnixMillis) -> Here<'u> {
        let started = Started {
            at,
            remote: request.remote,
            path: request.path.clone(),
            method: request.method,
        };
        self.all().insert(id.to_owned(), started);
        Here { all: self, id }
    }

    /// As the API tells it.
    pub fn describe(&self) -> Map<String, Value> {
        let all = self.all();
        let told = all.iter().map(|(id, started)| {
            let about = json!({
                "start_time": rfc3339(started.at),
                "client_remote_address": started.remote.to_string(),
                "request_path": format!("/v1/{}", started.path),
                "request_method": started.method.name(),
                "client_id": "",
            });
            (id.clone(), about)
        });
        told.collect()
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.all.all().remove(self.id);
    }
}
