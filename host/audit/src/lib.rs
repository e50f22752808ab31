//! Audit devices: where records go, and in which order.
//!
//! A [`Device`] has a thread that writes, a bounded queue before it, and a deadline: who hands it a record learns in time
//! whether it was written. Each record carries a running hash over all before it ([`chain`]), so that [`verify`] can tell
//! whether a line was changed, dropped or moved. What a record says, and whom it is for, is not known here.

pub mod chain;
mod device;
mod options;
mod sink;

pub use chain::{Broken, Verified, verify};
pub use device::{Device, DeviceError, record};
pub use options::{FileTarget, Options, OptionsError, SinkOptions, SocketNetwork};
