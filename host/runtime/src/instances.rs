//! Live instances of secret engines and auth methods.
//!
//! An instance may be used again, but only for the same version of the component, the same mount and the same caller: so
//! no caller can read what another's request left in its memory. It serves one call at a time, and is dropped after a
//! number of calls, after a while without one, and after any call that did not end well.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;

use crate::bindings::plugin::Plugin as Exports;
use crate::component::{Component, Kind};
use crate::plugin::{Caller, MountContext};
use crate::state::State;
use crate::{CallError, limits};

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    component: usize,
    mount: Arc<str>,
    caller: Caller,
}

/// A live instance.
pub(crate) struct Instance {
    pub store: Store<State>,
    pub exports: Exports,
    mount: std::sync::Weak<MountContext>,
    calls: u32,
    idle_since: Instant,
    // The component it was made from stays where its address says it is.
    _component: Arc<Component>,
    _slot: OwnedSemaphorePermit,
}

pub(crate) struct Instances {
    idle: Mutex<LruCache<Key, Vec<Instance>>>,
    slots: Arc<Semaphore>,
}

impl Instances {
    pub fn new() -> Self {
        let keys = NonZeroUsize::new(limits::IDLE_KEYS).unwrap_or(NonZeroUsize::MIN);
        // A few slots are left for descriptions and database backends.
        let slots = (limits::INSTANCES / 4 * 3) as usize;
        Self { idle: Mutex::new(LruCache::new(keys)), slots: Arc::new(Semaphore::new(slots)) }
    }

    fn idle(&self) -> MutexGuard<'_, LruCache<Key, Vec<Instance>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance for this call: one that has served the same caller, or a fresh one.
    pub async fn take(
        &self,
        component: &Arc<Component>,
        mount: &Arc<MountContext>,
        caller: &Caller,
    ) -> Result<Instance, CallError> {
        if *caller != Caller::Anonymous {
            let key = key(component, mount, caller);
            // An instance made before the mount was tuned has other limits.
            let current = |instance: &Instance| std::ptr::eq(instance.mount.as_ptr(), Arc::as_ptr(mount));
            if let Some(instance) = self.idle().get_mut(&key).and_then(Vec::pop).filter(current) {
                return Ok(instance);
            }
        }
        let slot = match self.slots.clone().try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                self.sweep_all_but_newest();
                let acquired = self.slots.clone().acquire_owned().await;
                acquired.map_err(|_| CallError::Trap("the runtime is shut down".to_owned()))?
            }
        };
        let Kind::Plugin { pre, .. } = &component.kind else {
            return Err(CallError::Trap("not a plugin".to_owned()));
        };
        let label = format!("{} at {}", component.name, mount.info.path);
        let mut store = component.store(&label, mount.memory, Arc::default());
        let exports = pre.instantiate_async(&mut store).await.map_err(|error| {
            if store.data().memory.exceeded { CallError::Memory(mount.memory) } else { CallError::trap(&error) }
        })?;
        let idle_since = Instant::now();
        let mount = Arc::downgrade(mount);
        Ok(Instance { store, exports, mount, calls: 0, idle_since, _component: component.clone(), _slot: slot })
    }

    /// Keeps an instance for the caller's next call.
    pub fn give_back(&self, component: &Arc<Component>, mount: &Arc<MountContext>, caller: Caller, mut instance: Instance) {
        instance.calls += 1;
        if caller == Caller::Anonymous || instance.calls >= limits::CALLS_PER_INSTANCE {
            return;
        }
        instance.idle_since = Instant::now();
        let evicted = {
            let mut idle = self.idle();
            let key = key(component, mount, &caller);
            if let Some(instances) = idle.get_mut(&key) {
                if instances.len() < limits::IDLE_PER_KEY {
                    instances.push(instance);
                    return;
                }
                Some((key, vec![instance]))
            } else {
                idle.push(key, vec![instance])
            }
        };
        // Dropping one unmaps memory: not under the lock.
        drop(evicted);
    }

    pub fn drop_mount(&self, mount: &str) {
        self.retain(|key, _| &*key.mount != mount);
    }

    pub fn clear(&self) {
        self.retain(|_, _| false);
    }

    pub fn sweep(&self) {
        self.retain(|_, instance| instance.idle_since.elapsed() < limits::IDLE_TIME);
    }

    fn sweep_all_but_newest(&self) {
        self.retain(|_, instance| instance.idle_since.elapsed() < limits::TICK);
    }

    fn retain(&self, keep: impl Fn(&Key, &Instance) -> bool) {
        let mut dropped = Vec::new();
        let mut idle = self.idle();
        let mut empty = Vec::new();
        for (key, instances) in idle.iter_mut() {
            let (kept, gone) = std::mem::take(instances).into_iter().partition(|instance| keep(key, instance));
            *instances = kept;
            dropped.push(gone as Vec<Instance>);
            if instances.is_empty() {
                empty.push(key.clone());
            }
        }
        for key in empty {
            idle.pop(&key);
        }
        drop(idle);
        drop(dropped);
    }
}

fn key(component: &Arc<Component>, mount: &Arc<MountContext>, caller: &Caller) -> Key {
    Key { component: Arc::as_ptr(component) as usize, mount: mount.id.clone(), caller: caller.clone() }
}
