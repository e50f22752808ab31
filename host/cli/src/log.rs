//! The server's log, whose level can be changed while it runs.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel};

/// The log of this process.
pub struct Log {
    filter: Box<dyn Fn(EnvFilter) + Send>,
}

impl Log {
    /// Starts it, on stderr.
    pub fn start(level: LogLevel, format: LogFormat) -> Self {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(level.directive()))
            .with_writer(std::io::stderr)
            .with_ansi(false);
        // The filter's handle knows the format by its type. It fails only without a log, which is there as long as we are.
        if format == LogFormat::Json {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            let filter = Box::new(move |filter| drop(handle.reload(filter)));
            return Self { filter };
        }
        let builder = builder.with_filter_reloading();
        let handle = builder.reload_handle();
        builder.init();
        let filter = Box::new(move |filter| drop(handle.reload(filter)));
        Self { filter }
    }

    /// Logs as much as this from now on.
    pub fn set_level(&self, level: LogLevel) {
        (self.filter)(EnvFilter::new(level.directive()));
    }
}
