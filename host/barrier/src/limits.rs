/// The longest storage key, in bytes.
pub const MAX_KEY: usize = 4096;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 2 << 20;
/// The most key shares (GF(256) has no more points).
pub(crate) const MAX_SHARES: usize = 255;
/// Parts that a cache is cut into, so that threads rarely meet.
pub(crate) const CACHE_SHARDS: usize = 64;
