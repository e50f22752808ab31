//! A database backend on its own, as its tests call it: without an engine, without a server.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::bindings::plugin::coffer::plugin::databases::Target;
use crate::bindings::plugin::coffer::plugin::users;
use crate::database::{self, DatabaseCall, DatabasePools};
use crate::error::plugin_error;
use crate::plugin::MountContext;
use crate::{ErrorKind, PluginError};

/// A function of a backend, with its argument.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendCall {
    /// Opens a connection, which every other function does too if there is none.
    Open,
    /// `username`.
    Username(users::UserNaming),
    /// `exists`.
    Exists(String),
    /// `create-user`.
    CreateUser(users::UserRequest),
    /// `update-user`.
    UpdateUser(users::UserChange),
    /// `delete-user`.
    DeleteUser(users::UserRemoval),
    /// `ping`.
    Ping,
}

impl DatabasePools {
    /// Calls a backend, and answers with what the function returns.
    ///
    /// # Errors
    /// What the function answers with, or why it did not.
    pub async fn ask(
        &self,
        mount: &Arc<MountContext>,
        on: Target,
        call: BackendCall,
    ) -> Result<Value, PluginError> {
        let by = Instant::now() + mount.deadline;
        macro_rules! run {
            ($connects:literal, |$db:pat_param, $store:pat_param| $call:expr) => {{
                let call = database::call(move |$db, $store| Box::pin(async move { $call }));
                let call = DatabaseCall {
                    connects: $connects,
                    ..call
                };
                json(self.call(mount, by, on, call).await?)
            }};
        }
        match call {
            BackendCall::Open => run!(false, |_, _| Ok(Ok(()))),
            BackendCall::Username(naming) => {
                run!(false, |db, store| db.call_username(store, &naming).await)
            }
            BackendCall::Exists(username) => {
                run!(true, |db, store| db.call_exists(store, &username).await)
            }
            BackendCall::CreateUser(user) => {
                run!(true, |db, store| db.call_create_user(store, &user).await)
            }
            BackendCall::UpdateUser(change) => {
                run!(true, |db, store| db.call_update_user(store, &change).await)
            }
            BackendCall::DeleteUser(removal) => {
                run!(true, |db, store| db.call_delete_user(store, &removal).await)
            }
            BackendCall::Ping => run!(true, |db, store| db.call_ping(store).await),
        }
    }
}

fn json(value: impl serde::Serialize) -> Result<Value, PluginError> {
    serde_json::to_value(value)
        .map_err(|error| plugin_error(ErrorKind::Internal, error.to_string()))
}
