//! What is stored as JSON.

use coffer_barrier::Transaction;
use serde::de::DeserializeOwned;

use crate::Error;

/// What is stored under a key, if anything is.
///
/// # Errors
/// [`Error::Corrupt`] if it is something else.
pub async fn load<T: DeserializeOwned>(
    txn: &mut Transaction,
    key: &str,
) -> Result<Option<T>, Error> {
    let Some(value) = txn.get(key).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&value)
        .map(Some)
        .map_err(|_| Error::Corrupt(key.to_owned()))
}
