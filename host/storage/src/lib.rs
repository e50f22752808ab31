//! coffer-storage
