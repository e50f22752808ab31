//! `sys/internal/specs/openapi`: what can be called on this server.

use crate::Error;
use crate::paths::{self, openapi};
use crate::reply::Reply;
use crate::routes::Context;

/// The OpenAPI 3 document of every mount that the caller may know of.
pub async fn document(c: &mut Context<'_>) -> Result<Reply, Error> {
    let table = c.core.mounts(c.txn).await?;
    let generic = c.params.boolean("generic_mount_paths")?.unwrap_or(false);
    let mut document = openapi::Document::new(c.core.config.version, generic);
    for mount in table.mounts() {
        let caller = c.caller.as_ref();
        if caller.is_some_and(|caller| caller.acl.reaches_below(&mount.entry.full_path())) {
            for path in paths::of(mount).iter() {
                document.add(&mount.entry, path);
            }
        }
    }
    Ok(Reply::bare(document.finish()))
}
