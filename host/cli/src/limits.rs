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

/// How long `login -method=oidc` waits for a browser to come back.
pub const OIDC_LOGIN: Duration = Duration::from_secs(120);
/// How long it asks for a login that is done elsewhere: as long as the server knows of it.
pub const OIDC_POLLING: Duration = Duration::from_secs(600);
/// How many connections of browsers it has at once.
pub const OIDC_BROWSERS: usize = 32;
/// How long one of them may say nothing.
pub const OIDC_BROWSER: Duration = Duration::from_secs(10);
/// The longest that one of them says, in bytes.
pub const OIDC_REQUEST: u64 = 1 << 20;

/// How often `plugin run` looks for files that were saved.
pub const WATCH: Duration = Duration::from_millis(500);
/// The longest that its server may take to answer.
pub const DEV_SERVER_START: Duration = Duration::from_secs(60);
