//! Acting on the outside world.

use crate::Result;

pub use crate::bindings::plugin::coffer::plugin::effects::{LeaseGrant, LeaseRequest};

fn call(lease: Option<&LeaseRequest>) -> Result<Option<LeaseGrant>> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::effects::prepare(lease);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.prepare(lease))
}

/// Commits what was put so far. Call it before touching anything outside, with all that is needed to undo it.
pub fn prepare() -> Result<()> {
    call(None).map(drop)
}

/// Forgets the lease of this request, without `revoke`: nothing was made for it.
pub fn withdraw() -> Result<()> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::effects::withdraw();
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.withdraw())
}

/// The same as [`prepare`], with a lease: from then on `revoke` will be called, whatever happens.
pub fn lease(request: &LeaseRequest) -> Result<LeaseGrant> {
    call(Some(request))?.ok_or_else(|| crate::Error::internal("the host granted no lease"))
}
