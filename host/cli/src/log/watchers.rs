//! Those who watch the log through the API: each at a level and in a form of its own.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait for a watcher; what comes then is left out.
const LINES: usize = 512;

/// All of them.
pub struct Watchers {
    all: Mutex<Vec<Watcher>>,
    stopped: watch::Sender<bool>,
}

struct Watcher {
    level: LevelFilter,
    json: bool,
    lines: mpsc::Sender<Bytes>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            stopped: watch::Sender::new(false),
        }
    }
}

impl Watchers {
    fn all(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one. `changed` is called now, and when it has left.
    pub fn add(
        self: &Arc<Self>,
        level: LevelFilter,
        json: bool,
        changed: impl Fn() + Send + 'static,
    ) -> mpsc::Receiver<Bytes> {
        let (lines, watched) = mpsc::channel(LINES);
        self.all().push(Watcher {
            level,
            json,
            lines: lines.clone(),
        });
        changed();
        let (all, mut stopped) = (self.clone(), self.stopped.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = lines.closed() => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
            all.all()
                .retain(|watcher| !watcher.lines.same_channel(&lines));
            changed();
        });
        watched
    }

    /// What must be written in this form for them.
    pub fn wanted(&self, json: bool) -> LevelFilter {
        let all = self.all();
        let levels = all.iter().filter(|watcher| watcher.json == json);
        levels
            .map(|watcher| watcher.level)
            .max()
            .unwrap_or(LevelFilter::OFF)
    }

    /// Sends all of them away.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

/// What writes for those who want one form.
pub struct Form {
    pub watchers: Arc<Watchers>,
    pub json: bool,
}

/// A line for them.
pub struct Line<'f> {
    form: &'f Form,
    level: Level,
}

impl<'f> MakeWriter<'f> for Form {
    type Writer = Line<'f>;

    fn make_writer(&'f self) -> Line<'f> {
        Line {
            form: self,
            level: Level::ERROR,
        }
    }

    fn make_writer_for(&'f self, about: &Metadata<'_>) -> Line<'f> {
        Line {
            form: self,
            level: *about.level(),
        }
    }
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let bytes = Bytes::copy_from_slice(line);
        for watcher in self.form.watchers.all().iter() {
            if watcher.json == self.form.json && watcher.level >= self.level {
                // A watcher that is too slow misses it.
                let _ = watcher.lines.try_send(bytes.clone());
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
