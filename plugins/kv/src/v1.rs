//! Version 1: a secret is what was written last.

use std::collections::BTreeMap;

use coffer_sdk::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::upgrade::plain_key;

pub(crate) const PATH: Path = Path::new("{*}", "Reads and writes a secret.")
    .exists(exists)
    .read(read)
    .write(write)
    .delete(delete)
    .list(list);

/// What version 2 says where version 1 would have a secret.
pub(crate) const UNVERSIONED: Path = Path::new("{*}", "Nothing: see data/ and metadata/.")
    .read(unversioned)
    .write(unversioned)
    .patch(unversioned)
    .delete(unversioned)
    .list(unversioned);

fn unversioned(_: &Request) -> Result<Response> {
    Ok(Response::empty().status(404).warning(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
         If using the CLI, use 'kv get' for this operation.",
    ))
}

pub(crate) fn exists(request: &Request) -> Result<bool> {
    Ok(storage::get(&plain_key(&request.path))?.is_some())
}

/// A secret may say for how many seconds it wants to be kept; nothing, and less than nothing, is not at all.
fn kept(secret: &str) -> Result<Option<u64>> {
    let data: BTreeMap<String, &RawValue> = serde_json::from_str(secret)?;
    let Some(given) = data.get("ttl").or_else(|| data.get("lease")) else {
        return Ok(None);
    };
    let seconds = match serde_json::from_str(given.get())? {
        Value::Null => Some(0),
        Value::String(text) => coffer_sdk::parse_signed_duration(&text),
        Value::Number(number) => number.as_i64(),
        _ => None,
    };
    Ok(seconds.map(|seconds| u64::try_from(seconds).unwrap_or(0)))
}

fn read(request: &Request) -> Result<Response> {
    let Some(stored) = storage::get(&plain_key(&request.path))? else {
        return Ok(Response::empty());
    };
    let text = String::from_utf8(stored).map_err(Error::internal)?;
    let ttl = kept(&text)?.unwrap_or_else(|| mount::info().default_lease_ttl);
    Ok(Response {
        data: Some(text),
        ttl,
        ..Response::default()
    })
}

fn write(request: &Request) -> Result<Response> {
    crate::check_writable(request, &request.path)?;
    // Stored is what came, with every digit; this is to know that it can be read.
    if request.data()?.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    storage::put_json(&plain_key(&request.path), request.body())?;
    Ok(Response::empty())
}

fn delete(request: &Request) -> Result<Response> {
    storage::delete(&plain_key(&request.path))?;
    Ok(Response::empty())
}

fn list(request: &Request) -> Result<Response> {
    let mut path = request.path.clone();
    if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    Ok(Response::list(storage::list(&plain_key(&path))?))
}
