//! `databases`: an engine's way to its database backends.

use crate::bindings::plugin::coffer::plugin::{databases, users};
use crate::database::{self, DatabaseCall};
use crate::state::State;
use crate::PluginError;

type Answer<T> = wasmtime::Result<Result<T, PluginError>>;

impl State {
    async fn database<R: Send + 'static>(&mut self, on: databases::Target, outside: bool, call: DatabaseCall<R>) -> Answer<R> {
        let here = self.call()?;
        here.touched |= outside;
        let (pools, mount) = (here.databases.clone(), here.mount.clone());
        Ok(pools.call(&mount, on, call).await)
    }
}

impl databases::Host for State {
    async fn username(&mut self, on: databases::Target, naming: users::UserNaming) -> Answer<String> {
        self.database(on, false, database::call(move |db, store| Box::pin(async move { db.call_username(store, &naming).await })))
            .await
    }

    async fn create_user(&mut self, on: databases::Target, user: users::UserRequest) -> Answer<()> {
        self.database(on, true, database::call(move |db, store| Box::pin(async move { db.call_create_user(store, &user).await })))
            .await
    }

    async fn update_user(&mut self, on: databases::Target, change: users::UserChange) -> Answer<()> {
        self.database(on, true, database::call(move |db, store| Box::pin(async move { db.call_update_user(store, &change).await })))
            .await
    }

    async fn delete_user(&mut self, on: databases::Target, removal: users::UserRemoval) -> Answer<()> {
        self.database(on, true, database::call(move |db, store| Box::pin(async move { db.call_delete_user(store, &removal).await })))
            .await
    }

    async fn ping(&mut self, on: databases::Target) -> Answer<()> {
        self.database(on, false, database::call(move |db, store| Box::pin(async move { db.call_ping(store).await }))).await
    }

    async fn close(&mut self, name: String) -> wasmtime::Result<()> {
        let call = self.call()?;
        call.databases.close(&call.mount.id, &name);
        Ok(())
    }
}
