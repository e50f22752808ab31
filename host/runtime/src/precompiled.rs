//! Components that were compiled ahead of time, as part of building the host.
#![allow(unsafe_code)]

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::Engine;

/// Loads compiled code if it is what the build made, for this very engine; None for any doubt.
///
/// Loading compiled code is `unsafe` because it is run without being checked: whoever can choose the bytes can run
/// anything. These bytes are part of the host's own executable, put there by its build together with their hash, so
/// whoever could change them could as well change the host. wasmtime itself refuses code made by another version, with
/// another configuration, or for a processor with features that this one lacks.
pub(crate) fn load(engine: &Engine, compiled: &'static [u8], sha256: &str) -> Option<Component> {
    if compiled.is_empty() || hex(&Sha256::digest(compiled)) != sha256 {
        return None;
    }
    // SAFETY: the bytes come from our own build, as argued above.
    unsafe { Component::deserialize(&engine.wasm, compiled) }.ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
