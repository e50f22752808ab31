//! Every bound that this crate sets, in one place.

/// How deep a file may be nested.
pub(crate) const NESTING: usize = 16;
