//! From a core module to a component.

use coffer_manifest::Kind;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, metadata};

use super::contract;

const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Whether this is a core module.
pub(super) fn is_module(bytes: &[u8]) -> bool {
    bytes.starts_with(MODULE)
}

/// The component that a core module describes, or that of the contract's world if it describes none. What it imports of
/// WASI 0.1 is made of 0.2.
pub(super) fn encode(mut module: Vec<u8>, kind: Kind) -> Result<Vec<u8>, String> {
    let refused = |error: String| {
        let hint = hint(&error);
        format!("the core module is no component: {error}{hint}")
    };
    let (described, _) =
        metadata::decode(&module).map_err(|error| refused(format!("{error:#}")))?;
    if described.is_none() {
        contract::embed(&mut module, kind)?;
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.encode());
    encoded.map_err(|error| refused(format!("{error:#}")))
}

/// What usually is behind an import that no component can have.
fn hint(error: &str) -> &'static str {
    if error.contains("wbindgen") {
        "; it is for browsers: the crates `getrandom` (feature \"wasm_js\"), `chrono` (feature \"wasmbind\"), `js-sys` or `web-sys` bring that in; turn these features off"
    } else if error.contains("`env`") {
        "; a C library or a missing symbol brings that in"
    } else {
        ""
    }
}
