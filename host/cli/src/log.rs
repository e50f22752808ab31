//! The server's log, whose level can be changed while it runs, for all of it or for a part.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coffer_core::Loggers;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel};

/// The parts that log: a crate each.
const PARTS: &[&str] = &["api", "audit", "barrier", "core", "runtime", "storage"];

/// The log of this process.
pub struct Log {
    filter: Box<dyn Fn(EnvFilter) + Send + Sync>,
    levels: Mutex<Levels>,
}

#[derive(Debug, Default)]
struct Levels {
    /// As it is configured.
    usual: LogLevel,
    /// What parts have instead.
    own: BTreeMap<&'static str, LogLevel>,
}

impl Levels {
    fn of(&self, part: &str) -> LogLevel {
        self.own.get(part).copied().unwrap_or(self.usual)
    }

    fn filter(&self) -> EnvFilter {
        let own = self.own.iter();
        let own = own.map(|(part, level)| format!(",coffer_{part}={}", level.directive()));
        EnvFilter::new(self.usual.directive().to_owned() + &own.collect::<String>())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Starts it, on stderr.
    pub fn start(level: LogLevel, format: LogFormat) -> Self {
        let levels = Levels {
            usual: level,
            ..Levels::default()
        };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(levels.filter())
            .with_writer(std::io::stderr)
            .with_ansi(false);
        // The filter's handle knows the format by its type. It fails only without a log, which is there as long as we are.
        let filter: Box<dyn Fn(EnvFilter) + Send + Sync> = if format == LogFormat::Json {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| drop(handle.reload(filter)))
        } else {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| drop(handle.reload(filter)))
        };
        Self {
            filter,
            levels: Mutex::new(levels),
        }
    }

    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs as much as this from now on, but for the parts that were told otherwise.
    pub fn set_level(&self, level: LogLevel) {
        let mut levels = self.levels();
        levels.usual = level;
        (self.filter)(levels.filter());
    }
}

impl Loggers for Log {
    fn levels(&self) -> Vec<(&'static str, &'static str)> {
        let levels = self.levels();
        PARTS
            .iter()
            .map(|part| (*part, levels.of(part).directive()))
            .collect()
    }

    fn set(&self, part: Option<&str>, level: Option<&str>) -> Result<(), String> {
        let unknown = |level: &str| format!("invalid level provided: unknown log level: {level}");
        let level = level
            .map(|level| LogLevel::parse(level).map_err(|_| unknown(level)))
            .transpose()?;
        let parts: Vec<_> = PARTS
            .iter()
            .filter(|have| part.is_none_or(|part| part == **have))
            .collect();
        if parts.is_empty() {
            return Err(format!("logger {:?} not found", part.unwrap_or_default()));
        }
        let mut levels = self.levels();
        for part in parts {
            match level {
                Some(level) => levels.own.insert(part, level),
                None => levels.own.remove(part),
            };
        }
        (self.filter)(levels.filter());
        Ok(())
    }
}
