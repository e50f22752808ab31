//! The contract, for toolchains that bring no bindings of it.

use coffer_manifest::Kind;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

macro_rules! contract {
    ($file:literal) => {
        (
            concat!("wit/", $file),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/", $file)),
        )
    };
}

/// Its files, with their places in a project.
pub(super) const FILES: [(&str, &str); 4] = [
    contract!("types.wit"),
    contract!("imports.wit"),
    contract!("plugin.wit"),
    contract!("database.wit"),
];

/// Writes into a core module which world it is for, where its toolchain has not.
pub(super) fn embed(module: &mut Vec<u8>, kind: Kind) -> Result<(), String> {
    let mut sources = SourceMap::default();
    for (path, text) in FILES {
        sources.push_str(path, text);
    }
    let group = sources.parse().map_err(|(_, error)| error.to_string())?;
    let mut resolve = Resolve::default();
    let describe = |error| format!("{error:#}");
    let package = resolve
        .push_group(group)
        .map_err(|error| error.to_string())?;
    let world = match kind {
        Kind::Secret | Kind::Auth => "plugin",
        Kind::Database => "database",
    };
    let world = resolve
        .select_world(&[package], Some(world))
        .map_err(describe)?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8).map_err(describe)
}
