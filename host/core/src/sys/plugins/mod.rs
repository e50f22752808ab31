//! `sys/plugins`: the catalog, over the API.
//!
//! The paths and fields are those of <https://developer.hashicorp.com/vault/api-docs/system/plugins-catalog> and its
//! neighbours. A component comes in a request's body, or is a file below the server's plugin directory; who may register
//! may have the server run what they like in the sandbox, and nothing outside of it.

mod catalog;
mod grants;
mod pins;
mod reload;
mod used;

use coffer_manifest::Kind;
use coffer_runtime::parse_version;
use semver::Version;

pub use catalog::{list, list_kind, read, register, remove};
pub use grants::{grant, read as read_grants, withdraw};
pub use pins::{list as list_pins, pin, read as read_pin, unpin};
pub use reload::{reload, reload_any};

use crate::Error;
use crate::catalog::Entry;
use crate::reply::Reply;
use crate::routes::Context;

/// The kind that the path names.
fn kind(c: &Context<'_>) -> Result<Kind, Error> {
    c.params.require("type")?.parse().map_err(Error::Invalid)
}

/// The version that is asked for, if one is.
fn version(c: &Context<'_>) -> Result<Option<Version>, Error> {
    let text = c.params.text("version")?.unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    parse_version(&text)
        .map(Some)
        .ok_or_else(|| Error::invalid(format!("{text:?} is no semantic version")))
}

/// The registered versions of one plugin, oldest first.
async fn versions(c: &mut Context<'_>, kind: Kind, name: &str) -> Result<Vec<Entry>, Error> {
    let mut found = crate::catalog::entries(c.txn).await?;
    found.retain(|entry| entry.kind == kind && entry.name == name);
    found.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(found)
}

fn unknown(kind: Kind, name: &str) -> Error {
    Error::NotFound(format!("there is no {kind} plugin {name:?} in the catalog"))
}

/// There is one runtime: the sandbox that is part of the server.
pub async fn runtimes(_: &mut Context<'_>) -> Result<Reply, Error> {
    let runtime = serde_json::json!({ "name": "wasmtime", "type": "wasm" });
    Ok(Reply::data(serde_json::json!({ "runtimes": [runtime] })))
}

/// And no other.
pub async fn no_runtime(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.require("name")?;
    Err(Error::invalid(format!(
        "runtime {name:?} cannot be configured: plugins are WebAssembly components and run in the server's own sandbox"
    )))
}
