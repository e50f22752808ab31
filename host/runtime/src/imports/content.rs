//! `content`: answers that are no JSON, which the core sends.

use crate::bindings::plugin::coffer::plugin::content;
use crate::error::plugin_error;
use crate::state::State;
use crate::{ErrorKind, PluginError};

impl content::Host for State {
    async fn respond(
        &mut self,
        content_type: String,
        body: Vec<u8>,
    ) -> wasmtime::Result<Result<(), PluginError>> {
        let effects = self.call()?.effects.clone();
        let said = effects.respond_with(&content_type, body).await;
        Ok(said.map_err(|reason| plugin_error(ErrorKind::Internal, reason)))
    }
}
