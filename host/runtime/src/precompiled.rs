//! Compiled code that is run without being compiled here and now.
//!
//! Loading it is `unsafe` because it is run without being checked: whoever can choose the bytes can run anything. There
//! are two sources, and in both nobody can choose them who could not as well change the host. wasmtime itself refuses code
//! made by another version, with another configuration, or for a processor with features that this one lacks.
#![allow(unsafe_code)]

use wasmtime::component::Component;

use crate::Engine;
use crate::catalog::digest;

/// Loads what the build made of a built-in component, for this very engine; None for any doubt.
///
/// The bytes are part of the host's own executable, put there by its build together with their hash.
pub(crate) fn builtin(engine: &Engine, compiled: &'static [u8], sha256: &str) -> Option<Component> {
    if compiled.is_empty() || digest(compiled) != sha256 {
        return None;
    }
    // SAFETY: the bytes come from our own build, as argued above.
    unsafe { Component::deserialize(&engine.wasm, compiled) }.ok()
}

/// Loads what our own compiler made of a registered component; None for any doubt.
///
/// The bytes come over a pipe from the compiler that this process started from its own executable, or from the barrier,
/// where only the host writes such entries: they are authenticated under the barrier's key together with the digest of the
/// component and the engine that they were made for, so that neither a plugin (which reaches no key but its mount's) nor
/// who can write to the storage below (and lacks the key) can put others in their place.
pub(crate) fn stored(engine: &Engine, compiled: &[u8]) -> Option<Component> {
    // SAFETY: the bytes come from our own compiler, as argued above.
    unsafe { Component::deserialize(&engine.wasm, compiled) }.ok()
}
