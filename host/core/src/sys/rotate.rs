//! `sys/rotate` and `sys/key-status`: the key that values are sealed with.

use coffer_duration::format_duration;
use serde_json::json;

use crate::keys::ROTATION;
use crate::reply::Reply;
use crate::routes::Context;
use crate::time::rfc3339;
use crate::{Error, limits};

/// In seconds.
const MIN_INTERVAL: u64 = 24 * 3600;
const MIN_OPERATIONS: u64 = 1_000_000;

/// The newest key.
pub async fn status(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = c.core.barrier.key_status().await?;
    Ok(Reply::flat(json!({
        "term": key.term,
        "install_time": rfc3339(key.installed),
        "encryptions": key.encryptions,
    })))
}

/// Seals with a new key from now on.
pub async fn rotate(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.core.rotate().await?;
    Ok(Reply::empty())
}

/// Replaces the root key.
pub async fn rotate_root(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.core.rotate_root().await?;
    Ok(Reply::empty())
}

/// When the key is replaced.
pub async fn config(c: &mut Context<'_>) -> Result<Reply, Error> {
    let rotation = c.core.rotation().await?;
    let interval = match rotation.interval {
        0 => json!(0),
        seconds => json!(format_duration(i64::try_from(seconds).unwrap_or(i64::MAX))),
    };
    Ok(Reply::data(json!({
        "enabled": rotation.enabled,
        "max_operations": rotation.max_operations,
        "interval": interval,
    })))
}

/// Changes when.
pub async fn configure(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut rotation = c.core.rotation().await?;
    if let Some(enabled) = c.params.boolean("enabled")? {
        rotation.enabled = enabled;
    }
    if let Some(most) = c.params.number("max_operations")? {
        if !(MIN_OPERATIONS..=limits::MAX_OPERATIONS).contains(&most) {
            return Err(Error::invalid(format!(
                "max_operations must be in the range [{MIN_OPERATIONS},{}]",
                limits::MAX_OPERATIONS
            )));
        }
        rotation.max_operations = most;
    }
    if let Some(interval) = c.params.seconds("interval")? {
        if interval > 0 && interval < MIN_INTERVAL {
            return Err(Error::invalid(
                "interval must be greater or equal to 24h0m0s",
            ));
        }
        rotation.interval = interval;
    }
    let stored = serde_json::to_vec(&rotation).map_err(|_| Error::Corrupt(ROTATION.to_owned()))?;
    c.txn.put(ROTATION, stored);
    Ok(Reply::empty())
}
