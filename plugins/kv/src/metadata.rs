//! `metadata`: what is known of a secret besides its data.

use std::collections::BTreeMap;

use coffer_sdk::prelude::*;
use serde_json::{Map, Value};

use crate::config::{self, CAS_REQUIRED, DELETE_AFTER, MAX_VERSIONS};
use crate::secret::{self, PATH as SECRET_PATH, Secret, go_duration};

const CUSTOM: Field<Map<String, Value>> = Field::object(
    "custom_metadata",
    "What the operator wants to say of the secret.",
);
const AFTER: Field<String> = Field::text("after", "List what comes after this.");
const LIMIT: Field<i64> = Field::integer("limit", "List at most so many.");

pub(crate) const PATH: Path = Path::new(
    "metadata/{path*}",
    "Reads, writes and lists what is known of secrets.",
)
.fields(&[
    SECRET_PATH.decl(),
    MAX_VERSIONS.decl(),
    CAS_REQUIRED.decl(),
    DELETE_AFTER.decl(),
    CUSTOM.decl(),
    AFTER.decl(),
    LIMIT.decl(),
])
.exists(secret::exists)
.read(read)
.write(write)
.patch(patch)
.delete(delete)
.list(list);

pub(crate) const DETAILED: Path = Path::new(
    "detailed-metadata/{path*}",
    "Lists secrets with their metadata.",
)
.fields(&[SECRET_PATH.decl(), AFTER.decl(), LIMIT.decl()])
.list(detailed);

fn describe(secret: &Secret) -> Value {
    let versions: Map<String, Value> = secret
        .versions
        .iter()
        .map(|(number, version)| {
            let described = json!({
                "created_time": clock::rfc3339(version.created),
                "deletion_time": version.deletion.map(clock::rfc3339).unwrap_or_default(),
                "destroyed": version.destroyed,
            });
            (number.to_string(), described)
        })
        .collect();
    json!({
        "cas_required": secret.cas_required,
        "created_time": clock::rfc3339(secret.created),
        "current_version": secret.current,
        "custom_metadata": secret.custom_metadata,
        "delete_version_after": go_duration(secret.delete_version_after),
        "max_versions": secret.max_versions,
        "oldest_version": secret.oldest,
        "updated_time": clock::rfc3339(secret.updated),
        "versions": versions,
    })
}

fn read(request: &Request) -> Result<Response> {
    let secret = secret::load(&secret::path(request)?)?;
    Ok(secret.map_or_else(Response::empty, |secret| Response::data(describe(&secret))))
}

fn write(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let mut secret = secret::load(&path)?.unwrap_or_else(Secret::new);
    change(request, &mut secret)?;
    if let Some(custom) = request.get(CUSTOM)? {
        secret.custom_metadata = Some(texts(&custom)?);
    }
    secret.store(&path)?;
    Ok(Response::empty())
}

fn patch(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let Some(mut secret) = secret::load(&path)? else {
        return Err(Error::not_found(""));
    };
    change(request, &mut secret)?;
    if let Some(patch) = request.get(CUSTOM)? {
        let have = secret.custom_metadata.take().unwrap_or_default();
        let mut merged: Map<String, Value> = have
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        secret::merge(&mut merged, &patch);
        secret.custom_metadata = Some(texts(&merged)?);
    }
    if request.is_null(CUSTOM) {
        secret.custom_metadata = None;
    }
    secret.store(&path)?;
    Ok(Response::empty())
}

fn change(request: &Request, secret: &mut Secret) -> Result<()> {
    if let Some(max) = config::max_versions(request)? {
        secret.max_versions = max;
    }
    if let Some(required) = request.get(CAS_REQUIRED)? {
        secret.cas_required = required;
    }
    if let Some(after) = config::delete_after(request)? {
        secret.delete_version_after = after;
    }
    Ok(())
}

/// Vault's limits: 64 names of 128 bytes with values of 512 bytes.
fn texts(map: &Map<String, Value>) -> Result<BTreeMap<String, String>> {
    let refuse = |why: String| {
        Err(Error::invalid(format!(
            "custom_metadata validation failed: {why}"
        )))
    };
    if map.len() > 64 {
        return refuse(format!(
            "payload must contain at most 64 keys, provided {}",
            map.len()
        ));
    }
    let mut texts = BTreeMap::new();
    for (name, value) in map {
        let Value::String(value) = value else {
            return refuse(format!("the value of {name:?} is not a string"));
        };
        if name.is_empty() || name.len() > 128 {
            return refuse(format!(
                "length of key {name:?} is {} but must be 0 < len(key) <= 128",
                name.len()
            ));
        }
        if value.is_empty() || value.len() > 512 {
            return refuse(format!(
                "length of value for key {name:?} is {} but must be 0 < len(value) <= 512",
                value.len()
            ));
        }
        if name.chars().chain(value.chars()).any(char::is_control) {
            return refuse(format!(
                "key {name:?} or its value contains unprintable characters"
            ));
        }
        texts.insert(name.clone(), value.clone());
    }
    Ok(texts)
}

fn delete(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    if let Some(secret) = secret::load(&path)? {
        secret.remove(&path)?;
    }
    Ok(Response::empty())
}

/// The names below a path, and the path with its slash.
fn names(request: &Request) -> Result<(String, Vec<String>)> {
    let mut path = request.get(SECRET_PATH)?.unwrap_or_default();
    if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    let limit = request
        .get(LIMIT)?
        .filter(|limit| *limit > 0)
        .and_then(|limit| u32::try_from(limit).ok());
    let after = request.get(AFTER)?.filter(|after| !after.is_empty());
    let names = storage::children(
        &format!("meta/{path}"),
        after.as_deref(),
        limit.unwrap_or(100_000),
    )?;
    Ok((path, names))
}

fn list(request: &Request) -> Result<Response> {
    Ok(Response::list(names(request)?.1))
}

fn detailed(request: &Request) -> Result<Response> {
    let (path, names) = names(request)?;
    let mut info = Map::new();
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        if let Some(secret) = secret::load(&format!("{path}{name}"))? {
            info.insert(name.clone(), describe(&secret));
        }
    }
    Ok(Response::data(json!({ "keys": names, "key_info": info })))
}
