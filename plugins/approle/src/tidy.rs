//! Removing secret ids that have expired.

use coffer_sdk::prelude::*;

use crate::secret_id;

/// Secret ids removed in one transaction.
const PAGE: u32 = 1000;
/// No page is begun after so many milliseconds: the host gives a call no more than half a minute.
const LONGEST: u64 = 10_000;

pub(crate) fn tidy(_: &Request) -> Result<Response> {
    tick()?;
    Ok(Response::empty().status(202).warning(
        "Tidy operation successfully started. Any information from the operation will be printed to the server logs.",
    ))
}

/// Removes what has expired by now, in pages, each of them committed; what the time is too short for, the next call.
pub(crate) fn tick() -> Result<()> {
    let now = clock::now();
    loop {
        let keys = storage::scan(secret_id::EXPIRIES, None, PAGE)?;
        for key in &keys {
            let Some((at, role, hash)) = secret_id::expiry(key) else {
                continue;
            };
            if at > now {
                return Ok(());
            }
            if let Some(secret) = secret_id::load(role, hash)? {
                secret_id::remove(role, hash, &secret)?;
            }
            storage::delete(key)?;
        }
        if keys.len() < PAGE as usize || clock::now() > now + LONGEST {
            return Ok(());
        }
        effects::prepare()?;
    }
}
