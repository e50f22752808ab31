//! Secret ids: stored under a keyed hash, never in clear, with an accessor to speak of them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_sdk::prelude::*;
use coffer_sdk::token;
use hmac::{Hmac, Mac};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::params as p;
use crate::role::{self, Role};

/// What is stored of a secret id. Times in milliseconds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SecretId {
    pub accessor: String,
    /// Uses left; 0 for ever.
    pub num_uses: u32,
    pub ttl: Seconds,
    pub created: u64,
    pub updated: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    pub metadata: BTreeMap<String, String>,
    pub cidr_list: Vec<String>,
    pub token_bound_cidrs: Vec<String>,
}

impl SecretId {
    pub(crate) fn is_expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= clock::now())
    }
}

/// Where an accessor leads.
#[derive(Serialize, Deserialize)]
pub(crate) struct Target {
    pub role: String,
    /// The hash of the secret id.
    pub hash: String,
}

/// The longest secret id that a caller can choose, in bytes.
const LONGEST: usize = 4096;

pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// What a secret id is stored under.
pub(crate) fn hash(role: &Role, secret_id: &str) -> Result<String> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(role.hmac_key.as_bytes()).map_err(Error::internal)?;
    mac.update(secret_id.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

pub(crate) fn key(role: &str, hash: &str) -> String {
    format!("secret-id/{role}/{hash}")
}

pub(crate) fn accessor_key(accessor: &str) -> String {
    format!("accessor/{}", digest(accessor))
}

/// Those that expire, in the order of the time. With the role's name and the hash, which have no slashes.
pub(crate) const EXPIRIES: &str = "expires/";

fn expiry_key(at: u64, role: &str, hash: &str) -> String {
    format!("{EXPIRIES}{at:016x}/{role}/{hash}")
}

/// When, and which one, a key of [`EXPIRIES`] says: the time in milliseconds, the role and the hash.
pub(crate) fn expiry(key: &str) -> Option<(u64, &str, &str)> {
    let (at, secret) = key.strip_prefix(EXPIRIES)?.split_once('/')?;
    let (role, hash) = secret.split_once('/')?;
    Some((u64::from_str_radix(at, 16).ok()?, role, hash))
}

pub(crate) fn load(role: &str, hash: &str) -> Result<Option<SecretId>> {
    storage::get_json(&key(role, hash))
}

pub(crate) fn remove(role: &str, hash: &str, secret: &SecretId) -> Result<()> {
    if let Some(at) = secret.expires {
        storage::delete(&expiry_key(at, role, hash))?;
    }
    storage::delete(&key(role, hash))?;
    storage::delete(&accessor_key(&secret.accessor))
}

/// Removes every secret id of a role.
pub(crate) fn remove_all(role: &str) -> Result<()> {
    for hash in storage::list(&key(role, ""))? {
        if let Some(secret) = load(role, &hash)? {
            remove(role, &hash, &secret)?;
        }
    }
    Ok(())
}

pub(crate) fn generate(request: &Request) -> Result<Response> {
    create(request, random::uuid())
}

pub(crate) fn custom(request: &Request) -> Result<Response> {
    let secret_id = request.require(p::SECRET_ID)?;
    if secret_id.len() > LONGEST {
        return Err(Error::invalid(format!(
            "secret_id is longer than the maximum of {LONGEST} bytes"
        )));
    }
    create(request, secret_id)
}

fn create(request: &Request, secret_id: String) -> Result<Response> {
    let (name, role) = role::required(request)?;
    if !role.bind_secret_id {
        return Err(Error::invalid("bind_secret_id is not set on the role"));
    }
    let cidr_list = within(
        request.get(p::CIDRS)?.unwrap_or_default(),
        &role.secret_id_bound_cidrs,
    )?;
    let token_bound_cidrs = within(
        request.get(p::TOKEN_CIDRS)?.unwrap_or_default(),
        &role.token_bound_cidrs,
    )?;
    let num_uses = match request.get(p::USES)? {
        None => role.secret_id_num_uses,
        Some(uses) => {
            let uses =
                u32::try_from(uses).map_err(|_| Error::invalid("num_uses cannot be negative"))?;
            // 0 is for ever, so it is more than any other number.
            if role.secret_id_num_uses > 0 && (uses == 0 || uses > role.secret_id_num_uses) {
                return Err(Error::invalid(
                    "num_uses cannot be higher than the role's secret_id_num_uses",
                ));
            }
            uses
        }
    };
    let ttl = match request.get(p::LIFE)? {
        None => role.secret_id_ttl,
        Some(ttl) if role.secret_id_ttl.0 > 0 && (ttl.0 == 0 || ttl > role.secret_id_ttl) => {
            return Err(Error::invalid(
                "ttl cannot be longer than the role's secret_id_ttl",
            ));
        }
        Some(ttl) => ttl,
    };
    let ttl = Seconds(ttl.0.min(mount::info().max_lease_ttl));
    let hash = hash(&role, &secret_id)?;
    if storage::get(&key(&name, &hash))?.is_some() {
        return Err(Error::invalid("SecretID is already registered"));
    }
    let now = clock::now();
    let secret = SecretId {
        accessor: random::uuid(),
        num_uses,
        ttl,
        created: now,
        updated: now,
        expires: (ttl.0 > 0).then(|| now.saturating_add(ttl.0.saturating_mul(1000))),
        metadata: metadata(request)?,
        cidr_list,
        token_bound_cidrs,
    };
    storage::put_json(&key(&name, &hash), &secret)?;
    if let Some(at) = secret.expires {
        storage::put(&expiry_key(at, &name, &hash), b"")?;
    }
    storage::put_json(
        &accessor_key(&secret.accessor),
        &Target { role: name, hash },
    )?;
    Ok(Response::data(json!({
        "secret_id": secret_id,
        "secret_id_accessor": secret.accessor,
        "secret_id_num_uses": num_uses,
        "secret_id_ttl": ttl,
    })))
}

/// The metadata, in one of the forms that [`p::METADATA`] names, or as the object itself.
fn metadata(request: &Request) -> Result<BTreeMap<String, String>> {
    if let Some(Value::Object(_)) = request.data()?.get(p::METADATA.name()) {
        return Ok(request.get(p::METADATA_MAP)?.unwrap_or_default());
    }
    let text = request.get(p::METADATA)?.unwrap_or_default();
    let decoded = BASE64
        .decode(text.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = decoded.unwrap_or(text);
    if let Ok(object) = serde_json::from_str(&text) {
        return Ok(object);
    }
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let valid = !name.is_empty() && !value.is_empty() && !value.contains('=');
            valid.then(|| (name.to_owned(), value.to_owned()))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| {
            Error::invalid("failed to parse metadata: expected a JSON object of strings, or name=value,name=value")
        })
}

/// Checks that each block lies in one of the role's, if that has any.
fn within(blocks: Vec<String>, of_role: &[String]) -> Result<Vec<String>> {
    let blocks = token::cidrs(blocks)?;
    let outer: Vec<IpNet> = of_role
        .iter()
        .filter_map(|text| token::block(text))
        .collect();
    for text in &blocks {
        let inside = token::block(text)
            .is_some_and(|inner| outer.iter().any(|outer| outer.contains(&inner)));
        if !outer.is_empty() && !inside {
            return Err(Error::invalid(format!(
                "failed to verify subset relationship between CIDR blocks on the role {of_role:?} and CIDR blocks on the secret ID {blocks:?}"
            )));
        }
    }
    Ok(blocks)
}

/// Whether an address lies in one of the blocks; no blocks allow all.
pub(crate) fn list(request: &Request) -> Result<Response> {
    let name = role::name(request)?;
    role::load(&name)?.ok_or_else(|| Error::invalid(role::unknown(&name)))?;
    let mut accessors = Vec::new();
    for hash in storage::list(&key(&name, ""))? {
        accessors.extend(
            load(&name, &hash)?
                .filter(|secret| !secret.is_expired())
                .map(|secret| secret.accessor),
        );
    }
    Ok(Response::list(accessors))
}

fn describe(secret: &SecretId) -> Response {
    Response::data(json!({
        "cidr_list": secret.cidr_list,
        "creation_time": clock::rfc3339(secret.created),
        "expiration_time": secret.expires.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), clock::rfc3339),
        "last_updated_time": clock::rfc3339(secret.updated),
        "metadata": secret.metadata,
        "secret_id_accessor": secret.accessor,
        "secret_id_num_uses": secret.num_uses,
        "secret_id_ttl": secret.ttl,
        "token_bound_cidrs": secret.token_bound_cidrs,
    }))
}

/// The secret id that a request names.
fn named(request: &Request) -> Result<Option<(String, String, SecretId)>> {
    let (name, role) = role::required(request)?;
    let hash = hash(&role, &request.require(p::SECRET_ID)?)?;
    Ok(load(&name, &hash)?.map(|secret| (name, hash, secret)))
}

pub(crate) fn lookup(request: &Request) -> Result<Response> {
    let found = named(request)?.filter(|(_, _, secret)| !secret.is_expired());
    Ok(found.map_or_else(Response::empty, |(_, _, secret)| describe(&secret)))
}

pub(crate) fn destroy(request: &Request) -> Result<Response> {
    if let Some((name, hash, secret)) = named(request)? {
        remove(&name, &hash, &secret)?;
    }
    Ok(Response::empty())
}

/// The secret id that an accessor names; it must be this role's.
fn by_accessor(request: &Request) -> Result<(String, String, SecretId)> {
    let (name, _) = role::required(request)?;
    let accessor = request.require(p::ACCESSOR)?;
    let unknown = || {
        Error::not_found(format!(
            "failed to find accessor entry for secret_id_accessor: {accessor:?}"
        ))
    };
    let target: Target = storage::get_json(&accessor_key(&accessor))?.ok_or_else(unknown)?;
    if target.role != name {
        return Err(unknown());
    }
    let secret = load(&name, &target.hash)?.ok_or_else(unknown)?;
    Ok((name, target.hash, secret))
}

pub(crate) fn lookup_accessor(request: &Request) -> Result<Response> {
    let (_, _, secret) = by_accessor(request)?;
    Ok(if secret.is_expired() {
        Response::empty()
    } else {
        describe(&secret)
    })
}

pub(crate) fn destroy_accessor(request: &Request) -> Result<Response> {
    let (name, hash, secret) = by_accessor(request)?;
    remove(&name, &hash, &secret)?;
    Ok(Response::empty())
}
