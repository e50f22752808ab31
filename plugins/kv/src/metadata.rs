//! `metadata`: what is known of a secret besides its data.

use std::collections::BTreeMap;

use coffer_sdk::{FromValue, format_duration, paging, prelude::*};
use serde_json::{Map, Value};

use crate::config::{self, CAS_REQUIRED, Config, MAX_VERSIONS, METADATA_CAS_REQUIRED};
use crate::secret::{self, PATH as SECRET_PATH, Secret};

const DELETE_AFTER: Field<Seconds> = Field::duration(
    "delete_version_after",
    "After this time a version counts as deleted; 0s means never, unless the mount says otherwise.",
);
const CAS: Field<i64> = Field::integer(
    "metadata_cas",
    "The version of the metadata that this write replaces; 0 if there must be none.",
);

const CUSTOM: Field<Map<String, Value>> = Field::object(
    "custom_metadata",
    "What the operator wants to say of the secret.",
);

pub(crate) const PATH: Path = Path::new(
    "metadata/{path*}",
    "Reads, writes and lists what is known of secrets.",
)
.fields(&[
    SECRET_PATH.decl(),
    MAX_VERSIONS.decl(),
    CAS_REQUIRED.decl(),
    METADATA_CAS_REQUIRED.decl(),
    CAS.decl(),
    DELETE_AFTER.decl(),
    CUSTOM.decl(),
    paging::AFTER.decl(),
    paging::LIMIT.decl(),
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
.fields(&[
    SECRET_PATH.decl(),
    paging::AFTER.decl(),
    paging::LIMIT.decl(),
])
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
        "current_metadata_version": secret.metadata_version,
        "current_version": secret.current,
        "custom_metadata": secret.custom_metadata,
        "delete_version_after": format_duration(i64::try_from(secret.delete_version_after).unwrap_or(i64::MAX)),
        "max_versions": secret.max_versions,
        "metadata_cas_required": secret.metadata_cas_required,
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
    if let Some(custom) = request.get(CUSTOM)? {
        secret.custom_metadata = texts(custom)?;
    }
    change(request, &path, secret)
}

fn patch(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let Some(mut secret) = secret::load(&path)? else {
        return Err(Error::not_found(""));
    };
    if let Some(patch) = request.get(CUSTOM)? {
        let have = secret.custom_metadata.take().unwrap_or_default();
        let mut merged = Map::new();
        if request.has(CUSTOM) {
            merged = have.into_iter().map(|(k, v)| (k, v.into())).collect();
        }
        secret::merge(&mut merged, &patch);
        secret.custom_metadata = texts(merged)?;
    }
    if request.is_null(DELETE_AFTER) {
        secret.delete_version_after = 0;
    }
    change(request, &path, secret)
}

/// What writing and patching have in common.
fn change(request: &Request, path: &str, mut secret: Secret) -> Result<Response> {
    let config = Config::load()?;
    let mut response = Response::empty();
    secret.check_metadata(request.get(CAS)?, &config)?;
    if let Some(max) = config::max_versions(request)? {
        secret.max_versions = max;
    }
    let cas = (CAS_REQUIRED, &mut secret.cas_required, config.cas_required);
    let metadata_cas = (
        METADATA_CAS_REQUIRED,
        &mut secret.metadata_cas_required,
        config.metadata_cas_required,
    );
    for (field, own, mandated) in [cas, metadata_cas] {
        if let Some(required) = request.get(field)? {
            *own = required;
            if mandated && !required {
                response = response.warning(format!(
                    "{:?} set to false, but is mandated by backend config. This value will be ignored.",
                    field.name()
                ));
            }
        }
    }
    if let Some(after) = request.get(DELETE_AFTER)? {
        secret.delete_version_after = after.0;
    }
    secret.metadata_version += 1;
    secret.updated = clock::now();
    secret.store(path)?;
    Ok(response)
}

/// Numbers and booleans become text. Vault's limits: 64 names of 128 bytes with values of 512 bytes. None for none.
fn texts(map: Map<String, Value>) -> Result<Option<BTreeMap<String, String>>> {
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
        let value = match value {
            // 1 and 0, as Vault has it.
            Value::Bool(value) => Some(i64::from(value).to_string()),
            value => String::from_value(value),
        };
        let Some(value) = value else {
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
        texts.insert(name, value);
    }
    Ok(Some(texts).filter(|texts| !texts.is_empty()))
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
    let names = secret::names(request, &path)?;
    Ok((path, names))
}

fn list(request: &Request) -> Result<Response> {
    Ok(Response::list(names(request)?.1))
}

fn detailed(request: &Request) -> Result<Response> {
    let (path, names) = names(request)?;
    let mut info = Map::new();
    for name in &names {
        if name.ends_with('/') {
            info.insert(name.clone(), json!({}));
        } else if let Some(secret) = secret::load(&format!("{path}{name}"))? {
            info.insert(name.clone(), describe(&secret));
        }
    }
    Ok(Response::data(json!({ "keys": names, "key_info": info })))
}
