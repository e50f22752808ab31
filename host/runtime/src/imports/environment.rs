//! `clock`, `random` and `log`: what every component has.

use crate::bindings::plugin::coffer::plugin::{clock, log, random, types, users};
use crate::limits;
use crate::state::{Spent, State};

impl types::Host for State {}
impl users::Host for State {}

impl clock::Host for State {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.environment.clock.now().0)
    }
}

impl random::Host for State {
    async fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if len > limits::RANDOM {
            wasmtime::bail!(
                "{len} random bytes asked for; {} are allowed at a time",
                limits::RANDOM
            );
        }
        let mut bytes = vec![0; len as usize];
        self.environment.random.fill(&mut bytes);
        Ok(bytes)
    }
}

impl log::Host for State {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        if let Some(outside) = &self.outside {
            outside.log(&format!("{level:?}"), message);
            return Ok(());
        }
        let full = |spent: &Spent| {
            spent.log_lines > limits::CALL_LOG_LINES || spent.log_bytes > limits::CALL_LOG
        };
        if full(&self.spent) {
            return Ok(());
        }
        let end = message.floor_char_boundary(limits::LOG);
        self.spent.log_lines += 1;
        self.spent.log_bytes += end;
        let (level, message) = if full(&self.spent) {
            let (lines, bytes) = (limits::CALL_LOG_LINES, limits::CALL_LOG);
            let dropped = format!(
                "what else this call logs is dropped: {lines} messages and {bytes} bytes are allowed"
            );
            (log::Level::Warn, dropped)
        } else {
            let message = message.get(..end).unwrap_or_default();
            (level, message.escape_debug().to_string())
        };
        let plugin = &*self.component;
        let mount = match &self.call {
            Some(call) => call.mount.info.path.as_str(),
            None => self.connection.as_deref().unwrap_or_default(),
        };
        match level {
            log::Level::Debug => tracing::debug!(plugin, mount, "{message}"),
            log::Level::Info => tracing::info!(plugin, mount, "{message}"),
            log::Level::Warn => tracing::warn!(plugin, mount, "{message}"),
            log::Level::Error => tracing::error!(plugin, mount, "{message}"),
        }
        Ok(())
    }
}
