//! The host's side of the contract, one module for each import.

mod databases;
mod effects;
mod environment;
mod mount;
mod network;

mod storage;

pub use network::Connection;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{database, plugin};
use crate::state::State;
use crate::{Engine, LoadError};

fn refuse(error: wasmtime::Error) -> LoadError {
    LoadError::Contract(format!("{error:#}"))
}

/// What a component of the `plugin` world may import.
pub(crate) fn plugin_linker(engine: &Engine) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(&engine.wasm);
    plugin::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(refuse)?;
    Ok(linker)
}

/// What a component of the `database` world may import.
pub(crate) fn database_linker(engine: &Engine) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(&engine.wasm);
    database::Database::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)
        .map_err(refuse)?;
    Ok(linker)
}
