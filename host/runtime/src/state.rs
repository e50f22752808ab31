//! What belongs to one instance: its limits, what it may reach, and the call that it serves.

use std::sync::Arc;

use coffer_barrier::Transaction;
use coffer_clock::{Clock, Random};
use tokio::time::Instant;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;

use crate::bindings::plugin::coffer::plugin::effects::LeaseGrant;
use crate::database::DatabasePools;
use crate::egress::Grants;
use crate::imports::{OpenKeys, Wasi};
use crate::outside::Outside;
use crate::plugin::{Effects, MountContext};
use crate::pod::Pod;
use crate::{CallError, limits};

/// Where guests get the time, their dice, and what the server's pod has.
#[derive(Clone)]
pub struct Environment {
    /// The host's clock.
    pub clock: Clock,
    /// The host's randomness.
    pub random: Random,
    /// What Kubernetes lays into the pod that the server runs in.
    pub pod: Pod,
}

/// The call that an engine's instance serves.
pub(crate) struct Call {
    pub mount: Arc<MountContext>,
    pub txn: Transaction,
    pub effects: Arc<dyn Effects>,
    pub databases: Arc<DatabasePools>,
    pub deadline: Instant,
    pub touched: bool,
    pub lease: Option<LeaseGrant>,
}

/// A store's data.
pub(crate) struct State {
    pub environment: Environment,
    /// The component's name.
    pub component: Arc<str>,
    /// The database connection that the instance is, as the log names it.
    pub connection: Option<String>,
    pub memory: MemoryLimit,
    pub call: Option<Box<Call>>,
    /// What the call has used up.
    pub spent: Spent,
    /// Why a host function ended the guest.
    pub failure: Option<CallError>,
    pub table: ResourceTable,
    /// The keys that the call has opened.
    pub keys: OpenKeys,
    /// Where it may connect to.
    pub grants: Arc<Grants>,
    /// For components from stock toolchains.
    pub wasi: Option<Box<Wasi>>,
    /// Who plays the world outside, under test.
    pub outside: Option<Arc<dyn Outside>>,
}

impl State {
    pub fn new(environment: Environment, component: Arc<str>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::STREAMS);
        Self {
            environment,
            component,
            connection: None,
            memory: MemoryLimit {
                limit: limits::MEMORY,
                used: 0,
                exceeded: false,
            },
            call: None,
            spent: Spent::default(),
            failure: None,
            table,
            keys: OpenKeys::default(),
            grants: Arc::default(),
            wasi: None,
            outside: None,
        }
    }

    /// Nothing of an earlier call counts against the one that comes now.
    pub fn begin(&mut self) {
        self.memory.exceeded = false;
        self.spent = Spent::default();
        self.failure = None;
        self.keys.close();
    }

    /// The call, or a trap where there is none: in `describe`, and in a database backend.
    pub fn call(&mut self) -> wasmtime::Result<&mut Call> {
        self.call.as_deref_mut().ok_or_else(|| {
            wasmtime::format_err!("this import needs a mount, and there is none here")
        })
    }

    /// Ends the guest.
    pub fn fail(&mut self, failure: CallError) -> wasmtime::Error {
        let error = wasmtime::format_err!("{failure}");
        self.failure = Some(failure);
        error
    }

    /// Why a call ended in this error.
    pub fn failed(&mut self, error: &wasmtime::Error) -> CallError {
        match self.failure.take() {
            Some(failure) => failure,
            None if self.memory.exceeded => CallError::Memory(self.memory.limit),
            None => CallError::of(error),
        }
    }
}

/// What one call has used of what the host keeps or does for it.
#[derive(Default)]
pub(crate) struct Spent {
    /// Storage keys read and written, and listings.
    pub keys: usize,
    /// Bytes of storage read and written, keys included.
    pub stored: usize,
    pub log_lines: usize,
    pub log_bytes: usize,
}

impl Spent {
    /// What is committed is not kept any more.
    pub fn committed(&mut self) {
        (self.keys, self.stored) = (0, 0);
    }
}

/// Refuses memory beyond the limit, and remembers that it did.
pub(crate) struct MemoryLimit {
    pub limit: usize,
    /// Of all the instance's memories.
    pub used: usize,
    pub exceeded: bool,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let refused = used > self.limit || maximum.is_some_and(|maximum| desired > maximum);
        if refused {
            self.exceeded = true;
        } else {
            self.used = used;
        }
        Ok(!refused)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= limits::TABLE_ELEMENTS && maximum.is_none_or(|maximum| desired <= maximum))
    }
}
