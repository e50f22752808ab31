//! coffer-tests
