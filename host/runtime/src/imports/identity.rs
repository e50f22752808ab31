//! `identity`: who logs in, as far as whoever vouches for them says; the core makes something of it.

use crate::bindings::plugin::coffer::plugin::identity;
use crate::error::plugin_error;
use crate::state::State;
use crate::{ErrorKind, PluginError};

impl identity::Host for State {
    async fn groups(&mut self, names: Vec<String>) -> wasmtime::Result<Result<(), PluginError>> {
        let effects = self.call()?.effects.clone();
        let said = effects.login_groups(names).await;
        Ok(said.map_err(|reason| plugin_error(ErrorKind::InvalidRequest, reason)))
    }
}
