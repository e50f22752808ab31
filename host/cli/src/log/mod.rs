//! The server's log, whose level can be changed while it runs, for all of it or for a part.

mod watchers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use coffer_config::{LogFormat, LogLevel};
use coffer_core::Loggers;
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use self::watchers::{Form, Watchers};

/// The parts that log: a crate each.
const PARTS: &[&str] = &["api", "audit", "barrier", "core", "runtime", "storage"];

/// The log of this process.
pub struct Log {
    filter: Box<dyn Fn(EnvFilter) + Send + Sync>,
    watched: Watched,
    levels: Mutex<Levels>,
}

/// Of what we log ourselves, as much as this level has. What libraries say is not for whoever may watch: it may show
/// requests.
fn ours(level: LevelFilter) -> Targets {
    Targets::new().with_target("coffer", level)
}

/// Sets how much is written.
type SetLevel = Box<dyn Fn(LevelFilter) + Send + Sync>;

/// Who watches, and what has it written for them.
#[derive(Clone)]
struct Watched {
    watchers: Arc<Watchers>,
    /// Sets what is written as lines for people, and as JSON.
    filters: Arc<[SetLevel; 2]>,
}

impl Watched {
    fn refresh(&self) {
        for (json, filter) in [false, true].into_iter().zip(self.filters.iter()) {
            filter(self.watchers.wanted(json));
        }
    }
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

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        let watchers = Arc::new(Watchers::default());
        let watched = |json| Form {
            watchers: watchers.clone(),
            json,
        };
        let (filter, set) = reload::Layer::new(levels.filter());
        let main = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        let main = match format {
            LogFormat::Json => main.json().with_filter(filter).boxed(),
            LogFormat::Standard => main.with_filter(filter).boxed(),
        };
        let (filter, set_lines) = reload::Layer::new(ours(LevelFilter::OFF));
        let lines = fmt::layer().with_ansi(false).with_writer(watched(false));
        let lines = lines.with_filter(filter).boxed();
        let (filter, set_json) = reload::Layer::new(ours(LevelFilter::OFF));
        let json = fmt::layer()
            .with_ansi(false)
            .with_writer(watched(true))
            .json();
        let json = json.with_filter(filter).boxed();
        tracing_subscriber::registry()
            .with(vec![main, lines, json])
            .init();
        // Setting fails only without a log, which is there as long as we are.
        let filters: [SetLevel; 2] = [
            Box::new(move |level| drop(set_lines.reload(ours(level)))),
            Box::new(move |level| drop(set_json.reload(ours(level)))),
        ];
        Self {
            filter: Box::new(move |filter| drop(set.reload(filter))),
            watched: Watched {
                watchers,
                filters: Arc::new(filters),
            },
            levels: Mutex::new(levels),
        }
    }

    /// Sends those away who watch it.
    pub fn stop(&self) {
        self.watched.watchers.stop();
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

    fn watch(&self, level: &str, json: bool) -> Result<mpsc::Receiver<Bytes>, String> {
        let level = LogLevel::parse(level).map_err(|_| "unknown log level".to_owned())?;
        let watched = self.watched.clone();
        let changed = move || watched.refresh();
        Ok(self.watched.watchers.add(level.filter(), json, changed))
    }
}
