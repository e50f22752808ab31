//! `mount`: what a plugin knows of where it is mounted.

use crate::bindings::plugin::coffer::plugin::mount;
use crate::state::State;

impl mount::Host for State {
    async fn get(&mut self) -> wasmtime::Result<mount::Info> {
        Ok(self.call()?.mount.info.clone())
    }
}
