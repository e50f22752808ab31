//! Database backends: the `database` world.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use crate::bindings::database::exports::coffer::plugin::backend as contract;
use crate::{Error, Result};

pub use crate::bindings::plugin::coffer::plugin::users::{
    UserChange, UserNaming, UserRemoval, UserRequest,
};
pub use contract::Description;

/// A database backend. A value of it is one connection, which may connect as late as its first call.
pub trait Backend: Sized + 'static {
    /// What it is.
    fn describe() -> Description;
    /// Checks a configuration, without touching the network.
    fn open(config: &Map<String, Value>) -> Result<Self>;
    /// A name for a user that does not exist yet; no network.
    fn username(&mut self, naming: &UserNaming) -> Result<String>;
    /// Whether there is a user of that name, whoever made it.
    fn exists(&mut self, username: &str) -> Result<bool>;
    /// Makes a user. Fails with a conflict, and does nothing, if the name is taken.
    fn create_user(&mut self, user: &UserRequest) -> Result<()>;
    /// Changes a user's password or expiry.
    fn update_user(&mut self, change: &UserChange) -> Result<()>;
    /// Removes a user and ends its sessions. Succeeds only if both are gone when it returns.
    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()>;
    /// Proves that the connection works.
    fn ping(&mut self) -> Result<()>;
}

/// Where an instance keeps its connection.
#[doc(hidden)]
pub trait Slot: Backend {
    /// Lends it out.
    fn with<R>(call: impl FnOnce(&mut Option<Self>) -> R) -> R;
}

/// The component of a backend.
#[doc(hidden)]
pub struct Component<B>(PhantomData<B>);

fn opened<B: Slot, R>(call: impl FnOnce(&mut B) -> Result<R>) -> Result<R> {
    B::with(|slot| {
        call(
            slot.as_mut()
                .ok_or_else(|| Error::internal("the connection was not opened"))?,
        )
    })
}

impl<B: Slot> contract::Guest for Component<B> {
    fn describe() -> Description {
        B::describe()
    }

    fn open(config: String) -> Result<()> {
        let config = serde_json::from_str(&config)
            .map_err(|_| Error::invalid("the configuration is no JSON object"))?;
        let backend = B::open(&config)?;
        B::with(|slot| *slot = Some(backend));
        Ok(())
    }

    fn username(naming: UserNaming) -> Result<String> {
        opened::<B, _>(|backend| backend.username(&naming))
    }

    fn exists(username: String) -> Result<bool> {
        opened::<B, _>(|backend| backend.exists(&username))
    }

    fn create_user(user: UserRequest) -> Result<()> {
        opened::<B, _>(|backend| backend.create_user(&user))
    }

    fn update_user(change: UserChange) -> Result<()> {
        opened::<B, _>(|backend| backend.update_user(&change))
    }

    fn delete_user(removal: UserRemoval) -> Result<()> {
        opened::<B, _>(|backend| backend.delete_user(&removal))
    }

    fn ping() -> Result<()> {
        opened::<B, _>(Backend::ping)
    }
}
