//! Version 1: a secret is what was written last.

use coffer_sdk::prelude::*;
use serde_json::{Map, Value};

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
    .delete(unversioned)
    .list(unversioned);

fn unversioned(_: &Request) -> Result<Response> {
    Ok(Response::empty().status(404).warning(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
         If using the CLI, use 'kv get' for this operation.",
    ))
}

fn key(request: &Request) -> Result<String> {
    let path = &request.path;
    if path.is_empty() || path.ends_with('/') {
        return Err(Error::invalid("missing path of a secret"));
    }
    Ok(format!("v1/{path}"))
}

fn exists(request: &Request) -> Result<bool> {
    Ok(storage::get(&key(request)?)?.is_some())
}

fn read(request: &Request) -> Result<Response> {
    let Some(data) = storage::get_json::<Map<String, Value>>(&key(request)?)? else {
        return Ok(Response::empty());
    };
    // A secret may say how long it wants to be kept.
    let ttl = ["ttl", "lease"]
        .into_iter()
        .find_map(|name| match data.get(name)? {
            Value::String(text) => coffer_sdk::parse_duration(text),
            Value::Number(number) => number.as_u64(),
            _ => None,
        });
    let mut response = Response::json(&data)?;
    response.ttl = ttl
        .filter(|ttl| *ttl > 0)
        .unwrap_or_else(|| mount::info().default_lease_ttl);
    Ok(response)
}

fn write(request: &Request) -> Result<Response> {
    let key = key(request)?;
    let data = request.data()?;
    if data.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    storage::put_json(&key, &data)?;
    Ok(Response::empty())
}

fn delete(request: &Request) -> Result<Response> {
    storage::delete(&key(request)?)?;
    Ok(Response::empty())
}

fn list(request: &Request) -> Result<Response> {
    let mut path = request.path.clone();
    if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    Ok(Response::list(storage::list(&format!("v1/{path}"))?))
}
