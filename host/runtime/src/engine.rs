//! The one wasmtime engine: what guests may use, how they are interrupted, and where their memory comes from.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;

use wasmtime::{Config, Enabled, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::LoadError;
use crate::limits;

/// The engine that all components share.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    ticker: Arc<Ticker>,
}

impl Engine {
    /// Starts the engine and the thread that interrupts guests.
    ///
    /// # Errors
    /// If the system has no address space for the guests' memories, or no thread.
    pub fn new() -> Result<Self, LoadError> {
        let refuse = |error: &dyn std::fmt::Display| {
            LoadError::Contract(format!("the engine does not start: {error}"))
        };
        let wasm = wasmtime::Engine::new(&config()).map_err(|error| refuse(&error))?;
        let ticker = Ticker::start(wasm.weak()).map_err(|error| refuse(&error))?;
        Ok(Self {
            wasm,
            ticker: Arc::new(ticker),
        })
    }

    /// Compiles a component ahead of time, for [`Builtin::compiled`](crate::Builtin).
    ///
    /// # Errors
    /// [`LoadError::Contract`] if these bytes are no component.
    pub fn precompile(&self, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        self.wasm
            .precompile_component(wasm)
            .map_err(|error| LoadError::Contract(format!("{error:#}")))
    }

    /// Names what compiled code depends on: the version of the compiler, its settings, and this processor's features.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.wasm.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Keeps the ticker going while a guest runs.
    pub(crate) fn running(&self) -> Running<'_> {
        let shared = &*self.ticker.shared;
        shared.running.fetch_add(1, Ordering::SeqCst);
        if shared.asleep.load(Ordering::SeqCst) {
            self.ticker.thread.unpark();
        }
        Running(shared)
    }
}

/// Advances the epoch, at which running guests yield. Sleeps while none runs, so an idle server does not wake up.
struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

/// A guest runs for as long as this lives.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ticker {
    fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let handle = std::thread::Builder::new()
            .name("epoch-ticker".into())
            .spawn({
                let shared = shared.clone();
                move || shared.tick(&engine)
            })?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
        })
    }
}

impl Shared {
    fn tick(&self, engine: &EngineWeak) {
        let mut quiet = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            std::thread::sleep(limits::TICK);
            if self.running.load(Ordering::SeqCst) > 0 {
                quiet = 0;
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                engine.increment_epoch();
                continue;
            }
            quiet += 1;
            if quiet < limits::TICKS_BEFORE_SLEEP {
                continue;
            }
            // Who starts a guest after this sees that there is somebody to wake.
            self.asleep.store(true, Ordering::SeqCst);
            while self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            quiet = 0;
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // A call costs a third less without it, and the contract does not use it.
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::ASYNC_STACK)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

fn pool() -> PoolingAllocationConfig {
    let instances = limits::INSTANCES + limits::BACKENDS + limits::LOADING;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * limits::CORE_INSTANCES)
        .total_memories(instances * limits::MEMORIES)
        .total_tables(instances * limits::TABLES)
        .total_stacks(instances)
        .max_core_instances_per_component(limits::CORE_INSTANCES)
        .max_memories_per_component(limits::MEMORIES)
        .max_tables_per_component(limits::TABLES)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_memory_size(limits::MAX_MEMORY)
        .max_unused_warm_slots(limits::WARM_SLOTS);
    // Dirty pages are cleaned in place: giving them back to the system costs as much as the rest of the call, and stalls
    // the other threads (fresh no-op: 12 µs against 19; see `benches/calls.rs`). That pays only where the system can tell
    // which pages are dirty (Linux 6.7).
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(limits::KEEP_RESIDENT)
            .table_keep_resident(limits::KEEP_RESIDENT);
    }
    pool
}
