use crate::{Renewal, clock, mount};

/// The seconds that a renewal by `increment` of something issued at `issued` (milliseconds) will be granted: the rules
/// that the host applies to what `renew` returns, and Vault's `CalculateTTL`.
pub fn lease_ttl(increment: u64, role: &Renewal, issued: u64) -> u64 {
    let info = mount::info();
    let age = clock::now().saturating_sub(issued) / 1000;
    if role.period > 0 {
        return role.period.min(info.max_lease_ttl);
    }
    let wanted = [increment, role.ttl, info.default_lease_ttl]
        .into_iter()
        .find(|ttl| *ttl > 0)
        .unwrap_or(0);
    let max = if role.max_ttl > 0 {
        role.max_ttl.min(info.max_lease_ttl)
    } else {
        info.max_lease_ttl
    };
    wanted.min(max.saturating_sub(age))
}
