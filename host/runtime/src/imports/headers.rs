//! `headers`: of HTTP, as far as the mount lets them through, which the core knows.

use crate::bindings::plugin::coffer::plugin::headers;
use crate::error::plugin_error;
use crate::state::State;
use crate::{ErrorKind, PluginError};

impl headers::Host for State {
    async fn request(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        let effects = self.call()?.effects.clone();
        Ok(effects.request_header(&name).await)
    }

    async fn respond(
        &mut self,
        name: String,
        value: String,
    ) -> wasmtime::Result<Result<(), PluginError>> {
        let effects = self.call()?.effects.clone();
        let said = effects.respond_with_header(&name, &value).await;
        Ok(said.map_err(|reason| plugin_error(ErrorKind::Internal, reason)))
    }
}
