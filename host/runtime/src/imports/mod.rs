//! The host's side of the contract, one module for each import.

/// Returns from a host function with the plugin's error.
macro_rules! answer {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

mod content;
mod databases;
mod effects;
mod environment;
mod headers;
mod http;
mod identity;
mod keys;
mod mount;
mod network;
mod passwords;
mod pod;
mod storage;
mod wasi;

pub use keys::KeyHandle;
pub(crate) use keys::OpenKeys;
pub use network::Connection;
pub use wasi::Wasi;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{database, plugin};
use crate::state::State;
use crate::{Engine, LoadError};

fn refuse(error: wasmtime::Error) -> LoadError {
    LoadError::Contract(format!("{error:#}"))
}

/// What a component of the `plugin` world may import; with `wasi`, what stock toolchains expect too.
pub(crate) fn plugin_linker(engine: &Engine, wasi: bool) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(&engine.wasm);
    plugin::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(refuse)?;
    if wasi {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(refuse)?;
    }
    Ok(linker)
}

/// What a component of the `database` world may import; with `wasi`, what stock toolchains expect too.
pub(crate) fn database_linker(engine: &Engine, wasi: bool) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(&engine.wasm);
    database::Database::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)
        .map_err(refuse)?;
    if wasi {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(refuse)?;
    }
    Ok(linker)
}
