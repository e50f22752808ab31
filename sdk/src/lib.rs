//! coffer-sdk
