//! `sys/internal/specs/openapi`: what can be called on this server.

use crate::Error;
use crate::paths::{self, openapi};
use crate::reply::Reply;
use crate::routes::Context;

/// The OpenAPI 3 document of every mount that the caller may know of.
pub async fn document(c: &mut Context<'_>) -> Result<Reply, Error> {
    let caller = c.caller.clone().ok_or(Error::Denied)?;
    let table = c.core.mounts(c.txn).await?;
    let mut document = openapi::Document::new(c.core.config.version);
    for mount in table.mounts() {
        let prefix = mount.entry.full_path();
        if caller.acl.reaches_below(&prefix) {
            for path in paths::of(mount).iter() {
                document.add(&prefix, &mount.entry, path);
            }
        }
    }
    Ok(Reply::bare(document.finish()))
}
