//! A host in memory, for a plugin's own `cargo test`: the same handlers, the same functions, no server.
//!
//! ```
//! use coffer_sdk::prelude::*;
//! use coffer_sdk::testing::Host;
//!
//! let host = Host::new();
//! storage::put("a", b"1").unwrap();
//! host.advance(60);
//! assert_eq!(storage::get("a").unwrap().unwrap(), b"1");
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use crate::effects::{LeaseGrant, LeaseRequest};
use crate::{Error, Operation, Plugin, Response, Result, dispatch};

/// A database, as an engine sees it.
pub trait Database {
    /// See [`databases::username`](crate::databases::username).
    fn username(&mut self, on: &Target, naming: &UserNaming) -> Result<String>;
    /// See [`databases::create_user`](crate::databases::create_user).
    fn create_user(&mut self, on: &Target, user: &UserRequest) -> Result<()>;
    /// See [`databases::update_user`](crate::databases::update_user).
    fn update_user(&mut self, on: &Target, change: &UserChange) -> Result<()>;
    /// See [`databases::delete_user`](crate::databases::delete_user).
    fn delete_user(&mut self, on: &Target, removal: &UserRemoval) -> Result<()>;
    /// See [`databases::ping`](crate::databases::ping).
    fn ping(&mut self, on: &Target) -> Result<()>;
}

/// What the host of this thread holds.
pub struct State {
    pub(crate) storage: BTreeMap<String, Vec<u8>>,
    pub(crate) now: u64,
    pub(crate) log: Vec<String>,
    pub(crate) mount: crate::mount::Info,
    pub(crate) closed: Vec<String>,
    leases: Vec<LeaseRequest>,
    rolls: u64,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
    static DATABASE: RefCell<Option<Box<dyn Database>>> = const { RefCell::new(None) };
}

/// The host of this thread; it ends with this value.
pub struct Host(());

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        STATE.with(|state| state.borrow_mut().take());
        DATABASE.with(|database| database.borrow_mut().take());
    }
}

impl Host {
    /// An empty one, mounted at `test/`, on 2024-01-01.
    pub fn new() -> Self {
        let mount = crate::mount::Info {
            path: "test/".to_owned(),
            accessor: "test_1a2b3c4d".to_owned(),
            default_lease_ttl: 2_764_800,
            max_lease_ttl: 2_764_800,
            options: "{}".to_owned(),
        };
        let state = State {
            storage: BTreeMap::new(),
            now: 1_704_067_200_000,
            log: Vec::new(),
            mount,
            closed: Vec::new(),
            leases: Vec::new(),
            rolls: 0,
        };
        STATE.with(|slot| *slot.borrow_mut() = Some(state));
        Self(())
    }

    /// # Panics
    /// Without a [`Host`] on this thread.
    #[allow(clippy::expect_used)]
    pub(crate) fn with<R>(call: impl FnOnce(&mut State) -> R) -> R {
        STATE.with(|state| call(state.borrow_mut().as_mut().expect("a testing::Host on this thread")))
    }

    pub(crate) fn database<R>(call: impl FnOnce(&mut dyn Database) -> Result<R>) -> Result<R> {
        DATABASE.with(|database| match database.borrow_mut().as_deref_mut() {
            Some(database) => call(database),
            None => Err(Error::unavailable("no database in this test")),
        })
    }

    /// With these mount options, as a JSON object of strings.
    #[must_use]
    pub fn options(self, options: Value) -> Self {
        Self::with(|host| host.mount.options = options.to_string());
        self
    }

    /// With this database behind every connection.
    #[must_use]
    pub fn with_database(self, database: impl Database + 'static) -> Self {
        DATABASE.with(|slot| *slot.borrow_mut() = Some(Box::new(database)));
        self
    }

    /// Moves the clock on, by seconds.
    pub fn advance(&self, seconds: u64) {
        Self::with(|host| host.now += seconds * 1000);
    }

    /// Every key in storage.
    pub fn keys(&self) -> Vec<String> {
        Self::with(|host| host.storage.keys().cloned().collect())
    }

    /// Takes the leases made so far.
    pub fn leases(&self) -> Vec<LeaseRequest> {
        Self::with(|host| std::mem::take(&mut host.leases))
    }

    /// Sends a request, as an anonymous caller from 127.0.0.1; a failure leaves storage as it was.
    pub fn call(&self, plugin: &'static Plugin, operation: Operation, path: &str, data: Value) -> Result<Response> {
        self.call_from(plugin, operation, path, data, "127.0.0.1")
    }

    /// The same, from another address.
    pub fn call_from(&self, plugin: &'static Plugin, operation: Operation, path: &str, data: Value, from: &str) -> Result<Response> {
        let before = Self::with(|host| host.storage.clone());
        let caller = contract::Caller {
            display_name: "test".to_owned(),
            token: "t".to_owned(),
            remote_address: from.to_owned(),
        };
        let result =
            dispatch::handle(plugin, contract::Request { operation, path: path.to_owned(), data: data.to_string(), caller });
        if result.is_err() {
            Self::with(|host| host.storage = before);
        }
        result
    }
}

impl State {
    pub(crate) fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        if key.is_empty() || key.len() > 1024 || key.starts_with('/') || key.contains('\0') || key.split('/').any(|s| s == ".." || s == ".") {
            return Err(Error::invalid("invalid storage key"));
        }
        if value.len() > 1 << 20 {
            return Err(Error::invalid("a value is too large"));
        }
        self.storage.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    pub(crate) fn scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let after = after.unwrap_or_default();
        let keys = self.storage.keys().filter(|key| key.starts_with(prefix) && key.as_str() > after);
        keys.take(limit as usize).cloned().collect()
    }

    pub(crate) fn children(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let mut names: Vec<String> = self
            .storage
            .keys()
            .filter_map(|key| key.strip_prefix(prefix))
            .map(|rest| rest.split_once('/').map_or(rest.to_owned(), |(directory, _)| format!("{directory}/")))
            .filter(|name| after.is_none_or(|after| name.as_str() > after))
            .collect();
        names.dedup();
        names.truncate(limit as usize);
        names
    }

    pub(crate) fn random(&mut self, len: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len as usize {
            self.rolls += 1;
            bytes.extend(Sha256::digest(self.rolls.to_le_bytes()));
        }
        bytes.truncate(len as usize);
        bytes
    }

    pub(crate) fn prepare(&mut self, lease: Option<&LeaseRequest>) -> Result<Option<LeaseGrant>> {
        let Some(lease) = lease else { return Ok(None) };
        self.leases.push(lease.clone());
        let ttl = if lease.ttl > 0 { lease.ttl } else { self.mount.default_lease_ttl };
        let ttl = if lease.max_ttl > 0 { ttl.min(lease.max_ttl) } else { ttl };
        let lease_id = format!("{}lease/{}", self.mount.path, self.leases.len());
        Ok(Some(LeaseGrant { lease_id, ttl, expires: self.now + ttl * 1000, renewable: lease.renewable }))
    }
}
