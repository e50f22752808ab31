//! Removing secret ids that have expired, and accessors that lead nowhere.

use coffer_sdk::prelude::*;

use crate::secret_id::{self, Target};

/// Keys looked at in one transaction.
const PAGE: u32 = 1000;
/// Where the last look ended.
const CURSOR: &str = "tidy-cursor";

pub(crate) fn tidy(_: &Request) -> Result<Response> {
    storage::delete(CURSOR)?;
    tick()?;
    Ok(Response::data(json!({})).status(202).warning(
        "Tidy operation successfully started. Any information from the operation will be printed to the server logs.",
    ))
}

/// One page; the next call goes on behind it.
pub(crate) fn tick() -> Result<()> {
    let cursor = storage::get(CURSOR)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let accessors = storage::scan("accessor/", cursor.as_deref(), PAGE)?;
    for key in &accessors {
        let Some(target) = storage::get_json::<Target>(key)? else {
            continue;
        };
        match secret_id::load(&target.role, &target.hash)? {
            Some(secret) if secret.is_expired() => {
                secret_id::remove(&target.role, &target.hash, &secret)?
            }
            Some(_) => {}
            None => storage::delete(key)?,
        }
    }
    match accessors.last() {
        Some(last) if accessors.len() == PAGE as usize => storage::put(CURSOR, last.as_bytes()),
        _ if cursor.is_some() => storage::delete(CURSOR),
        _ => Ok(()),
    }
}
