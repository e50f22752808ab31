//! Key-value secrets: with versions (version 2), or plain (version 1), as the mount's option `version` says.

mod config;
mod data;
mod metadata;
mod secret;
mod subkeys;
mod upgrade;
mod v1;

use coffer_sdk::prelude::*;

const HELP: &str = "Key-value secrets, with or without versions.";

/// The secret engine.
pub static KV: Plugin = Plugin::secret("kv", env!("CARGO_PKG_VERSION"), HELP)
    .paths(ALL)
    .choose(paths);

fn paths() -> &'static [Path] {
    if mount::option("version").as_deref() == Some("2") {
        V2
    } else {
        V1
    }
}

// What the host is told before it knows the mount. To version 1 all of it is a secret, which may exist.
static ALL: &[Path] = &[
    config::PATH.exists(v1::exists),
    data::PATH,
    data::DELETE.exists(v1::exists),
    data::UNDELETE.exists(v1::exists),
    data::DESTROY.exists(v1::exists),
    metadata::PATH,
    metadata::DETAILED.exists(v1::exists),
    subkeys::PATH.exists(v1::exists),
    upgrade::PATH.exists(v1::exists),
    v1::PATH,
];
static V2: &[Path] = &[
    config::PATH,
    data::PATH,
    data::DELETE,
    data::UNDELETE,
    data::DESTROY,
    metadata::PATH,
    metadata::DETAILED,
    subkeys::PATH,
    upgrade::PATH,
    v1::UNVERSIONED,
];
static V1: &[Path] = &[v1::PATH];

/// A secret has a name. Nothing is ever stored where one ends in a slash, so only writing there is refused.
fn check_writable(request: &Request, name: &str) -> Result<()> {
    if request.path.ends_with('/') {
        return Err(Error::invalid("cannot write to a path ending in '/'"));
    }
    if name.is_empty() {
        return Err(Error::invalid("missing path"));
    }
    Ok(())
}

coffer_sdk::export_plugin!(KV);

#[cfg(test)]
mod tests;
