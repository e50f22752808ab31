//! `passwords`: by policies that operators wrote, which are the core's.

use crate::bindings::plugin::coffer::plugin::passwords;
use crate::error::plugin_error;
use crate::plugin::PasswordError;
use crate::state::State;
use crate::{CallError, ErrorKind, PluginError};

impl passwords::Host for State {
    async fn generate(&mut self, policy: String) -> wasmtime::Result<Result<String, PluginError>> {
        let call = self.call()?;
        let passwords = call.mount.passwords.clone();
        match passwords.generate(&mut call.txn, &policy).await {
            Ok(password) => Ok(Ok(password)),
            Err(PasswordError::NoPolicy) => Ok(Err(plugin_error(
                ErrorKind::NotFound,
                "no password policy found".to_owned(),
            ))),
            Err(PasswordError::Invalid(reason)) => Ok(Err(plugin_error(
                ErrorKind::Internal,
                format!("stored password policy is invalid: {reason}"),
            ))),
            Err(PasswordError::Barrier(error)) => Err(self.fail(CallError::Barrier(error))),
        }
    }
}
