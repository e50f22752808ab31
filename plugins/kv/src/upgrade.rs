//! From version 1 to version 2, in place. When a mount's option `version` has become 2, what version 1 has stored is there as
//! the first version of each secret at once: whoever touches a secret moves it over, in one transaction with the rest of the
//! request. `upgrade` moves what nobody touches, a page at a time, so it can end and begin again anywhere.

use coffer_sdk::prelude::*;

use crate::secret::Secret;

/// Secrets moved in one transaction: far fewer than a call may touch, and no more than fits of the largest.
const PAGE: u32 = 500;
/// No secret more is moved in a transaction that has taken so many bytes.
const MOST: usize = 16 << 20;

pub(crate) const PATH: Path = Path::new(
    "upgrade",
    "Moves secrets of version 1 that are left over to version 2: some of them, and says whether that was all.",
)
.write(upgrade);

/// Where version 1 has stored a secret, or what lies below a path.
pub(crate) fn plain_key(path: &str) -> String {
    format!("v1/{path}")
}

/// A secret of version 1 as one of version 2, which it is from then on; None if there is none.
pub(crate) fn adopt(path: &str) -> Result<Option<Secret>> {
    let data = storage::get(&plain_key(path))?;
    data.map(|data| move_over(path, &data)).transpose()
}

fn move_over(path: &str, data: &[u8]) -> Result<Secret> {
    let mut secret = Secret::new();
    secret.begin(path, data)?;
    secret.store(path)?;
    storage::delete(&plain_key(path))?;
    Ok(secret)
}

fn upgrade(_: &Request) -> Result<Response> {
    let prefix = plain_key("");
    let page = storage::scan(&prefix, None, PAGE)?;
    let (mut moved, mut bytes) = (0_usize, 0);
    for key in &page {
        let path = key.strip_prefix(&prefix).unwrap_or_default();
        if let Some(data) = storage::get(key)? {
            bytes += data.len();
            move_over(path, &data)?;
        }
        moved += 1;
        if bytes > MOST {
            break;
        }
    }
    let done = moved == page.len() && page.len() < PAGE as usize;
    Ok(Response::data(json!({ "upgraded": moved, "done": done })))
}
