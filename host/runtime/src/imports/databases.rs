//! `databases`: an engine's way to its database backends.

use crate::bindings::plugin::coffer::plugin::{databases, users};
use crate::database::{self, DatabaseCall, DatabaseUse};
use crate::outside::{Ask, asked};
use crate::plugin::MountContext;
use crate::state::{Call, State};
use crate::{CallError, PluginError};

type Answer<T> = wasmtime::Result<Result<T, PluginError>>;

impl State {
    async fn database<R: Send + 'static>(
        &mut self,
        on: databases::Target,
        call: DatabaseCall<R>,
    ) -> Answer<R> {
        let here = self.call()?;
        let (pools, mount) = (here.databases.clone(), here.mount.clone());
        Ok(pools.call(&mount, here.deadline, on, call).await)
    }

    /// After this the request is not run again.
    async fn change<R: Send + 'static>(
        &mut self,
        on: databases::Target,
        call: DatabaseCall<R>,
    ) -> Answer<R> {
        self.call()?.touched = true;
        self.database(on, call).await
    }
}

fn noted_at(mount: &MountContext, connection: &str) -> String {
    format!("{}{}", mount.connections_prefix, hex::encode(connection))
}

/// Notes which plugin a connection uses: that is not removed from the catalog while somebody does.
async fn note(call: &mut Call, on: &databases::Target) -> Result<(), CallError> {
    let key = noted_at(&call.mount, &on.name);
    let used = DatabaseUse {
        connection: on.name.clone(),
        plugin: on.plugin.clone(),
        version: on.version.clone(),
    };
    let value = serde_json::to_vec(&used).unwrap_or_default();
    let before = call.txn.get(&key).await.map_err(CallError::Barrier)?;
    if before.is_none_or(|before| **before != *value) {
        call.txn.put(key, value);
    }
    Ok(())
}

/// Under test, the test's database answers.
macro_rules! played {
    ($state:ident, $call:ident, $on:ident, $with:expr) => {
        if let Some(outside) = &$state.outside {
            let (call, with) = (stringify!($call), serde_json::to_value(&$with)?);
            let ask = Ask::Database {
                on: $on,
                call,
                with,
            };
            return Ok(asked(&**outside, ask).await);
        }
    };
}

impl databases::Host for State {
    async fn secret_fields(&mut self, on: databases::Target) -> Answer<Vec<String>> {
        played!(self, secret_fields, on, ());
        let call = self.call()?;
        let pools = call.databases.clone();
        let fields = pools.secret_fields(&on).await;
        if fields.is_ok() {
            note(call, &on)
                .await
                .map_err(|failure| self.fail(failure))?;
        }
        Ok(fields)
    }

    async fn username(
        &mut self,
        on: databases::Target,
        naming: users::UserNaming,
    ) -> Answer<String> {
        played!(self, username, on, naming);
        let call = database::call(move |db, store| {
            Box::pin(async move { db.call_username(store, &naming).await })
        });
        self.database(
            on,
            DatabaseCall {
                connects: false,
                ..call
            },
        )
        .await
    }

    /// As `ping`.
    async fn exists(&mut self, on: databases::Target, username: String) -> Answer<bool> {
        played!(self, exists, on, username);
        let call = database::call(move |db, store| {
            Box::pin(async move { db.call_exists(store, &username).await })
        });
        self.database(on, call).await
    }

    async fn create_user(&mut self, on: databases::Target, user: users::UserRequest) -> Answer<()> {
        played!(self, create_user, on, user);
        let call = database::call(move |db, store| {
            Box::pin(async move { db.call_create_user(store, &user).await })
        });
        self.change(on, call).await
    }

    async fn update_user(
        &mut self,
        on: databases::Target,
        change: users::UserChange,
    ) -> Answer<()> {
        played!(self, update_user, on, change);
        let call = database::call(move |db, store| {
            Box::pin(async move { db.call_update_user(store, &change).await })
        });
        self.change(on, call).await
    }

    async fn delete_user(
        &mut self,
        on: databases::Target,
        removal: users::UserRemoval,
    ) -> Answer<()> {
        played!(self, delete_user, on, removal);
        let call = database::call(move |db, store| {
            Box::pin(async move { db.call_delete_user(store, &removal).await })
        });
        self.change(on, call).await
    }

    /// Leaves nothing behind, so a request that did no more than this can be run again.
    async fn ping(&mut self, on: databases::Target) -> Answer<()> {
        played!(self, ping, on, ());
        let call =
            database::call(move |db, store| Box::pin(async move { db.call_ping(store).await }));
        self.database(on, call).await
    }

    async fn close(&mut self, name: String) -> wasmtime::Result<()> {
        if let Some(outside) = &self.outside {
            // It does not fail.
            let _: Result<(), PluginError> = asked(&**outside, Ask::CloseDatabase { name }).await;
            return Ok(());
        }
        let call = self.call()?;
        call.databases.close(&call.mount.id, &name);
        call.txn.delete(noted_at(&call.mount, &name));
        Ok(())
    }
}
