//! The machine's syslog, over its datagram socket.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::Sink;

/// Informational, as RFC 5424 numbers it.
const SEVERITY: u8 = 6;
const TIMEOUT: Duration = Duration::from_secs(2);

pub struct Syslog {
    socket: PathBuf,
    facility: u8,
    tag: String,
    open: Option<UnixDatagram>,
}

impl Syslog {
    pub fn new(socket: PathBuf, facility: u8, tag: String) -> Self {
        Self {
            socket,
            facility,
            tag,
            open: None,
        }
    }

    fn try_write(&mut self, lines: &[String]) -> io::Result<()> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let open = UnixDatagram::unbound()?;
                open.connect(&self.socket)?;
                open.set_write_timeout(Some(TIMEOUT))?;
                open
            }
        };
        let (priority, process) = (self.facility * 8 + SEVERITY, std::process::id());
        for line in lines {
            let line = line.trim_end_matches('\n');
            let message = format!("<{priority}>{}[{process}]: {line}", self.tag);
            open.send(message.as_bytes())?;
        }
        self.open = Some(open);
        Ok(())
    }
}

impl Sink for Syslog {
    fn last_line(&mut self) -> io::Result<Option<String>> {
        Ok(None)
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let was_open = self.open.is_some();
        match self.try_write(lines) {
            // The daemon may have been started anew since the last time.
            Err(_) if was_open => self.try_write(lines),
            done => done,
        }
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}
