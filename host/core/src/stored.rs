//! What is stored as JSON.

use coffer_barrier::Transaction;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, limits};

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

/// Stores a value under a key.
///
/// # Errors
/// [`Error::Corrupt`] if it has no form in JSON.
pub fn save<T: Serialize>(
    txn: &mut Transaction,
    key: impl Into<String>,
    value: &T,
) -> Result<(), Error> {
    let key = key.into();
    match serde_json::to_vec(value) {
        Ok(value) => {
            txn.put(key, value);
            Ok(())
        }
        Err(_) => Err(Error::Corrupt(key)),
    }
}

/// How many keys start so.
///
/// # Errors
/// If storage fails.
pub async fn count(txn: &Transaction, prefix: &str) -> Result<usize, Error> {
    let (mut total, mut after) = (0, None::<String>);
    loop {
        let page = txn
            .list(prefix, after.as_deref(), limits::COUNT_PAGE)
            .await?;
        total += page.len();
        if page.len() < limits::COUNT_PAGE {
            return Ok(total);
        }
        after = page.last().cloned();
    }
}
