//! Response wrapping: an answer that is kept for whoever comes first with a token that is good for one use.
//! <https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use coffer_duration::parse_duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::keys::Ns;
use crate::reply::{Reply, WrapReply};
use crate::request::{Body, Request};
use crate::time::rfc3339;
use crate::token::{Held, TokenEntry, TokenKind};
use crate::{Core, Error, wrapping_jwt};

/// The policy of the tokens that answers are wrapped with; no other token can have it.
pub const POLICY: &str = "response-wrapping";

/// Its rules.
pub const RULES: &str = r#"path "cubbyhole/response" { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"#;

const RESPONSE: &str = "response";
const INFO: &str = "wrapinfo";

/// How long a wrapped answer is to be had, in seconds, if the request wants one: `X-Vault-Wrap-TTL`.
///
/// # Errors
/// If it is no duration.
pub fn asked(request: &Request) -> Result<Option<u64>, Error> {
    let Some(text) = request.wrap_ttl.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match parse_duration(text) {
        Some(ttl) => Ok(Some(ttl).filter(|ttl| *ttl > 0)),
        None => Err(Error::invalid(format!(
            "X-Vault-Wrap-TTL: {text:?} is no duration"
        ))),
    }
}

/// What is told of a wrapped answer to whoever has its token.
#[derive(Clone, Serialize, Deserialize)]
pub struct WrapInfo {
    /// In seconds.
    pub creation_ttl: u64,
    pub creation_time: String,
    pub creation_path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    wrapped_accessor: String,
}

/// An answer to be wrapped.
pub struct Wrapped {
    /// As the client would have got it.
    pub response: Zeroizing<String>,
    ttl: u64,
    path: String,
    accessor: String,
}

impl Wrapped {
    /// An answer, to be had for that many seconds.
    ///
    /// # Errors
    /// If it is no JSON.
    pub fn of(reply: Reply, ttl: u64, path: &str, request_id: &str) -> Result<Self, Error> {
        let accessor = reply.auth.as_ref().map(|auth| auth.accessor.clone());
        let Body::Json(body) = reply.respond(request_id).body else {
            return Err(Error::invalid("this answer cannot be wrapped"));
        };
        Ok(Self {
            response: Zeroizing::new(String::from_utf8_lossy(&body).trim_end().to_owned()),
            ttl,
            path: path.to_owned(),
            accessor: accessor.unwrap_or_default(),
        })
    }

    /// The answer that this token stands for, which has no use left then: of two who come with it one gets it.
    ///
    /// # Errors
    /// If there is none.
    pub async fn open(
        core: &Core,
        txn: &mut Transaction,
        held: &Held,
        used: bool,
    ) -> Result<Self, Error> {
        let (token, entry) = (&held.token, &held.token.entry);
        let ns = Ns(&entry.ns);
        let response = txn.get(&ns.cubbyhole(&token.hash, RESPONSE)).await?;
        let response = response.and_then(|value| serde_json::from_slice::<Value>(&value).ok());
        let response = response.as_ref().and_then(|kept| kept[RESPONSE].as_str());
        let (Some(info), Some(response)) = (info(txn, held).await?, response) else {
            return Err(unknown());
        };
        held.require(txn);
        if !used {
            core.tokens
                .revoke(txn, &token.hash, entry, false, core.clock.now())?;
        }
        Ok(Self {
            response: Zeroizing::new(response.to_owned()),
            ttl: info.creation_ttl,
            path: info.creation_path,
            accessor: info.wrapped_accessor,
        })
    }

    /// Stores it with a new token, in the form that the request wants it in.
    pub async fn seal(
        self,
        core: &Core,
        txn: &mut Transaction,
        ns: &str,
        request: &Request,
    ) -> Result<Reply, Error> {
        let mount = core.token_mount(txn).await?;
        let now = core.clock.now();
        let id = core.tokens.new_id(now);
        let entry = token(
            ns,
            &mount.entry.uuid,
            core.tokens.accessor(&id)?,
            &self,
            now,
        );
        let hash = core.tokens.create(txn, &id, &entry)?;
        let info = WrapInfo {
            creation_ttl: self.ttl,
            creation_time: rfc3339(now),
            creation_path: self.path,
            wrapped_accessor: self.accessor,
        };
        let ns = Ns(ns);
        txn.put(ns.cubbyhole(&hash, INFO), json!(info).to_string());
        // Where it can be read, too: as the field `response` of `cubbyhole/response`.
        let response = json!({ RESPONSE: &*self.response });
        txn.put(ns.cubbyhole(&hash, RESPONSE), response.to_string());
        let token = if wrapping_jwt::is_asked(request) {
            let wrapping = wrapping_jwt::Wrapping {
                token: &id,
                accessor: &info.wrapped_accessor,
                now,
                ttl: info.creation_ttl,
            };
            wrapping.signed(core, txn).await?
        } else {
            id
        };
        Ok(Reply {
            wrap: Some(WrapReply {
                token,
                accessor: entry.accessor,
                ttl: info.creation_ttl,
                creation_time: info.creation_time,
                creation_path: info.creation_path,
                wrapped_accessor: info.wrapped_accessor,
            }),
            ..Reply::default()
        })
    }
}

/// What is told of the answer that a token stands for; None if it stands for none.
pub async fn info(txn: &mut Transaction, held: &Held) -> Result<Option<WrapInfo>, Error> {
    let (token, entry) = (&held.token, &held.token.entry);
    if entry.policies != [POLICY] {
        return Ok(None);
    }
    let value = txn.get(&Ns(&entry.ns).cubbyhole(&token.hash, INFO)).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// For a token that stands for no answer, or does no more.
pub fn unknown() -> Error {
    Error::invalid("wrapping token is not valid or does not exist")
}

fn token(
    ns: &str,
    mount: &str,
    accessor: String,
    wrapped: &Wrapped,
    now: UnixMillis,
) -> TokenEntry {
    TokenEntry {
        ns: ns.to_owned(),
        accessor,
        policies: vec![POLICY.to_owned()],
        path: wrapped.path.clone(),
        mount: mount.to_owned(),
        display_name: String::new(),
        meta: None,
        num_uses: 1,
        created: now,
        creation_ttl: wrapped.ttl,
        ttl: wrapped.ttl,
        max_ttl: 0,
        explicit_max_ttl: wrapped.ttl,
        period: 0,
        expires: Some(now.plus_seconds(wrapped.ttl)),
        renewed: None,
        role: None,
        parent: None,
        kind: TokenKind::Service,
        renewable: false,
        bound_cidrs: Vec::new(),
        entity: None,
        internal: None,
    }
}
