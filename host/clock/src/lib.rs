//! The host's two sources of nondeterminism: time and randomness.
//!
//! Everything in the host that asks what time it is, waits, or rolls dice does it through a [`Clock`] or a [`Random`]
//! that it was given. In a server both come from the system; in a simulation a [`ClockDriver`] moves the time and a
//! seed fixes the dice, so a year of leases passes in seconds and a failing run can be run again.

mod clock;
mod random;

pub use clock::{Clock, ClockDriver, UnixMillis};
pub use random::Random;
