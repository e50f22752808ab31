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
//!
//! A database backend is run against a real server, or one that the test plays, and the network fails when it is told to:
//!
//! ```
//! use coffer_sdk::network::Stream;
//! use coffer_sdk::testing::{Fault, Host};
//! use std::io::Write;
//!
//! let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! let port = server.local_addr().unwrap().port();
//! let host = Host::new().allow("127.0.0.1", port);
//! assert!(Stream::connect("127.0.0.1", 1).is_err(), "not granted");
//! let mut stream = Stream::connect("127.0.0.1", port).unwrap();
//! host.fail_network(Fault::Write(2));
//! stream.write_all(b"arrives").unwrap();
//! stream.write_all(b"does not").unwrap_err();
//! ```
//!
//! With `COFFER_COMPONENT=plugin.wasm` in its environment, `cargo test` runs the same tests against that component in the
//! real sandbox: the `coffer` on the path, or the one that `COFFER` names, runs it, and this host answers what it asks of
//! HTTP, databases and the network. `&PLUGIN` only says then what would be called natively; what calls a function of the
//! plugin itself ([`Host::transaction`]) refuses to run. A database backend's tests open a [`Connection`] instead of the backend
//! itself: it is the one or the other.
//!
//! Things go wrong on demand ([`Host::fail_storage`], [`Host::fail_http`], [`Host::fail_network`], [`Host::set_clock`]),
//! [`Host::assert_nothing_left`] proves that every lease undoes what it stands for, and what a real service said once can be
//! [recorded](Host::record) and [replayed](Host::replay).

mod acceptance;
mod component;
mod connection;
mod faults;
pub(crate) mod keys;
mod live;
pub(crate) mod network;
mod recording;
mod state;
mod tls;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use crate::effects::LeaseRequest;
use crate::{Error, Operation, Plugin, Renewal, Response, Result, dispatch, http};
use component::Run;

pub use connection::Connection;
pub use faults::StorageFault;
pub use network::Fault;
pub use recording::MASK;
pub(crate) use state::State;

/// A database, as an engine sees it.
pub trait Database {
    /// See [`databases::secret_fields`](crate::databases::secret_fields).
    fn secret_fields(&mut self, _: &Target) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// See [`databases::username`](crate::databases::username).
    fn username(&mut self, on: &Target, naming: &UserNaming) -> Result<String>;
    /// See [`databases::exists`](crate::databases::exists).
    fn exists(&mut self, on: &Target, username: &str) -> Result<bool>;
    /// See [`databases::create_user`](crate::databases::create_user).
    fn create_user(&mut self, on: &Target, user: &UserRequest) -> Result<()>;
    /// See [`databases::update_user`](crate::databases::update_user).
    fn update_user(&mut self, on: &Target, change: &UserChange) -> Result<()>;
    /// See [`databases::delete_user`](crate::databases::delete_user).
    fn delete_user(&mut self, on: &Target, removal: &UserRemoval) -> Result<()>;
    /// See [`databases::ping`](crate::databases::ping).
    fn ping(&mut self, on: &Target) -> Result<()>;
}

/// What answers a plugin's HTTP requests.
type HttpService = dyn FnMut(&http::Request) -> Result<http::Response>;

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
    static HTTP: RefCell<Option<Box<HttpService>>> = const { RefCell::new(None) };
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
        component::end();
        recording::finish();
        // Kept until the thread's end, it may outlive what it holds.
        STATE.try_with(|state| state.borrow_mut().take()).ok();
        DATABASE
            .try_with(|database| database.borrow_mut().take())
            .ok();
        HTTP.try_with(|service| service.borrow_mut().take()).ok();
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
            storage: Default::default(),
            committed: Default::default(),
            keys: Default::default(),
            committed_keys: Default::default(),
            gets: 0,
            now: 1_704_067_200_000,
            log: Vec::new(),
            mount,
            closed: Vec::new(),
            network: network::Network::default(),
            leases: Vec::new(),
            leased: false,
            unended: Vec::new(),
            faults: faults::Faults::default(),
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            login_groups: Vec::new(),
            content: None,
            password_policies: BTreeMap::new(),
            pod: (None, None),
            seed: 0,
            rolls: 0,
        };
        STATE.with(|slot| *slot.borrow_mut() = Some(state));
        component::begin();
        recording::end();
        Self(())
    }

    /// Answers HTTP requests from now on: with a status and a body in JSON, or an error as if there were no answer.
    pub fn serve_http(
        &self,
        mut service: impl FnMut(&http::Request) -> Result<(u16, Value)> + 'static,
    ) {
        let service = move |request: &http::Request| {
            let (status, body) = service(request)?;
            Ok(http::Response {
                status,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
            })
        };
        HTTP.with(|slot| *slot.borrow_mut() = Some(Box::new(service)));
    }

    pub(crate) fn http(request: &http::Request) -> Result<http::Response> {
        recording::through("http", request, || {
            faults::http(&request.url)?;
            HTTP.with(|slot| match slot.borrow_mut().as_mut() {
                Some(service) => service(request),
                None => live::send(request),
            })
        })
    }

    /// # Panics
    /// Without a [`Host`] on this thread.
    #[allow(clippy::expect_used)]
    pub(crate) fn with<R>(call: impl FnOnce(&mut State) -> R) -> R {
        STATE.with(|state| {
            call(
                state
                    .borrow_mut()
                    .as_mut()
                    .expect("a testing::Host on this thread"),
            )
        })
    }

    pub(crate) fn database<R>(call: impl FnOnce(&mut dyn Database) -> Result<R>) -> Result<R> {
        DATABASE.with(|database| match database.borrow_mut().as_deref_mut() {
            Some(database) => call(database),
            None => Err(Error::unavailable("no database in this test")),
        })
    }

    /// Whether there is one on this thread.
    pub(crate) fn is_there() -> bool {
        STATE
            .try_with(|state| state.borrow().is_some())
            .unwrap_or_default()
    }

    /// With these mount options, as a JSON object of strings.
    #[must_use]
    pub fn options(self, options: Value) -> Self {
        Self::with(|host| host.mount.options = options.to_string());
        self
    }

    /// With these default and greatest lease times, in seconds, instead of 32 days.
    #[must_use]
    pub fn lease_ttls(self, default: u64, max: u64) -> Self {
        Self::with(|host| {
            (host.mount.default_lease_ttl, host.mount.max_lease_ttl) = (default, max)
        });
        self
    }

    /// With other randomness, the same for the same seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self::with(|host| host.seed = seed);
        self
    }

    /// With requests that have this header, and a mount that lets it through.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let header = (name.to_owned(), value.to_owned());
        Self::with(|host| host.request_headers.push(header));
        self
    }

    /// Takes the headers that were added to responses so far, each with its value.
    pub fn response_headers(&self) -> Vec<(String, String)> {
        Self::with(|host| std::mem::take(&mut host.response_headers))
    }

    /// Takes the groups that the last login was said to be in.
    pub fn login_groups(&self) -> Vec<String> {
        Self::with(|host| std::mem::take(&mut host.login_groups))
    }

    /// Takes the last body that was answered in place of JSON, with its content type.
    pub fn content(&self) -> Option<(String, Vec<u8>)> {
        Self::with(|host| host.content.take())
    }

    /// With a password policy: so many characters of this alphabet (ASCII).
    #[must_use]
    pub fn password_policy(self, name: &str, length: usize, alphabet: &str) -> Self {
        let policy = (length, alphabet.to_owned());
        Self::with(|host| host.password_policies.insert(name.to_owned(), policy));
        self
    }

    /// In a pod that has this token and these certificates in PEM.
    #[must_use]
    pub fn pod(self, token: &str, certificates: &str) -> Self {
        Self::with(|host| host.pod = (Some(token.to_owned()), Some(certificates.to_owned())));
        self
    }

    /// With this database behind every connection.
    #[must_use]
    pub fn with_database(self, database: impl Database + 'static) -> Self {
        DATABASE.with(|slot| *slot.borrow_mut() = Some(Box::new(database)));
        self
    }

    /// With real sockets to this destination. Without it every connection is refused: a test that touches the network says
    /// what of it.
    #[must_use]
    pub fn allow(self, host: &str, port: u16) -> Self {
        Self::with(|state| state.network.allow(host, port));
        self
    }

    /// Lets something go wrong on the network.
    pub fn fail_network(&self, fault: Fault) {
        Self::with(|state| state.network.fail(fault));
    }

    /// Moves the clock on, by seconds.
    pub fn advance(&self, seconds: u64) {
        Self::with(|host| host.now += seconds * 1000);
    }

    /// Every key in storage.
    pub fn keys(&self) -> Vec<String> {
        Self::with(|host| host.storage.keys().cloned().collect())
    }

    /// The name of every key that the host holds for the plugin.
    pub fn held_keys(&self) -> Vec<String> {
        Self::with(|host| host.keys.keys().cloned().collect())
    }

    /// Takes the leases made so far.
    pub fn leases(&self) -> Vec<LeaseRequest> {
        Self::with(|host| std::mem::take(&mut host.leases))
    }

    /// Takes the names of the database connections that were closed so far.
    pub fn closed(&self) -> Vec<String> {
        Self::with(|host| std::mem::take(&mut host.closed))
    }

    /// Takes what was logged so far, each line with its level: `Warn: ...`.
    pub fn log(&self) -> Vec<String> {
        Self::with(|host| std::mem::take(&mut host.log))
    }

    /// How often storage was read by key since this was asked last.
    pub fn gets(&self) -> usize {
        Self::with(|host| std::mem::take(&mut host.gets))
    }

    /// Sends a request, from 127.0.0.1; a failure leaves storage as it was, or as [`effects`](crate::effects) committed it.
    pub fn call(
        &self,
        plugin: &'static Plugin,
        operation: Operation,
        path: &str,
        data: Value,
    ) -> Result<Response> {
        self.call_from(plugin, operation, path, data, "127.0.0.1")
    }

    /// The same, from another address.
    pub fn call_from(
        &self,
        plugin: &'static Plugin,
        operation: Operation,
        path: &str,
        data: Value,
        from: &str,
    ) -> Result<Response> {
        self.call_json(plugin, operation, path, &data.to_string(), from)
    }

    /// The same, with the body as JSON text.
    pub fn call_json(
        &self,
        plugin: &'static Plugin,
        operation: Operation,
        path: &str,
        data: &str,
        from: &str,
    ) -> Result<Response> {
        let request = request(operation, path, data, from);
        if component::is_used() {
            return component::call(&Run::Handle(&request)).map(component::response);
        }
        self.native(|| dispatch::handle(plugin, request))
    }

    /// Whether a write of this would update; None where the plugin does not say.
    pub fn exists(&self, plugin: &'static Plugin, path: &str, data: Value) -> Result<Option<bool>> {
        let request = request(Operation::Write, path, &data.to_string(), "127.0.0.1");
        if component::is_used() {
            return component::call(&Run::Exists(&request));
        }
        self.native(|| dispatch::exists(plugin, request))
    }

    /// Prolongs a lease by so many seconds (0: not given), as the host does when somebody asks for it.
    pub fn renew(
        &self,
        plugin: &'static Plugin,
        lease: &LeaseRequest,
        increment: u64,
    ) -> Result<Renewal> {
        let lease = standing(lease);
        if component::is_used() {
            return component::call(&Run::Renew(&lease, increment));
        }
        let renew = plugin
            .renew
            .ok_or_else(|| Error::invalid("lease is not renewable"))?;
        self.native(|| renew(&crate::Lease::new(lease), increment))
    }

    /// Ends a lease, as the host does when its time has come.
    pub fn revoke(&self, plugin: &'static Plugin, lease: &LeaseRequest) -> Result<()> {
        let ending = standing(lease);
        if component::is_used() {
            component::call::<()>(&Run::Revoke(&ending))?;
        } else {
            self.native(|| {
                plugin
                    .revoke
                    .map_or(Ok(()), |revoke| revoke(&crate::Lease::new(ending)))
            })?;
        }
        Self::with(|host| host.unended.retain(|unended| unended != lease));
        Ok(())
    }

    /// Does the plugin's periodic work once.
    pub fn tick(&self, plugin: &'static Plugin) -> Result<()> {
        if component::is_used() {
            return component::call(&Run::Tick);
        }
        self.native(|| plugin.tick.map_or(Ok(()), |tick| tick()))
    }

    /// Runs a function as the host runs a request: what it has put is dropped if it fails, unless it was committed by
    /// [`effects`](crate::effects). For functions that no path leads to.
    ///
    /// # Panics
    /// With a component: a function of the test's own process says nothing of it.
    #[allow(clippy::panic)]
    pub fn transaction<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        if component::is_used() {
            panic!(
                "Host::transaction calls functions natively, and {} names a component: use Host::call, exists, renew, revoke or tick",
                component::COMPONENT
            );
        }
        self.native(call)
    }

    /// Whether a built component takes the plugin's place in this run: for the few tests that cannot be run so.
    pub fn runs_component() -> bool {
        component::is_used()
    }

    fn native<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        Self::with(|host| {
            host.committed = host.storage.clone();
            host.committed_keys = host.keys.clone();
            host.leased = false;
        });
        let result = call();
        if result.is_err() {
            Self::with(|host| {
                host.storage = std::mem::take(&mut host.committed);
                host.keys = std::mem::take(&mut host.committed_keys);
            });
        }
        result
    }
}

/// A lease as it stands when something is done with it.
fn standing(lease: &LeaseRequest) -> contract::Lease {
    let now = Host::with(|host| host.now);
    contract::Lease {
        lease_id: String::new(),
        kind: contract::LeaseKind::Secret,
        path: String::new(),
        internal: lease.internal.clone(),
        issued: now,
        expires: now,
    }
}

fn request(operation: Operation, path: &str, data: &str, from: &str) -> contract::Request {
    let caller = contract::Caller {
        display_name: "test".to_owned(),
        token: "t".to_owned(),
        remote_address: from.to_owned(),
    };
    contract::Request {
        operation,
        path: path.to_owned(),
        data: data.to_owned(),
        caller,
    }
}

#[cfg(test)]
mod tests;
