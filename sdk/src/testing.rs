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

pub(crate) mod network;
mod tls;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use crate::effects::{LeaseGrant, LeaseRequest};
use crate::{Error, Operation, Plugin, Response, Result, dispatch, http};

pub use network::Fault;

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

/// What the host of this thread holds.
pub struct State {
    storage: BTreeMap<String, Vec<u8>>,
    /// What a failure of the request under way leaves.
    committed: BTreeMap<String, Vec<u8>>,
    gets: usize,
    pub(crate) now: u64,
    pub(crate) log: Vec<String>,
    pub(crate) mount: crate::mount::Info,
    pub(crate) closed: Vec<String>,
    network: network::Network,
    leases: Vec<LeaseRequest>,
    /// Whether the request under way has its lease.
    leased: bool,
    seed: u64,
    rolls: u64,
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
            storage: BTreeMap::new(),
            committed: BTreeMap::new(),
            gets: 0,
            now: 1_704_067_200_000,
            log: Vec::new(),
            mount,
            closed: Vec::new(),
            network: network::Network::default(),
            leases: Vec::new(),
            leased: false,
            seed: 0,
            rolls: 0,
        };
        STATE.with(|slot| *slot.borrow_mut() = Some(state));
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
        HTTP.with(|slot| match slot.borrow_mut().as_mut() {
            Some(service) => service(request),
            None => Err(Error::denied(format!(
                "destination {:?} is not granted: the test's Host serves no HTTP",
                request.url
            ))),
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
        self.transaction(|| dispatch::handle(plugin, request(operation, path, data, from)))
    }

    /// Whether a write of this would update; None where the plugin does not say.
    pub fn exists(&self, plugin: &'static Plugin, path: &str, data: Value) -> Result<Option<bool>> {
        self.transaction(|| {
            dispatch::exists(
                plugin,
                request(Operation::Write, path, &data.to_string(), "127.0.0.1"),
            )
        })
    }

    /// Ends a lease, as the host does when its time has come.
    pub fn revoke(&self, plugin: &'static Plugin, lease: &LeaseRequest) -> Result<()> {
        let internal = serde_json::from_str(&lease.internal)?;
        let now = Self::with(|host| host.now);
        let lease = crate::Lease::of("", &internal, now, now);
        self.transaction(|| plugin.revoke.map_or(Ok(()), |revoke| revoke(&lease)))
    }

    /// Runs a function as the host runs a request: what it has put is dropped if it fails, unless it was committed by
    /// [`effects`](crate::effects). For `tick`, `renew` and `revoke`.
    pub fn transaction<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        Self::with(|host| {
            host.committed = host.storage.clone();
            host.leased = false;
        });
        let result = call();
        if result.is_err() {
            Self::with(|host| host.storage = std::mem::take(&mut host.committed));
        }
        result
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

fn check_key(key: &str) -> Result<()> {
    let stray = |segment| segment == ".." || segment == ".";
    if key.is_empty()
        || key.len() > 1024
        || key.starts_with('/')
        || key.contains('\0')
        || key.split('/').any(stray)
    {
        return Err(Error::invalid("invalid storage key"));
    }
    Ok(())
}

impl State {
    pub(crate) fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        self.gets += 1;
        Ok(self.storage.get(key).cloned())
    }

    pub(crate) fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        check_key(key)?;
        if value.len() > 1 << 20 {
            return Err(Error::invalid("a value is too large"));
        }
        self.storage.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) -> Result<()> {
        check_key(key)?;
        self.storage.remove(key);
        Ok(())
    }

    pub(crate) fn scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let after = after.unwrap_or_default();
        let keys = self
            .storage
            .keys()
            .filter(|key| key.starts_with(prefix) && key.as_str() > after);
        keys.take(limit.min(10_000) as usize).cloned().collect()
    }

    pub(crate) fn children(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let mut names: Vec<String> = self
            .storage
            .keys()
            .filter_map(|key| key.strip_prefix(prefix))
            .map(|rest| {
                rest.split_once('/')
                    .map_or(rest.to_owned(), |(directory, _)| format!("{directory}/"))
            })
            .filter(|name| after.is_none_or(|after| name.as_str() > after))
            .collect();
        names.dedup();
        names.truncate(limit.min(100_000) as usize);
        names
    }

    pub(crate) fn random(&mut self, len: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len as usize {
            self.rolls += 1;
            bytes.extend(Sha256::digest(
                [self.seed.to_le_bytes(), self.rolls.to_le_bytes()].concat(),
            ));
        }
        bytes.truncate(len as usize);
        bytes
    }

    pub(crate) fn withdraw(&mut self) -> Result<()> {
        if std::mem::take(&mut self.leased) {
            self.leases.pop();
        }
        Ok(())
    }

    pub(crate) fn prepare(&mut self, lease: Option<&LeaseRequest>) -> Result<Option<LeaseGrant>> {
        if lease.is_some() && std::mem::replace(&mut self.leased, true) {
            return Err(Error::invalid("a request can have one lease"));
        }
        self.committed = self.storage.clone();
        let Some(lease) = lease else { return Ok(None) };
        self.leases.push(lease.clone());
        let set = |ttl, default| if ttl > 0 { ttl } else { default };
        let max = set(lease.max_ttl, self.mount.max_lease_ttl).min(self.mount.max_lease_ttl);
        let ttl = set(lease.ttl, self.mount.default_lease_ttl).min(max);
        let lease_id = format!("{}lease/{}", self.mount.path, self.leases.len());
        Ok(Some(LeaseGrant {
            lease_id,
            ttl,
            expires: self.now + ttl * 1000,
            renewable: lease.renewable,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::prelude::*;

    fn lease_request() -> LeaseRequest {
        LeaseRequest {
            ttl: 600,
            max_ttl: 0,
            renewable: true,
            group: String::new(),
            internal: "{}".to_owned(),
        }
    }

    #[test]
    fn a_failure_leaves_what_was_committed_before() {
        let host = Host::new().lease_ttls(60, 300);
        host.transaction(|| storage::put("kept", b"1")).unwrap();
        let failed: Result<()> = host.transaction(|| {
            storage::put("prepared", b"1")?;
            let grant = effects::lease(&lease_request())?;
            assert_eq!((grant.ttl, grant.expires), (300, clock::now() + 300_000));
            effects::lease(&lease_request()).unwrap_err();
            storage::put("lost", b"1")?;
            storage::delete("kept")?;
            Err(Error::internal("boom"))
        });
        assert_eq!(failed.unwrap_err().message, "boom");
        assert_eq!(host.keys(), ["kept", "prepared"]);
        assert_eq!(host.leases().len(), 1);
    }

    #[test]
    fn listings() {
        let host = Host::new();
        for key in ["d/a", "d/a-b", "d/a/x", "d/a/y", "d/a0", "e"] {
            storage::put(key, b"").unwrap();
        }
        assert_eq!(storage::list("d/").unwrap(), ["a", "a-b", "a/", "a0"]);
        assert_eq!(storage::children("d/", Some("a-b"), 1).unwrap(), ["a/"]);
        let listed = |after, limit| storage::list_after("d/", after, limit).unwrap();
        assert_eq!(listed(Some("a"), 2), ["a-b", "a/"]);
        assert_eq!(listed(None, 0), [""; 0]);
        assert_eq!(storage::list("").unwrap(), ["d/", "e"]);
        assert_eq!(
            storage::scan("d/a", Some("d/a-b"), 2).unwrap(),
            ["d/a/x", "d/a/y"]
        );
        storage::delete_all("d/").unwrap();
        assert_eq!(host.keys(), ["e"]);
        storage::put("../x", b"").unwrap_err();
    }

    #[test]
    fn randomness_follows_the_seed_and_is_even() {
        let draw = |seed| {
            let _host = Host::new().seed(seed);
            random::text(3000, b"abc")
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for letter in "abc".chars() {
            let count = draw(1).matches(letter).count();
            assert!((850..1150).contains(&count), "{letter}: {count}");
        }
        let _host = Host::new();
        assert_eq!(random::text(5, b""), "");
        assert_eq!(random::base62(20).len(), 20);
        let uuid = random::uuid();
        assert_eq!((uuid.len(), uuid.get(14..15)), (36, Some("4")));
    }

    #[test]
    fn times() {
        assert_eq!(
            clock::rfc3339(1_704_067_200_123),
            "2024-01-01T00:00:00.123000000Z"
        );
        assert_eq!(
            clock::parse_rfc3339("2024-01-01T00:00:00.123Z"),
            Some(1_704_067_200_123)
        );
        assert_eq!(clock::parse_rfc3339("yesterday"), None);
        assert_eq!(clock::rfc3339(u64::MAX), "9999-12-31T23:59:59.999000000Z");
    }

    #[test]
    fn lease_ttls_follow_the_rules() {
        let host = Host::new().lease_ttls(600, 3600);
        let issued = clock::now();
        let role = |ttl, max_ttl, period| Renewal {
            ttl,
            max_ttl,
            period,
        };
        let lease_ttl = |increment, role: Renewal| crate::lease_ttl(increment, &role, issued);
        assert_eq!(lease_ttl(0, role(0, 0, 0)), 600);
        assert_eq!(lease_ttl(0, role(60, 0, 0)), 60);
        assert_eq!(lease_ttl(90, role(60, 0, 0)), 90);
        assert_eq!(lease_ttl(9000, role(60, 120, 0)), 120);
        assert_eq!(lease_ttl(9000, role(60, 9000, 0)), 3600);
        host.advance(100);
        assert_eq!(lease_ttl(9000, role(60, 120, 0)), 20);
        assert_eq!(lease_ttl(0, role(60, 120, 50)), 50);
        host.advance(100);
        assert_eq!(lease_ttl(9000, role(60, 120, 0)), 0);
    }
}
