//! What a record says: the fields of Vault's, so that what reads those reads these.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{AuditedHeader, Recorder};
use crate::mount::Mount;
use crate::request::{Body, Method, Request, Response};
use crate::token::Token;

/// What is known of a request before anybody has looked at it.
pub struct Asked {
    pub id: String,
    pub operation: &'static str,
    /// Its parameters.
    pub data: Option<Value>,
}

/// What was found out about it since.
#[derive(Clone, Default)]
pub struct Found {
    pub token: Option<std::sync::Arc<Token>>,
    pub mount: Option<std::sync::Arc<Mount>>,
}

/// What ends a request.
pub struct Answered<'a> {
    pub response: &'a Response,
    pub data: Value,
}

/// All that is to be told of a request.
pub struct Told<'a> {
    pub asked: &'a Asked,
    pub headers: Headers<'a>,
    pub found: &'a Found,
    pub answered: Option<&'a Answered<'a>>,
    pub error: Option<&'a str>,
}

/// The headers that are recorded, by name.
pub type Headers<'a> = BTreeMap<&'a str, Vec<String>>;

#[derive(Serialize)]
struct Record<'a> {
    time: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth<'a>>,
    request: Asking<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Auth<'a> {
    client_token: &'a str,
    accessor: &'a str,
    display_name: &'a str,
    policies: &'a [String],
    token_policies: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
    token_type: &'static str,
    token_issue_time: String,
    token_ttl: u64,
    #[serde(skip_serializing_if = "is_zero")]
    remaining_uses: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the serializer asks by reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct Asking<'a> {
    id: &'a str,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token_accessor: Option<&'a str>,
    namespace: Namespace,
    path: &'a str,
    #[serde(flatten)]
    mount: Option<Mounted<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: Headers<'a>,
    remote_address: String,
    remote_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrap_ttl: Option<&'a str>,
}

#[derive(Serialize)]
struct Namespace {
    id: &'static str,
}

#[derive(Serialize)]
struct Mounted<'a> {
    mount_point: String,
    mount_type: &'a str,
    mount_accessor: &'a str,
    mount_class: &'static str,
    mount_running_version: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_running_sha256: &'a str,
}

/// As Vault names what is done.
pub fn operation(method: Method) -> &'static str {
    match method {
        Method::Get => "read",
        Method::Head => "header",
        Method::Post => "update",
        Method::Patch => "patch",
        Method::Delete => "delete",
        Method::List => "list",
    }
}

/// The record of a request, or with an answer that of a response, as a device shows it.
pub fn render(view: &Recorder, time: &str, request: &Request, told: Told<'_>) -> String {
    let Told {
        asked,
        headers,
        found,
        answered,
        error,
    } = told;
    let mount = found.mount.as_deref();
    let shown = mount.map_or(&[][..], |mount| {
        &mount.entry.config.audit_non_hmac_request_keys
    });
    let token = found.token.as_deref();
    let id = request.token.as_ref().map(|id| view.hasher.text(id));
    let accessor = token.map(|token| view.accessor(&token.entry.accessor));
    let record = Record {
        time,
        r#type: if answered.is_some() {
            "response"
        } else {
            "request"
        },
        auth: token.map(|token| {
            auth(
                token,
                id.as_deref().unwrap_or_default(),
                accessor.as_deref().unwrap_or_default(),
            )
        }),
        request: Asking {
            id: &asked.id,
            operation: asked.operation,
            client_token: id.as_deref(),
            client_token_accessor: accessor.as_deref(),
            namespace: Namespace { id: "root" },
            path: &request.path,
            mount: mount.map(mounted),
            data: asked
                .data
                .as_ref()
                .map(|data| view.hasher.value(data, shown)),
            headers,
            remote_address: request.remote.ip().to_canonical().to_string(),
            remote_port: request.remote.port(),
            wrap_ttl: request.wrap_ttl.as_deref(),
        },
        response: answered.map(|answered| view.response(answered, mount)),
        error,
    };
    serde_json::to_string(&record).unwrap_or_default()
}

fn mounted(mount: &Mount) -> Mounted<'_> {
    let (version, sha256) = mount.running();
    Mounted {
        mount_point: mount.entry.full_path(),
        mount_type: &mount.entry.kind,
        mount_accessor: &mount.entry.accessor,
        mount_class: mount.entry.table.kind().name(),
        mount_running_version: version,
        mount_running_sha256: sha256,
    }
}

fn auth<'a>(token: &'a Token, id: &'a str, accessor: &'a str) -> Auth<'a> {
    let entry = &token.entry;
    Auth {
        client_token: id,
        accessor,
        display_name: &entry.display_name,
        policies: &entry.policies,
        token_policies: &entry.policies,
        metadata: entry.meta.as_ref(),
        token_type: entry.kind.name(),
        token_issue_time: crate::time::rfc3339(entry.created),
        token_ttl: entry.creation_ttl,
        remaining_uses: entry.num_uses,
    }
}

impl Recorder {
    /// What of a request's headers is recorded.
    pub fn headers<'a>(&self, audited: &'a [AuditedHeader], sent: &http::HeaderMap) -> Headers<'a> {
        let mut headers = Headers::new();
        for header in audited {
            let values = sent.get_all(&header.name).iter().map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes());
                match header.hmac {
                    true => self.hasher.text(&text),
                    false => text.into_owned(),
                }
            });
            let values: Vec<_> = values.collect();
            if !values.is_empty() {
                headers.insert(&header.name, values);
            }
        }
        headers
    }

    fn accessor(&self, accessor: &str) -> String {
        if self.shape.hashes_accessors && !accessor.is_empty() {
            self.hasher.text(accessor)
        } else {
            accessor.to_owned()
        }
    }

    /// What is told of a token, and not the token.
    fn without_token(&self, part: &Map<String, Value>) -> Value {
        let shown = part.iter().map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("client_token" | "token", Value::String(text)) => self.hasher.text(text).into(),
                ("accessor" | "wrapped_accessor", Value::String(text)) => {
                    self.accessor(text).into()
                }
                (_, value) => value.clone(),
            };
            (name.clone(), value)
        });
        Value::Object(shown.collect())
    }

    /// The answer: an envelope's parts each in its place, anything else whole.
    fn response(&self, answered: &Answered<'_>, mount: Option<&Mount>) -> Value {
        let shown = mount.map_or(&[][..], |mount| {
            &mount.entry.config.audit_non_hmac_response_keys
        });
        let mut out = json!({});
        let mut put = |name: &str, value: Value| {
            if let Value::Object(out) = &mut out {
                out.insert(name.to_owned(), value);
            }
        };
        if let Some(mount) = mount {
            put("mount_point", mount.entry.full_path().into());
            put("mount_type", mount.entry.kind.as_str().into());
            put("mount_accessor", mount.entry.accessor.as_str().into());
            put("mount_class", mount.entry.table.kind().name().into());
        }
        put("status", answered.response.status.into());
        let whole = &answered.data;
        let enveloped = whole.get("request_id").is_some();
        let data = if enveloped {
            whole.get("data").unwrap_or(&Value::Null)
        } else {
            whole
        };
        if !data.is_null() {
            let data = if self.shape.elides_lists {
                elided(data)
            } else {
                data.clone()
            };
            put("data", self.hasher.value(&data, shown));
        }
        if !enveloped {
            return out;
        }
        if let Some(id) = whole.get("lease_id").filter(|id| **id != json!("")) {
            put("secret", json!({ "lease_id": id }));
        }
        for name in ["auth", "wrap_info"] {
            if let Some(Value::Object(part)) = whole.get(name) {
                put(name, self.without_token(part));
            }
        }
        if let Some(warnings @ Value::Array(_)) = whole.get("warnings") {
            put("warnings", warnings.clone());
        }
        out
    }
}

/// The names of a list, and what is told of each, by how many there are.
fn elided(data: &Value) -> Value {
    let mut data = data.clone();
    if let Some(keys) = data.get_mut("keys")
        && let Value::Array(all) = keys
    {
        *keys = all.len().into();
    }
    if let Some(info) = data.get_mut("key_info")
        && let Value::Object(all) = info
    {
        *info = all.len().into();
    }
    data
}

/// An answer's body, to be shown.
pub fn body(response: &Response) -> Value {
    match &response.body {
        Body::Empty | Body::Lines(_) => Value::Null,
        Body::Json(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
        Body::Text(kind, bytes) => json!({
            "http_content_type": kind,
            "http_raw_body": String::from_utf8_lossy(bytes),
            "http_status_code": response.status,
        }),
    }
}
