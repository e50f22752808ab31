//! What a record says: the fields of Vault's, so that what reads those reads these.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::json::Object;
use super::{AuditedHeader, Recorder};
use crate::identity::{View, together};
use crate::mount::Mount;
use crate::params::object_of;
use crate::request::{Body, Method, Request, Response};
use crate::token::Token;
use crate::wrapping_jwt;

/// What was found out about a request.
#[derive(Clone, Default)]
pub struct Found {
    pub token: Option<Arc<Token>>,
    /// Who holds it, if that is known.
    pub identity: Option<Arc<View>>,
    pub mount: Option<Arc<Mount>>,
}

/// All that is to be told of a request.
pub struct Told<'a> {
    pub id: &'a str,
    pub request: &'a Request,
    /// Its parameters, as JSON; empty if there are none.
    pub data: &'a str,
    pub found: &'a Found,
}

/// Whose token came with it, as a device shows that.
pub struct Shown {
    id: Option<String>,
    accessor: Option<String>,
}

/// What is recorded of it: that it was asked, or how it ended.
pub struct Entry<'a> {
    pub time: &'a str,
    pub answered: Option<&'a Answered<'a>>,
    pub error: Option<&'a str>,
}

/// An answer, taken apart: an envelope's parts each in its place, anything else whole.
pub struct Answered<'a> {
    status: u16,
    /// As JSON.
    data: Option<Cow<'a, str>>,
    envelope: Envelope<'a>,
}

#[derive(Default, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    lease_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    auth: Option<&'a RawValue>,
    #[serde(borrow)]
    wrap_info: Option<&'a RawValue>,
    #[serde(borrow)]
    warnings: Option<&'a RawValue>,
}

impl<'a> Answered<'a> {
    pub fn new(response: &'a Response) -> Self {
        let mut answered = Self {
            status: response.status,
            data: None,
            envelope: Envelope::default(),
        };
        match &response.body {
            Body::Empty | Body::Lines(_) => {}
            Body::Json(bytes) => {
                let envelope: Envelope<'_> = serde_json::from_slice(bytes).unwrap_or_default();
                let data = match envelope.request_id {
                    Some(_) => envelope.data.map(RawValue::get),
                    None => std::str::from_utf8(bytes).ok(),
                };
                answered.data = data.map(Cow::Borrowed);
                if envelope.request_id.is_some() {
                    answered.envelope = envelope;
                }
            }
            Body::Text(kind, bytes) => {
                let told = json!({
                    "http_content_type": kind,
                    "http_raw_body": String::from_utf8_lossy(bytes),
                    "http_status_code": response.status,
                });
                answered.data = Some(told.to_string().into());
            }
        }
        answered
    }
}

/// As Vault names what is done.
fn operation(method: Method) -> &'static str {
    match method {
        Method::Get => "read",
        Method::Head => "header",
        Method::Post => "update",
        Method::Patch => "patch",
        Method::Delete => "delete",
        Method::List => "list",
    }
}

/// A request's parameters, as JSON; empty if there are none, or if they are something else.
pub fn parameters(request: &Request) -> Cow<'_, str> {
    if !request.method.writes() {
        return match request.query.is_empty() {
            true => Cow::default(),
            false => Value::Object(object_of(&request.query)).to_string().into(),
        };
    }
    let body = serde_json::from_slice::<&RawValue>(&request.body).map(RawValue::get);
    let object = body
        .ok()
        .filter(|body| body.starts_with('{') && *body != "{}");
    object.unwrap_or_default().into()
}

/// How long a record without much data is, in bytes.
const USUAL: usize = 2048;

/// The record of a request, or with an answer that of a response, as a device shows it.
pub fn render(
    view: &Recorder,
    audited: &[AuditedHeader],
    told: &Told<'_>,
    shown: &Shown,
    entry: &Entry<'_>,
) -> String {
    let answered = entry.answered;
    let Told { request, found, .. } = told;
    let (token, mount) = (found.token.as_deref(), found.mount.as_deref());
    let Shown { id, accessor } = shown;
    let mut out = String::with_capacity(USUAL + told.data.len());
    let mut record = Object::open(&mut out);
    record.text("time", entry.time);
    record.text(
        "type",
        if answered.is_some() {
            "response"
        } else {
            "request"
        },
    );
    if let Some(token) = token {
        let mut auth = Object::open(record.field("auth"));
        auth.text("client_token", id.as_deref().unwrap_or_default());
        auth.text("accessor", accessor.as_deref().unwrap_or_default());
        describe(&mut auth, token, found.identity.as_deref());
        auth.close();
    }
    let mut asking = Object::open(record.field("request"));
    asking.text("id", told.id);
    asking.text("operation", operation(request.method));
    if let Some(id) = id {
        asking.text("client_token", id);
    }
    if let Some(accessor) = accessor {
        asking.text("client_token_accessor", accessor);
    }
    asking.field("namespace").push_str(r#"{"id":"root"}"#);
    asking.text("path", &request.path);
    if let Some(mount) = mount {
        place(&mut asking, mount);
        let (version, sha256) = mount.running();
        asking.text("mount_running_version", &version);
        if !sha256.is_empty() {
            asking.text("mount_running_sha256", sha256);
        }
    }
    if !told.data.is_empty() {
        let shown = mount.map_or(&[][..], |mount| {
            &mount.entry.config.audit_non_hmac_request_keys
        });
        view.hasher.json(asking.field("data"), told.data, shown);
    }
    view.headers(&mut asking, audited, &request.headers);
    // A string takes everything.
    let _ = write!(
        asking.field("remote_address"),
        "\"{}\"",
        request.remote.ip().to_canonical()
    );
    asking.number("remote_port", request.remote.port());
    if let Some(ttl) = &request.wrap_ttl {
        asking.text("wrap_ttl", ttl);
    }
    asking.close();
    if let Some(answered) = answered {
        view.answer(record.field("response"), answered, mount);
    }
    if let Some(error) = entry.error {
        record.text("error", error);
    }
    record.close();
    out
}

/// Where a mount is.
fn place(object: &mut Object<'_>, mount: &Mount) {
    let entry = &mount.entry;
    object.text("mount_point", &entry.full_path());
    object.text("mount_type", &entry.kind);
    object.text("mount_accessor", &entry.accessor);
    object.text("mount_class", entry.table.kind().name());
}

/// Whose a token is.
fn describe(auth: &mut Object<'_>, token: &Token, identity: Option<&View>) {
    let entry = &token.entry;
    auth.text("display_name", &entry.display_name);
    let of_identity = identity.map(View::policies).unwrap_or_default();
    if of_identity.is_empty() {
        auth.texts("policies", &entry.policies);
    } else {
        let all = together(entry.policies.iter().chain(&of_identity));
        auth.texts("policies", &all);
        auth.texts("identity_policies", &of_identity);
    }
    auth.texts("token_policies", &entry.policies);
    if let Some(entity) = &entry.entity {
        auth.text("entity_id", entity);
    }
    if let Some(meta) = &entry.meta {
        let mut metadata = Object::open(auth.field("metadata"));
        for (name, value) in meta {
            metadata.text(name, value);
        }
        metadata.close();
    }
    auth.text("token_type", entry.kind.name());
    auth.text("token_issue_time", &crate::time::rfc3339(entry.created));
    auth.number("token_ttl", entry.creation_ttl);
    if entry.num_uses > 0 {
        auth.number("remaining_uses", entry.num_uses);
    }
}

impl Recorder {
    /// Whose token came with a request.
    pub fn show(&self, told: &Told<'_>) -> Shown {
        let token = told.found.token.as_deref();
        Shown {
            id: told.request.token.as_ref().map(|id| self.hasher.text(id)),
            accessor: token.map(|token| self.accessor(&token.entry.accessor)),
        }
    }

    /// What of a request's headers is recorded.
    fn headers(&self, asking: &mut Object<'_>, audited: &[AuditedHeader], sent: &http::HeaderMap) {
        let audited = || {
            audited
                .iter()
                .filter(|header| sent.contains_key(&header.name))
        };
        if audited().next().is_none() {
            return;
        }
        let mut headers = Object::open(asking.field("headers"));
        for header in audited() {
            let values = sent.get_all(&header.name).iter().map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes());
                match header.hmac {
                    true => self.hasher.text(&text),
                    false => text.into_owned(),
                }
            });
            headers.texts(&header.name, values);
        }
        headers.close();
    }

    fn accessor(&self, accessor: &str) -> String {
        if self.shape.hashes_accessors && !accessor.is_empty() {
            self.hasher.text(accessor)
        } else {
            accessor.to_owned()
        }
    }

    fn answer(&self, out: &mut String, answered: &Answered<'_>, mount: Option<&Mount>) {
        let mut response = Object::open(out);
        if let Some(mount) = mount {
            place(&mut response, mount);
        }
        response.number("status", answered.status);
        if let Some(data) = &answered.data {
            let shown = mount.map_or(&[][..], |mount| {
                &mount.entry.config.audit_non_hmac_response_keys
            });
            let data = match self.shape.elides_lists {
                true => elided(data),
                false => Cow::Borrowed(&**data),
            };
            self.hasher.json(response.field("data"), &data, shown);
        }
        let envelope = &answered.envelope;
        if let Some(id) = envelope
            .lease_id
            .map(RawValue::get)
            .filter(|id| *id != "\"\"")
        {
            let mut secret = Object::open(response.field("secret"));
            secret.field("lease_id").push_str(id);
            secret.close();
        }
        for (name, part) in [("auth", envelope.auth), ("wrap_info", envelope.wrap_info)] {
            let part = part.and_then(|part| serde_json::from_str(part.get()).ok());
            if let Some(Value::Object(part)) = part {
                let shown = self.without_token(part).to_string();
                response.field(name).push_str(&shown);
            }
        }
        if let Some(warnings) = envelope.warnings {
            response.field("warnings").push_str(warnings.get());
        }
        response.close();
    }

    /// What is told of a token, and not the token.
    fn without_token(&self, part: Map<String, Value>) -> Value {
        let shown = part.into_iter().map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("client_token" | "token", Value::String(text)) => {
                    self.hasher.text(&wrapping_jwt::said_in(&text)).into()
                }
                ("accessor" | "wrapped_accessor", Value::String(text)) => {
                    self.accessor(&text).into()
                }
                (_, value) => value,
            };
            (name, value)
        });
        Value::Object(shown.collect())
    }
}

/// The names of a list, and what is told of each, by how many there are.
fn elided(data: &str) -> Cow<'_, str> {
    let Ok(Value::Object(mut data)) = serde_json::from_str(data) else {
        return data.into();
    };
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
    Value::Object(data).to_string().into()
}
