//! What is counted of the calls into one plugin: numbers in memory, one addition each, and no lock. Whoever wants to see
//! them [reads](Figures::read) them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{CallError, PluginError};

/// What a plugin is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A request.
    Handle,
    /// Whether something is there, for the policies.
    Exists,
    /// A lease's or a token's renewal.
    Renew,
    /// A lease's end.
    Revoke,
    /// Periodic work.
    Tick,
    /// Something that an engine asks of a database backend.
    Database,
}

/// All of them, by the names that metrics give them, in the order of [`Reading::calls`].
pub const CALL_KINDS: [&str; 6] = ["handle", "exists", "renew", "revoke", "tick", "database"];

/// Up to how many seconds a call takes that counts in the bucket at the same place; the last bucket has the longer ones.
pub const BOUNDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 30.0,
];

/// Of one plugin at one mount, or of one database.
#[derive(Debug, Default)]
pub struct Figures {
    calls: [AtomicU64; CALL_KINDS.len()],
    errors: AtomicU64,
    traps: AtomicU64,
    took: [AtomicU64; BOUNDS.len() + 1],
    took_nanos: AtomicU64,
    busy_nanos: AtomicU64,
    instances: AtomicI64,
    memory: AtomicI64,
}

/// What they are at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Calls, by [`CALL_KINDS`].
    pub calls: [u64; CALL_KINDS.len()],
    /// Calls that were answered with an error.
    pub errors: u64,
    /// Calls that the host ended: traps, deadlines, memory, answers that were refused.
    pub traps: u64,
    /// Calls by how long they took, each in one bucket of [`BOUNDS`].
    pub took: [u64; BOUNDS.len() + 1],
    /// How long all of them took, in seconds.
    pub took_seconds: f64,
    /// How long guests ran of that, in seconds.
    pub busy_seconds: f64,
    /// Live instances.
    pub instances: i64,
    /// Their memory, in bytes, as of the last call of each.
    pub memory: i64,
}

/// Rounded down after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(nanos: &AtomicU64) -> f64 {
    Duration::from_nanos(nanos.load(Relaxed)).as_secs_f64()
}

impl Figures {
    /// What they are at now. Those that change meanwhile may be of different moments.
    pub fn read(&self) -> Reading {
        Reading {
            calls: self.calls.each_ref().map(|n| n.load(Relaxed)),
            errors: self.errors.load(Relaxed),
            traps: self.traps.load(Relaxed),
            took: self.took.each_ref().map(|n| n.load(Relaxed)),
            took_seconds: seconds(&self.took_nanos),
            busy_seconds: seconds(&self.busy_nanos),
            instances: self.instances.load(Relaxed),
            memory: self.memory.load(Relaxed),
        }
    }

    /// Counts a call that has ended.
    pub(crate) fn called<T>(
        &self,
        kind: CallKind,
        begun: Instant,
        result: &Result<Result<T, PluginError>, CallError>,
    ) {
        let took = begun.elapsed();
        if let Some(calls) = self.calls.get(kind as usize) {
            calls.fetch_add(1, Relaxed);
        }
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.took.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.took_nanos.fetch_add(nanos(took), Relaxed);
        match result {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => {
                self.errors.fetch_add(1, Relaxed);
            }
            Err(error) if error.is_guests() => self.trapped(),
            Err(_) => {}
        }
    }

    /// Counts one that the host has ended, or whose answer it has refused.
    pub(crate) fn trapped(&self) {
        self.traps.fetch_add(1, Relaxed);
    }

    /// Counts the time that a guest runs, not that in which it waits.
    pub(crate) async fn busy<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        std::future::poll_fn(|context| {
            let begun = Instant::now();
            let polled = call.as_mut().poll(context);
            self.busy_nanos.fetch_add(nanos(begun.elapsed()), Relaxed);
            polled
        })
        .await
    }
}

/// A live instance, as long as it is one.
pub(crate) struct Live {
    figures: Arc<Figures>,
    memory: i64,
}

impl Live {
    pub fn new(figures: &Arc<Figures>) -> Self {
        figures.instances.fetch_add(1, Relaxed);
        Self {
            figures: figures.clone(),
            memory: 0,
        }
    }

    /// Notes what it takes now.
    pub fn takes(&mut self, memory: usize) {
        let memory = i64::try_from(memory).unwrap_or(i64::MAX);
        if memory != self.memory {
            let more = memory.saturating_sub(self.memory);
            self.figures.memory.fetch_add(more, Relaxed);
            self.memory = memory;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.takes(0);
        self.figures.instances.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_instances_are_counted() {
        let figures = Arc::new(Figures::default());
        let begun = Instant::now();
        let refused = crate::error::plugin_error(crate::ErrorKind::Internal, "no");
        figures.called(CallKind::Handle, begun, &Ok(Ok(())));
        figures.called::<()>(CallKind::Tick, begun, &Ok(Err(refused)));
        figures.called::<()>(CallKind::Tick, begun, &Err(CallError::Stack));
        figures.called::<()>(CallKind::Tick, begun, &Err(CallError::Conflict("k".into())));
        let reading = figures.read();
        assert_eq!(reading.calls, [1, 0, 0, 0, 3, 0]);
        assert_eq!((reading.errors, reading.traps), (1, 1));
        assert_eq!(reading.took.iter().sum::<u64>(), 4);
        let mut live = Live::new(&figures);
        live.takes(100);
        live.takes(70);
        let reading = figures.read();
        assert_eq!((reading.instances, reading.memory), (1, 70));
        drop(live);
        let reading = figures.read();
        assert_eq!((reading.instances, reading.memory), (0, 0));
    }
}
