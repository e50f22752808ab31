//! Listing in pages, as the caller asks for it.

use crate::{Field, Request, Result, storage};

/// Where the page begins.
pub const AFTER: Field<String> = Field::text("after", "List what comes after this.");
/// How long it is.
pub const LIMIT: Field<i64> = Field::integer("limit", "List at most so many; 0 lists all.");

/// The names right below `prefix` that the request asks for, with [`AFTER`] and [`LIMIT`]; all, if it does not.
pub fn list(request: &Request, prefix: &str) -> Result<Vec<String>> {
    let after = request.get(AFTER)?.filter(|after| !after.is_empty());
    storage::list_after(prefix, after.as_deref(), limit(request)?)
}

/// How many names the request asks for at most.
pub fn limit(request: &Request) -> Result<usize> {
    let limit = request.get(LIMIT)?.filter(|limit| *limit > 0);
    Ok(limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX))
}
