//! What a device's thread writes to.

mod file;
mod socket;
mod syslog;

use std::io;

use crate::options::SinkOptions;

/// A place for lines. All of it may block: only a device's own thread calls it.
pub trait Sink: Send {
    /// The last record that is there, if it is known: the chain goes on from it.
    ///
    /// # Errors
    /// If the place cannot be reached.
    fn last_line(&mut self) -> io::Result<Option<String>>;

    /// Writes whole lines, all or none of them.
    ///
    /// # Errors
    /// If they are not written.
    fn write(&mut self, lines: &[String]) -> io::Result<()>;

    /// Lets go of what is open, so that the next write opens it anew.
    fn reopen(&mut self);
}

/// The sink of these options; nothing is opened yet.
pub fn sink(options: &SinkOptions) -> Box<dyn Sink> {
    match options.clone() {
        SinkOptions::File {
            target,
            mode,
            rotate_bytes,
            rotate_files,
        } => Box::new(file::File::new(target, mode, rotate_bytes, rotate_files)),
        SinkOptions::Socket {
            address,
            network,
            timeout,
        } => Box::new(socket::Socket::new(address, network, timeout)),
        SinkOptions::Syslog {
            socket,
            facility,
            tag,
        } => Box::new(syslog::Syslog::new(socket, facility, tag)),
    }
}
