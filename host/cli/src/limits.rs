//! Every bound that this crate sets, in one place.

use std::time::Duration;

/// The longest that a request may take, retries not counted, unless `VAULT_CLIENT_TIMEOUT` says otherwise.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for registering a plugin, which the server compiles.
pub const REGISTER_TIMEOUT: Duration = Duration::from_secs(600);
/// How often a request is tried again, unless `VAULT_MAX_RETRIES` says otherwise.
pub const CLIENT_RETRIES: u32 = 2;
/// The wait before the first retry; it grows by as much with each.
pub const CLIENT_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait before a retry.
pub const CLIENT_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// The largest answer that a client reads, in bytes.
pub const CLIENT_RESPONSE: u64 = 64 << 20;

/// How often `plugin run` looks for files that were saved.
pub const WATCH: Duration = Duration::from_millis(500);
/// The longest that its server may take to answer.
pub const DEV_SERVER_START: Duration = Duration::from_secs(60);
