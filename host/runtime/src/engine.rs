//! The one wasmtime engine: what guests may use, how they are interrupted, and where their memory comes from.

use std::sync::{Arc, Weak};

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::LoadError;
use crate::limits;

/// The engine that all components share.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    // The ticker ends when the last of these is gone.
    _alive: Arc<()>,
}

impl Engine {
    /// Starts the engine and the thread that interrupts guests.
    ///
    /// # Errors
    /// If the system has no address space for the guests' memories, or no thread.
    pub fn new() -> Result<Self, LoadError> {
        let refuse = |error: &dyn std::fmt::Display| LoadError::Contract(format!("the engine does not start: {error}"));
        let wasm = wasmtime::Engine::new(&config()).map_err(|error| refuse(&error))?;
        let alive = Arc::new(());
        let (ticker, watch): (_, Weak<()>) = (wasm.weak(), Arc::downgrade(&alive));
        std::thread::Builder::new()
            .name("epoch-ticker".into())
            .spawn(move || {
                while watch.strong_count() > 0 {
                    std::thread::sleep(limits::TICK);
                    let Some(engine) = ticker.upgrade() else { break };
                    engine.increment_epoch();
                }
            })
            .map_err(|error| refuse(&error))?;
        Ok(Self { wasm, _alive: alive })
    }

    /// Compiles a component ahead of time, for [`Builtin::compiled`](crate::Builtin).
    ///
    /// # Errors
    /// [`LoadError::Contract`] if these bytes are no component.
    pub fn precompile(&self, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        self.wasm.precompile_component(wasm).map_err(|error| LoadError::Contract(format!("{error:#}")))
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
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(limits::INSTANCES)
        .total_core_instances(limits::INSTANCES * 20)
        .total_memories(limits::INSTANCES)
        .total_tables(limits::INSTANCES * 4)
        .total_stacks(limits::INSTANCES)
        .max_core_instances_per_component(40)
        .max_memories_per_component(2)
        .max_tables_per_component(10)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_memory_size(limits::MEMORY)
        // Dirty pages are cleaned in place: giving them back to the system costs more than the call itself, and
        // stalls the other threads.
        .linear_memory_keep_resident(limits::KEEP_RESIDENT)
        .table_keep_resident(limits::KEEP_RESIDENT)
        .async_stack_keep_resident(limits::ASYNC_STACK)
        .decommit_batch_size(16)
        .pagemap_scan(Enabled::Auto);
    pool
}
