//! Storage of this mount, and of nothing else. A request is a transaction: what it puts is committed once, when its
//! handler has succeeded; on a conflict the handler is run again.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// A key's value.
pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::storage::get(key);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.get(key))
}

/// Sets a key.
pub fn put(key: &str, value: &[u8]) -> Result<()> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::storage::put(key, value);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.put(key, value))
}

/// Removes a key, if it is there.
pub fn delete(key: &str) -> Result<()> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::storage::delete(key);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.delete(key))
}

/// The keys that start with `prefix` and come after `after`, in order, at most `limit`.
pub fn scan(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::storage::scan(prefix, after, limit);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.scan(prefix, after, limit))
}

/// The names right below `prefix` (empty, or ending in `/`), as a directory listing.
pub fn children(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::storage::children(prefix, after, limit);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.children(prefix, after, limit))
}

/// A key's value, from JSON.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    get(key)?
        .map(|value| Ok(serde_json::from_slice(&value)?))
        .transpose()
}

/// Sets a key, to JSON.
pub fn put_json<T: Serialize>(key: &str, value: &T) -> Result<()> {
    put(key, &serde_json::to_vec(value)?)
}

const PAGE: usize = 10_000;

/// All names right below `prefix`.
pub fn list(prefix: &str) -> Result<Vec<String>> {
    list_after(prefix, None, usize::MAX)
}

/// The names right below `prefix` that come after `after`, at most `limit`, however many that is.
pub fn list_after(prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let wanted = (limit - names.len()).min(PAGE);
        let page = children(
            prefix,
            names.last().map(String::as_str).or(after),
            wanted as u32,
        )?;
        let last = page.len() < wanted || wanted == 0;
        names.extend(page);
        if last {
            return Ok(names);
        }
    }
}

/// Removes every key that starts with `prefix`.
pub fn delete_all(prefix: &str) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let keys = scan(prefix, after.as_deref(), PAGE as u32)?;
        for key in &keys {
            delete(key)?;
        }
        if keys.len() < PAGE {
            return Ok(());
        }
        after = keys.into_iter().last();
    }
}
