//! The world outside of the component: what it asks goes to the test, and the call waits for the answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use coffer_clock::{ClockDriver, UnixMillis};
use coffer_runtime::{Ask, ErrorKind, Outside, PluginError, StorageAccess};
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::wire::{Said, Word};

/// An answer, and what time it is then.
pub type Answered = (u64, Result<Value, PluginError>);

/// What a call has done that the test wants to know.
#[derive(Default)]
pub struct Noted {
    pub gets: usize,
    pub faults: Vec<(StorageAccess, usize)>,
    pub log: Vec<String>,
}

/// One session's way to its test.
pub struct Test {
    session: u64,
    driver: ClockDriver,
    answers: AsyncMutex<mpsc::UnboundedReceiver<Answered>>,
    noted: Mutex<Noted>,
}

impl Test {
    pub fn new(
        session: u64,
        driver: ClockDriver,
        answers: mpsc::UnboundedReceiver<Answered>,
    ) -> Self {
        Self {
            session,
            driver,
            answers: AsyncMutex::new(answers),
            noted: Mutex::default(),
        }
    }

    pub fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_time(&self, now: u64) {
        self.driver.set(UnixMillis(now));
    }

    pub fn say(&self, said: Said) {
        super::say(&Word {
            session: self.session,
            said,
        });
    }

    /// Asks the test.
    pub async fn ask(&self, what: Value) -> Result<Value, PluginError> {
        let mut answers = self.answers.lock().await;
        self.say(Said::Ask(what));
        match answers.recv().await {
            Some((now, answer)) => {
                self.set_time(now);
                answer
            }
            None => Err(internal("the test is gone".to_owned())),
        }
    }
}

fn internal(message: String) -> PluginError {
    PluginError {
        kind: ErrorKind::Internal,
        message,
    }
}

#[async_trait]
impl Outside for Test {
    fn storage(&self, access: StorageAccess) -> Result<(), PluginError> {
        let mut noted = self.noted();
        noted.gets += usize::from(access == StorageAccess::Get);
        let mut hit = false;
        noted.faults.retain_mut(|(of, left)| {
            if *of != access {
                return true;
            }
            *left = left.saturating_sub(1);
            hit |= *left == 0;
            *left > 0
        });
        if !hit {
            return Ok(());
        }
        Err(PluginError {
            kind: ErrorKind::Unavailable,
            message: format!("storage ({access:?}): the test lets it fail"),
        })
    }

    fn log(&self, level: &str, message: String) {
        self.noted().log.push(format!("{level}: {message}"));
    }

    async fn ask(&self, ask: Ask) -> Result<Value, PluginError> {
        let ask = serde_json::to_value(&ask).map_err(|error| internal(error.to_string()))?;
        Test::ask(self, ask).await
    }
}
