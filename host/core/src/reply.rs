//! What a handler answers, and the envelope around it that every Vault client reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::identity::{View, together};
use crate::request::{Body, Response, ResponseHeader};
use crate::token::TokenEntry;

/// The `data` of an answer.
pub enum Data {
    /// The host's own.
    Value(Map<String, Value>),
    /// A plugin's, checked to be an object and passed on as it is.
    Raw(Box<RawValue>),
}

/// The lease of an answer; times in seconds.
#[derive(Debug, Default)]
pub struct LeaseReply {
    pub id: String,
    pub renewable: bool,
    pub duration: u64,
}

/// A token that was made or renewed.
#[derive(Debug)]
pub struct AuthReply {
    pub id: Zeroizing<String>,
    pub accessor: String,
    pub policies: Vec<String>,
    /// Those that its holder has besides.
    pub identity_policies: Vec<String>,
    /// Its holder; empty if that is not known.
    pub entity: String,
    pub metadata: Option<BTreeMap<String, String>>,
    pub duration: u64,
    pub renewable: bool,
    pub token_type: &'static str,
    pub orphan: bool,
    pub num_uses: u64,
}

impl AuthReply {
    pub fn new(
        id: Zeroizing<String>,
        entry: &TokenEntry,
        identity: Option<&View>,
        duration: u64,
    ) -> Self {
        Self {
            id,
            accessor: entry.accessor.clone(),
            policies: entry.policies.clone(),
            identity_policies: identity.map(View::policies).unwrap_or_default(),
            entity: entry.entity.clone().unwrap_or_default(),
            metadata: entry.meta.clone(),
            duration,
            renewable: entry.renewable,
            token_type: entry.kind.name(),
            orphan: entry.parent.is_none(),
            num_uses: entry.num_uses,
        }
    }

    /// What it has itself and what its holder has: sorted, each once.
    pub fn all_policies(&self) -> Cow<'_, [String]> {
        if self.identity_policies.is_empty() {
            return Cow::Borrowed(&self.policies);
        }
        Cow::Owned(together(
            self.policies.iter().chain(&self.identity_policies),
        ))
    }
}

/// Where an answer can be had, once: with this token, by `sys/wrapping/unwrap`.
#[derive(Debug, Serialize)]
pub struct WrapReply {
    #[serde(serialize_with = "plain")]
    pub token: Zeroizing<String>,
    pub accessor: String,
    /// In seconds.
    pub ttl: u64,
    pub creation_time: String,
    pub creation_path: String,
    /// Of the token in the answer, if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wrapped_accessor: String,
}

fn plain<S: serde::Serializer>(
    secret: &Zeroizing<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

/// An answer before it is HTTP.
#[derive(Default)]
pub struct Reply {
    pub status: Option<u16>,
    pub data: Option<Data>,
    pub lease: LeaseReply,
    pub auth: Option<AuthReply>,
    pub wrap: Option<WrapReply>,
    pub warnings: Vec<String>,
    /// The data also stands beside the envelope's own fields, as old clients of some `sys` paths expect.
    pub flatten: bool,
    /// The data is the whole answer.
    pub bare: bool,
    /// The whole answer.
    pub body: Option<Body>,
    /// Headers besides those that every answer has.
    pub headers: Vec<ResponseHeader>,
    /// The mount's type.
    pub mount_type: Cow<'static, str>,
}

impl Reply {
    /// Nothing to say: 204.
    pub fn empty() -> Self {
        Self::default()
    }

    /// An object.
    pub fn data(value: Value) -> Self {
        let data = match value {
            Value::Object(map) => Some(Data::Value(map)),
            _ => None,
        };
        Self {
            data,
            ..Self::default()
        }
    }

    /// An object that is also spread over the envelope.
    pub fn flat(value: Value) -> Self {
        Self {
            flatten: true,
            ..Self::data(value)
        }
    }

    /// An object without an envelope.
    pub fn bare(value: Value) -> Self {
        Self {
            bare: true,
            ..Self::data(value)
        }
    }

    /// Text without an envelope.
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self {
            body: Some(Body::Text(content_type.into(), text.into())),
            ..Self::default()
        }
    }

    /// Lines that are yet to come, without an envelope.
    pub fn lines(lines: mpsc::Receiver<Bytes>) -> Self {
        Self {
            body: Some(Body::Lines(lines)),
            ..Self::default()
        }
    }

    /// The answer to a list: nothing is a 404, as in Vault.
    pub fn list(keys: Vec<String>) -> Result<Self, crate::Error> {
        if keys.is_empty() {
            Err(crate::Error::Nothing)
        } else {
            Ok(Self::data(serde_json::json!({ "keys": keys })))
        }
    }

    /// The same, with what there is to say about each key.
    pub fn list_with(keys: Vec<String>, info: Map<String, Value>) -> Result<Self, crate::Error> {
        let mut reply = Self::list(keys)?;
        if let Some(Data::Value(data)) = &mut reply.data {
            data.insert("key_info".to_owned(), info.into());
        }
        Ok(reply)
    }

    pub fn auth(auth: AuthReply, warnings: Vec<String>) -> Self {
        Self {
            auth: Some(auth),
            warnings,
            ..Self::default()
        }
    }

    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// Whether there is nothing to say.
    pub fn is_nothing(&self) -> bool {
        self.body.is_none()
            && self.data.is_none()
            && self.auth.is_none()
            && self.wrap.is_none()
            && self.warnings.is_empty()
            && self.lease.id.is_empty()
    }

    /// As the client gets it.
    pub fn respond(self, request_id: &str) -> Response {
        if let Some(body) = self.body {
            return Response {
                status: self.status.unwrap_or(200),
                body,
                headers: self.headers,
            };
        }
        if self.is_nothing() {
            return Response {
                status: self.status.unwrap_or(204),
                body: Body::Empty,
                headers: self.headers,
            };
        }
        let body = match &self.data {
            Some(Data::Value(map)) if self.bare => serde_json::to_vec(map),
            Some(Data::Value(map)) if self.flatten => {
                let mut all = map.clone();
                if let Ok(Value::Object(envelope)) = serde_json::to_value(self.envelope(request_id))
                {
                    all.extend(envelope);
                }
                serde_json::to_vec(&all)
            }
            _ => serde_json::to_vec(&self.envelope(request_id)),
        };
        let mut body = body.unwrap_or_default();
        body.push(b'\n');
        Response {
            status: self.status.unwrap_or(200),
            body: Body::Json(body.into()),
            headers: self.headers,
        }
    }

    fn envelope<'a>(&'a self, request_id: &'a str) -> Envelope<'a> {
        Envelope {
            request_id,
            lease_id: &self.lease.id,
            renewable: self.lease.renewable,
            lease_duration: self.lease.duration,
            data: self.data.as_ref().map(|data| match data {
                Data::Value(map) => EnvelopeData::Value(map),
                Data::Raw(raw) => EnvelopeData::Raw(raw),
            }),
            wrap_info: self.wrap.as_ref(),
            warnings: (!self.warnings.is_empty()).then_some(&self.warnings),
            auth: self.auth.as_ref().map(|auth| EnvelopeAuth {
                client_token: &auth.id,
                accessor: &auth.accessor,
                policies: auth.all_policies(),
                token_policies: &auth.policies,
                identity_policies: &auth.identity_policies,
                metadata: auth.metadata.as_ref(),
                lease_duration: auth.duration,
                renewable: auth.renewable,
                entity_id: &auth.entity,
                token_type: auth.token_type,
                orphan: auth.orphan,
                mfa_requirement: (),
                num_uses: auth.num_uses,
            }),
            mount_type: &self.mount_type,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    request_id: &'a str,
    lease_id: &'a str,
    renewable: bool,
    lease_duration: u64,
    data: Option<EnvelopeData<'a>>,
    wrap_info: Option<&'a WrapReply>,
    warnings: Option<&'a Vec<String>>,
    auth: Option<EnvelopeAuth<'a>>,
    mount_type: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EnvelopeData<'a> {
    Value(&'a Map<String, Value>),
    Raw(&'a RawValue),
}

#[derive(Serialize)]
struct EnvelopeAuth<'a> {
    client_token: &'a str,
    accessor: &'a str,
    policies: Cow<'a, [String]>,
    token_policies: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    identity_policies: &'a [String],
    metadata: Option<&'a BTreeMap<String, String>>,
    lease_duration: u64,
    renewable: bool,
    entity_id: &'a str,
    token_type: &'static str,
    orphan: bool,
    mfa_requirement: (),
    num_uses: u64,
}
