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

impl<B: Backend> Connection<B> {
    fn ask<T: DeserializeOwned>(&mut self, call: BackendCall<'_>) -> Option<Result<T>> {
        let Kind::Component(connection, config) = &self.0 else {
            return None;
        };
        Some(component::call(&Run::Backend {
            connection,
            config,
            call,
        }))
    }

    fn native(&mut self) -> Result<&mut B> {
        match &mut self.0 {
            Kind::Native(backend) => Ok(backend),
            Kind::Component(..) => Err(crate::Error::internal("the component did not answer")),
        }
    }
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
        let mut opened = Self(Kind::Component(name(), config));
        match opened.ask::<()>(BackendCall::Open) {
            Some(Err(error)) => Err(error),
            _ => Ok(opened),
        }
    }

    fn username(&mut self, naming: &UserNaming) -> Result<String> {
        match self.ask(BackendCall::Username(naming)) {
            Some(answer) => answer,
            None => self.native()?.username(naming),
        }
    }

    fn exists(&mut self, username: &str) -> Result<bool> {
        match self.ask(BackendCall::Exists(username)) {
            Some(answer) => answer,
            None => self.native()?.exists(username),
        }
    }

    fn create_user(&mut self, user: &UserRequest) -> Result<()> {
        match self.ask(BackendCall::CreateUser(user)) {
            Some(answer) => answer,
            None => self.native()?.create_user(user),
        }
    }

    fn update_user(&mut self, change: &UserChange) -> Result<()> {
        match self.ask(BackendCall::UpdateUser(change)) {
            Some(answer) => answer,
            None => self.native()?.update_user(change),
        }
    }

    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()> {
        match self.ask(BackendCall::DeleteUser(removal)) {
            Some(answer) => answer,
            None => self.native()?.delete_user(removal),
        }
    }

    fn ping(&mut self) -> Result<()> {
        match self.ask(BackendCall::Ping) {
            Some(answer) => answer,
            None => self.native()?.ping(),
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
