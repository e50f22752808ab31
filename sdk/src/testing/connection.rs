//! A connection of a database backend under test: of its own functions, or of the built component.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::component::{self, BackendCall, Run};
use crate::backend::{Description, UserChange, UserNaming, UserRemoval, UserRequest};
use crate::{Backend, Result};

/// What a test opens in the place of a backend: it is one too, so that the same test runs natively and, where
/// `COFFER_COMPONENT` names the built component, against that, in the real sandbox. There has to be a
/// [`Host`](super::Host) on the thread.
pub struct Connection<B>(Kind<B>);

enum Kind<B> {
    Native(B),
    /// Its name among those of the process, and its configuration.
    Component(String, String),
}

/// No two of a process have the same.
fn name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("c{}", MADE.fetch_add(1, Ordering::Relaxed))
}

fn ask<T: DeserializeOwned>(connection: &str, config: &str, call: BackendCall<'_>) -> Result<T> {
    component::call(&Run::Backend {
        connection,
        config,
        call,
    })
}

impl<B: Backend> Backend for Connection<B> {
    fn describe() -> Description {
        B::describe()
    }

    fn open(config: &Map<String, Value>) -> Result<Self> {
        if !component::is_used() {
            return B::open(config).map(|backend| Self(Kind::Native(backend)));
        }
        let config = serde_json::to_string(config)?;
        let name = name();
        ask::<()>(&name, &config, BackendCall::Open)?;
        Ok(Self(Kind::Component(name, config)))
    }

    fn username(&mut self, naming: &UserNaming) -> Result<String> {
        match &mut self.0 {
            Kind::Native(backend) => backend.username(naming),
            Kind::Component(name, config) => ask(name, config, BackendCall::Username(naming)),
        }
    }

    fn exists(&mut self, username: &str) -> Result<bool> {
        match &mut self.0 {
            Kind::Native(backend) => backend.exists(username),
            Kind::Component(name, config) => ask(name, config, BackendCall::Exists(username)),
        }
    }

    fn create_user(&mut self, user: &UserRequest) -> Result<()> {
        match &mut self.0 {
            Kind::Native(backend) => backend.create_user(user),
            Kind::Component(name, config) => ask(name, config, BackendCall::CreateUser(user)),
        }
    }

    fn update_user(&mut self, change: &UserChange) -> Result<()> {
        match &mut self.0 {
            Kind::Native(backend) => backend.update_user(change),
            Kind::Component(name, config) => ask(name, config, BackendCall::UpdateUser(change)),
        }
    }

    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()> {
        match &mut self.0 {
            Kind::Native(backend) => backend.delete_user(removal),
            Kind::Component(name, config) => ask(name, config, BackendCall::DeleteUser(removal)),
        }
    }

    fn ping(&mut self) -> Result<()> {
        match &mut self.0 {
            Kind::Native(backend) => backend.ping(),
            Kind::Component(name, config) => ask(name, config, BackendCall::Ping),
        }
    }
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        if let Kind::Component(connection, _) = &self.0 {
            // The host may have gone before.
            component::close(connection);
        }
    }
}
