use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl Add<Duration> for UnixMillis {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

impl UnixMillis {
    /// The point in time so many seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// The longest uninterrupted sleep: after it the wall clock is read again, so a clock that was set is noticed.
const MAX_NAP: Duration = Duration::from_secs(10);

/// What time it is, and waiting for a time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Driven(Arc<Mutex<Driven>>),
}

struct Driven {
    now: UnixMillis,
    next_id: u64,
    sleepers: BTreeMap<(UnixMillis, u64), oneshot::Sender<()>>,
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

fn lock(driven: &Mutex<Driven>) -> MutexGuard<'_, Driven> {
    driven.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// One that stands still until its driver moves it.
    pub fn driven(start: UnixMillis) -> (Self, ClockDriver) {
        let driven = Arc::new(Mutex::new(Driven {
            now: start,
            next_id: 0,
            sleepers: BTreeMap::new(),
        }));
        (Self(Source::Driven(driven.clone())), ClockDriver(driven))
    }

    /// The time.
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> UnixMillis {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Driven(driven) => lock(driven).now,
        }
    }

    /// Waits until it is `at`; returns at once if it is later.
    pub async fn sleep_until(&self, at: UnixMillis) {
        match &self.0 {
            Source::System => loop {
                let now = self.now();
                if now >= at {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(at.0 - now.0).min(MAX_NAP)).await;
            },
            Source::Driven(driven) => {
                let woken = {
                    let mut driven = lock(driven);
                    if driven.now >= at {
                        return;
                    }
                    driven.sleepers.retain(|_, sender| !sender.is_closed());
                    let (sender, receiver) = oneshot::channel();
                    let id = driven.next_id;
                    driven.next_id += 1;
                    driven.sleepers.insert((at, id), sender);
                    receiver
                };
                // An error means that the driver is gone and the time stands still for ever.
                if woken.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Waits that long.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}

/// Moves a driven [`Clock`].
pub struct ClockDriver(Arc<Mutex<Driven>>);

impl ClockDriver {
    /// Sets the time, forward only, and wakes those who waited for it, earliest first.
    pub fn advance_to(&self, at: UnixMillis) {
        let mut driven = lock(&self.0);
        driven.now = driven.now.max(at);
        let after = UnixMillis(driven.now.0.saturating_add(1));
        let later = driven.sleepers.split_off(&(after, 0));
        for (_, sender) in std::mem::replace(&mut driven.sleepers, later) {
            let _ = sender.send(());
        }
    }

    /// Sets the time, back too, as somebody may set a machine's clock. Who waited for what comes before it wakes.
    pub fn set(&self, at: UnixMillis) {
        lock(&self.0).now = at;
        self.advance_to(at);
    }

    /// Moves the time on by that much.
    pub fn advance(&self, duration: Duration) {
        let to = lock(&self.0).now + duration;
        self.advance_to(to);
    }

    /// When the next sleeper wants to wake.
    pub fn next_wake(&self) -> Option<UnixMillis> {
        let mut driven = lock(&self.0);
        driven.sleepers.retain(|_, sender| !sender.is_closed());
        driven.sleepers.keys().next().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driven_clock_wakes_sleepers_when_their_time_comes() {
        let (clock, driver) = Clock::driven(UnixMillis(1000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(5)).await }
        });
        while driver.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(driver.next_wake(), Some(UnixMillis(6000)));
        driver.advance(Duration::from_secs(4));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        driver.advance_to(UnixMillis(6000));
        assert!(sleeper.await.is_ok());
        assert_eq!(clock.now(), UnixMillis(6000));
        driver.advance_to(UnixMillis(10));
        assert_eq!(clock.now(), UnixMillis(6000), "time does not go back");
    }

    #[tokio::test]
    async fn a_system_clock_returns_at_once_for_the_past() {
        Clock::system().sleep_until(UnixMillis(1)).await;
    }
}
