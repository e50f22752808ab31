//! A client of the Vault HTTP API that hides nothing: status codes and bodies as they come.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

/// No answer takes longer, in any test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client with a token, or without.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body; null if there was none, a string if it was not JSON.
    pub body: Value,
}

impl Client {
    /// A client of the server at `url` (`http://127.0.0.1:8200`), with a token unless it is empty.
    pub fn new(url: &str, token: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            // A server under test is killed and restarted; a connection to its predecessor would fail by itself.
            .max_idle_connections(0)
            .build()
            .new_agent();
        let token = (!token.is_empty()).then(|| token.to_owned());
        Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            token,
            headers: Vec::new(),
        }
    }

    /// The same, and answers are to be wrapped for so long.
    pub fn wrapping(&self, ttl: &str) -> Self {
        self.with_header("X-Vault-Wrap-TTL", ttl)
    }

    /// The same, and every request has this header.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name, value.to_owned()));
        client
    }

    /// The same server, with another token; empty for none.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: (!token.is_empty()).then(|| token.to_owned()),
            ..self.clone()
        }
    }

    /// The same server, with a new token that may do what these rules say, and what everybody may.
    ///
    /// # Panics
    /// If it is not given one.
    #[track_caller]
    pub fn limited_to(&self, rules: &str) -> Self {
        let policy = serde_json::json!({ "policy": rules });
        self.post("sys/policies/acl/limited", policy).expect(204);
        let body = serde_json::json!({ "policies": ["limited"] });
        let made = self.post("auth/token/create", body);
        self.with_token(&made.text("/auth/client_token"))
    }

    /// One mount of each engine and method that comes with the server.
    ///
    /// # Panics
    /// If one is refused.
    #[track_caller]
    pub fn mount_builtins(&self) {
        for (table, kind) in [
            ("mounts", "kv"),
            ("mounts", "database"),
            ("mounts", "transit"),
            ("auth", "approle"),
            ("auth", "userpass"),
            ("auth", "jwt"),
            ("auth", "kubernetes"),
        ] {
            let body = serde_json::json!({ "type": kind });
            self.post(&format!("sys/{table}/{kind}"), body).expect(204);
        }
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One request. `path` goes below `/v1/` and may have a query.
    ///
    /// # Errors
    /// If there is no answer: whatever is answered is not an error here.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        let method: Method = method.parse().map_err(io::Error::other)?;
        let content = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("X-Vault-Token", token);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if body.is_some() {
            request = request.header("Content-Type", content);
        }
        let response = match body {
            Some(body) => self
                .agent
                .run(request.body(body.to_string()).map_err(io::Error::other)?),
            None => self.agent.run(request.body(()).map_err(io::Error::other)?),
        };
        let mut response = response.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .read_to_string()
            .map_err(io::Error::other)?;
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        Ok(Reply { status, body })
    }

    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        match self.send(method, path, body) {
            Ok(reply) => reply,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, None)
    }

    /// POST.
    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.request("POST", path, Some(&body))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, None)
    }

    /// LIST.
    #[track_caller]
    pub fn list(&self, path: &str) -> Reply {
        self.request("LIST", path, None)
    }
}

impl Reply {
    /// Whether the status is 2xx.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.is_ok(), "{self:?}");
        self.body
    }

    /// The body of an answer with this status.
    ///
    /// # Panics
    /// If it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// The text at a JSON pointer (`/auth/client_token`).
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        match self.body.pointer(pointer).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => panic!("no text at {pointer}: {self:?}"),
        }
    }

    /// The number at a JSON pointer.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> i64 {
        match self.body.pointer(pointer).and_then(Value::as_i64) {
            Some(number) => number,
            None => panic!("no number at {pointer}: {self:?}"),
        }
    }

    /// The errors in the body, in one line.
    pub fn errors(&self) -> String {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}
