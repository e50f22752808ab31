//! coffer-runtime
