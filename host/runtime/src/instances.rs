//! Live instances of secret engines and auth methods.
//!
//! An instance may be used again, but only for the same version of the component, the same mount and the same caller: so
//! no caller can read what another's request left in its memory. It serves one call at a time, and is dropped after a
//! number of calls, after a while without one, and after any call that did not end well.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use wasmtime::Store;

use crate::bindings::plugin::Plugin as Exports;
use crate::component::{Component, Kind};
use crate::figures::Live;
use crate::plugin::{Caller, MountContext};
use crate::shares::{Shares, Turn};
use crate::state::State;
use crate::{CallError, LoadError, limits};

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    // Its address: idle instances keep their component alive, so no other gets it.
    component: usize,
    mount: Arc<str>,
    caller: Caller,
}

/// A live instance. It ends with the call that uses it, unless it is given back.
pub(crate) struct Instance {
    pub store: Store<State>,
    pub exports: Exports,
    component: Arc<Component>,
    calls: u32,
    // How often instances had been dropped when the call began that it serves.
    era: u64,
    // None while it is idle.
    turn: Option<Turn>,
    live: Live,
    // After the store: only then is there room for another.
    _slot: OwnedSemaphorePermit,
}

pub(crate) struct Instances {
    idle: Mutex<Idle>,
    slots: Arc<Semaphore>,
    shares: Shares,
}

impl Instances {
    pub fn new() -> Self {
        Self {
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(limits::INSTANCES as usize)),
            shares: Shares::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while too many calls of this mount run.
    pub async fn turn(&self, mount: &MountContext) -> Result<Turn, CallError> {
        self.shares.turn(mount).await.ok_or_else(ended)
    }

    /// An instance for this call: one that has served the same caller, or a fresh one. Waits while there are too many.
    pub async fn take(
        &self,
        turn: Turn,
        component: &Arc<Component>,
        mount: &MountContext,
        caller: &Caller,
    ) -> Result<Instance, CallError> {
        let (era, kept) = {
            let mut idle = self.idle();
            let kept = match caller {
                Caller::Anonymous => None,
                _ => idle.take(&key(component, mount, caller)),
            };
            (idle.era, kept)
        };
        let mut instance = match kept {
            Some(instance) if instance.store.data().memory.limit == memory(mount) => instance,
            // Made before the mount was tuned, or none at all.
            _ => self.fresh(component, mount).await?,
        };
        instance.turn = Some(turn);
        instance.era = era;
        Ok(instance)
    }

    async fn fresh(
        &self,
        component: &Arc<Component>,
        mount: &MountContext,
    ) -> Result<Instance, CallError> {
        let Kind::Plugin { pre, .. } = &component.kind else {
            let name = component.name.to_string();
            return Err(LoadError::WrongKind {
                name,
                expected: "secret or auth",
            }
            .into());
        };
        let slot = match self.slots.clone().try_acquire_owned() {
            Ok(slot) => Ok(slot),
            Err(_) => {
                // Somebody's idle instance makes room.
                let oldest = self.idle().pop_oldest();
                drop(oldest);
                self.slots.clone().acquire_owned().await
            }
        };
        let slot = slot.map_err(|_| ended())?;
        let mut store = component.store();
        store.data_mut().memory.limit = memory(mount);
        let mut live = Live::new(&mount.figures);
        match pre.instantiate_async(&mut store).await {
            Ok(exports) => {
                live.takes(store.data().memory.used);
                Ok(Instance {
                    store,
                    exports,
                    component: component.clone(),
                    calls: 0,
                    era: 0,
                    turn: None,
                    live,
                    _slot: slot,
                })
            }
            Err(error) => Err(store.data_mut().failed(&error)),
        }
    }

    /// Keeps an instance for the caller's next call.
    pub fn give_back(&self, mount: &MountContext, caller: Caller, mut instance: Instance) {
        instance.calls += 1;
        instance.live.takes(instance.store.data().memory.used);
        let keep = caller != Caller::Anonymous
            && instance.calls < limits::CALLS_PER_INSTANCE
            && instance.store.data().memory.used <= limits::IDLE_MEMORY
            // Else somebody may be waiting for its slot.
            && self.slots.available_permits() > 0;
        if keep {
            instance.turn = None;
            let key = key(&instance.component, mount, &caller);
            // Dropping an instance cleans its memory: not under the lock.
            let superfluous = self.idle().put(key, instance);
            drop(superfluous);
        }
    }

    /// Drops the idle instances of one mount. Those that serve a call end with it.
    pub fn drop_mount(&self, mount: &str) {
        self.end(|key| &*key.mount == mount);
    }

    /// Drops all idle instances. Those that serve a call end with it.
    pub fn clear(&self) {
        self.end(|_| true);
    }

    fn end(&self, gone: impl Fn(&Key) -> bool) {
        let dropped = {
            let mut idle = self.idle();
            idle.era += 1;
            idle.remove(|key, _| gone(key))
        };
        drop(dropped);
    }

    /// Drops those that nobody has used for a while.
    pub fn sweep(&self) {
        let dropped = self
            .idle()
            .remove(|_, since| since.elapsed() >= limits::IDLE_TIME);
        drop(dropped);
        self.shares.sweep();
    }
}

/// What an instance may have.
fn memory(mount: &MountContext) -> usize {
    mount.memory.min(limits::MAX_MEMORY)
}

fn ended() -> CallError {
    CallError::Trap("the runtime has ended".to_owned())
}

fn key(component: &Arc<Component>, mount: &MountContext, caller: &Caller) -> Key {
    Key {
        component: Arc::as_ptr(component) as usize,
        mount: mount.id.clone(),
        caller: caller.clone(),
    }
}

/// Idle instances, by whose they are and by age.
#[derive(Default)]
struct Idle {
    // Oldest first.
    by_key: HashMap<Key, Vec<Kept>>,
    by_age: BTreeMap<u64, Key>,
    next_age: u64,
    /// What was taken in an earlier era is not taken back: it holds what was to be forgotten.
    era: u64,
}

struct Kept {
    age: u64,
    since: Instant,
    instance: Instance,
}

impl Idle {
    /// The most recently used one.
    fn take(&mut self, key: &Key) -> Option<Instance> {
        let all = self.by_key.get_mut(key)?;
        let kept = all.pop()?;
        if all.is_empty() {
            self.by_key.remove(key);
        }
        self.by_age.remove(&kept.age);
        Some(kept.instance)
    }

    /// Adds one; returns the one that has to go for it.
    fn put(&mut self, key: Key, instance: Instance) -> Option<Instance> {
        let crowded = self
            .by_key
            .get(&key)
            .is_some_and(|all| all.len() >= limits::IDLE_PER_CALLER);
        if crowded || instance.era != self.era {
            return Some(instance);
        }
        let age = self.next_age;
        self.next_age += 1;
        self.by_age.insert(age, key.clone());
        self.by_key.entry(key).or_default().push(Kept {
            age,
            since: Instant::now(),
            instance,
        });
        if self.by_age.len() > limits::IDLE {
            self.pop_oldest()
        } else {
            None
        }
    }

    fn pop_oldest(&mut self) -> Option<Instance> {
        let (_, key) = self.by_age.pop_first()?;
        let all = self.by_key.get_mut(&key)?;
        let oldest = (!all.is_empty()).then(|| all.remove(0).instance);
        if all.is_empty() {
            self.by_key.remove(&key);
        }
        oldest
    }

    fn remove(&mut self, gone: impl Fn(&Key, &Instant) -> bool) -> Vec<Kept> {
        let mut dropped = Vec::new();
        for (key, all) in &mut self.by_key {
            dropped.extend(all.extract_if(.., |kept| gone(key, &kept.since)));
        }
        self.by_key.retain(|_, all| !all.is_empty());
        for kept in &dropped {
            self.by_age.remove(&kept.age);
        }
        dropped
    }
}
