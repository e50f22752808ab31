//! Leases: durable before the thing that they stand for exists, indexed by the time they end, and revoked then.
//!
//! - [`entry`]: what is stored and which keys find it.
//! - [`job`]: revocation that touches many leases or tokens, in pages.
//! - [`reaper`]: does in time order whatever is due, and never forgets what fails.
//! - [`revoke`] and [`renew`]: one lease.
//!
//! Nothing here grows with the number of leases: the reaper reads what is due, in pages, from the index.

mod entry;
mod job;
mod reaper;
mod renew;
mod revoke;

pub use entry::{Lease, Leased, TOKEN_LEASE, load};
pub use job::Job;
pub use reaper::Reaper;
pub use renew::{renew, renew_token};
pub use revoke::{Claim, Dead, InFlight, force, forget, revoke_now};
