//! coffer-clock
