//! `sys/raw`: what the barrier holds, as it is stored, for whoever has to mend it. Off but where the configuration has
//! `raw_storage_endpoint`. <https://developer.hashicorp.com/vault/api-docs/system/raw>

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_barrier::{BarrierError, is_its_own};
use serde_json::json;

use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, limits};

/// The key that the path names.
fn key(c: &Context<'_>) -> Result<String, Error> {
    if !c.core.config.raw_storage {
        return Err(Error::UnsupportedPath);
    }
    let path = c.params.text("path")?.unwrap_or_default();
    if is_its_own(&path) {
        return Err(Error::invalid(format!("cannot access {path:?}")));
    }
    Ok(path)
}

/// Whether values are in base64.
fn in_base64(c: &Context<'_>) -> Result<bool, Error> {
    match c.params.text("encoding")?.as_deref() {
        None | Some("") => Ok(false),
        Some("base64") => Ok(true),
        Some(other) => Err(Error::invalid(format!("invalid encoding {other:?}"))),
    }
}

/// The value of a key.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (key, base64) = (key(c)?, in_base64(c)?);
    let value = match c.txn.get(&key).await {
        Ok(value) => value.ok_or(Error::Nothing)?,
        // A counter, or damaged.
        Err(BarrierError::Corrupt(_)) => {
            return Err(Error::invalid(format!(
                "{key:?} is not sealed by the barrier"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let value = match base64 {
        true => BASE64.encode(&*value),
        false => std::str::from_utf8(&value)
            .map(str::to_owned)
            .map_err(|_| Error::invalid("the value is not UTF-8; read it with encoding=base64"))?,
    };
    Ok(Reply::data(json!({ "value": value })))
}

/// Sets a key.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (key, base64) = (key(c)?, in_base64(c)?);
    let value = c.params.text("value")?.unwrap_or_default();
    let value = match base64 {
        true => BASE64
            .decode(&value)
            .map_err(|_| Error::invalid("value is not base64"))?,
        false => value.into_bytes(),
    };
    match c.params.text("compression_type")?.as_deref() {
        None | Some("") => {}
        Some(_) => {
            return Err(Error::invalid(
                "values are not compressed here; leave out compression_type",
            ));
        }
    }
    c.txn.put(key, value);
    Ok(Reply::empty())
}

/// Removes a key.
pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = key(c)?;
    c.txn.delete(key);
    Ok(Reply::empty())
}

/// The names right below a key.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut key = key(c)?;
    if !key.is_empty() && !key.ends_with('/') {
        key.push('/');
    }
    Reply::list(c.txn.children(&key, None, limits::MAX_LIST).await?)
}
