//! Every bound that this crate sets, in one place.

use std::time::Duration;

/// The most headers that a plugin can give a response.
pub const RESPONSE_HEADERS: usize = 32;
/// The longest value of one, in bytes.
pub const RESPONSE_HEADER: usize = 4096;
/// How long the body of a plugin's response can be that is no JSON, in bytes.
pub const CONTENT: usize = 1 << 20;
/// Audit devices.
pub const AUDIT_DEVICES: usize = 32;
/// The path of one, in bytes.
pub const AUDIT_PATH: usize = 256;
/// How often a request that lost a race is run again before the client is told.
pub const MAX_ATTEMPTS: u32 = 64;
/// From this attempt on, requests that conflict on the same key queue up instead of racing.
pub const ATTEMPTS_BEFORE_QUEUE: u32 = 2;
/// How many queues for conflicting requests there are; keys share them by hash.
pub const CONFLICT_QUEUES: usize = 256;

/// The lease times in force where neither the mount nor the server's configuration says otherwise: 32 days.
pub const DEFAULT_LEASE_TTL: u64 = 768 * 3600;

/// Tokens kept decoded in memory.
pub const CACHED_TOKENS: usize = 16_384;
/// Policies kept compiled in memory.
pub const CACHED_POLICIES: usize = 4_096;
/// Combinations of policies kept merged in memory.
pub const CACHED_ACLS: usize = 4_096;
/// Entities for which what policies say to them alone is kept besides: a few KiB each.
pub const CACHED_OWN_ACLS: usize = 16_384;

/// Entities, and what they are known by, kept in memory.
pub const CACHED_ENTITIES: usize = 16_384;
/// Groups kept in memory.
pub const CACHED_GROUPS: usize = 4_096;
/// The name of an entity, an alias or a group, in bytes.
pub const IDENTITY_NAME: usize = 1024;
/// What can be said about one: keys, the characters of a key and those of a value.
pub const IDENTITY_METADATA: usize = 64;
pub const IDENTITY_METADATA_KEY: usize = 128;
pub const IDENTITY_METADATA_VALUE: usize = 512;
/// Groups that a login can name.
pub const LOGIN_GROUPS: usize = 1024;

/// A mount path, in bytes.
pub const MAX_MOUNT_PATH: usize = 256;
/// Registered plugin versions.
pub const MAX_PLUGINS: usize = 10_000;
/// Database connections of one mount.
pub const MAX_CONNECTIONS: usize = 4096;
/// Configurations of one mount that name servers.
pub const MAX_DESTINATIONS: usize = 1000;
/// What requests wait for components that were not compiled yet; they go on without them then.
pub const LOAD_PATIENCE: Duration = Duration::from_secs(2);
/// Entries of a mount that are counted at a time.
pub const COUNT_PAGE: usize = 1000;
/// Headers that answers below `/ui` have.
pub const UI_HEADERS: usize = 64;
/// Mounts in one namespace.
pub const MAX_MOUNTS: usize = 10_000;
/// A policy's name, in bytes.
pub const MAX_POLICY_NAME: usize = 256;
/// Policies of one token.
pub const MAX_POLICIES: usize = 256;
/// A token's metadata, in bytes as JSON.
pub const MAX_METADATA: usize = 64 * 1024;
/// A token id that the caller chooses, in bytes.
pub const MAX_TOKEN_ID: usize = 4_096;
/// Keys in one answer of a list.
pub const MAX_LIST: usize = 100_000;

/// Lease groups that are reaped at the same time.
pub const REAPER_GROUPS: usize = 32;
/// Besides these, groups whose last revocations failed.
pub const REAPER_FAILING: usize = 16;
/// And groups of jobs.
pub const REAPER_JOBS: usize = 32;
/// Revocations at the same time in one group.
pub const REAPER_CONCURRENCY: usize = 8;
/// Due entries read at a time.
pub const REAPER_PAGE: usize = 256;
/// The longest that the reaper sleeps without looking.
pub const REAPER_NAP: Duration = Duration::from_secs(60);
/// How often idle instances and connections are looked for.
pub const SWEEP: Duration = Duration::from_secs(10);
/// First wait before a revocation is tried again.
pub const REVOKE_BACKOFF_MIN: Duration = Duration::from_secs(1);
/// How long `revoke-force` waits for a plugin before it forgets the lease.
pub const FORCE: Duration = Duration::from_secs(5);
/// Longest wait of a lease group whose backend is down, and of a lease that was tried in vain meanwhile.
pub const GROUP_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Longest wait of one lease that cannot be revoked although its backend answers.
pub const LEASE_BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// After so many failures a lease is reported as irrevocable; it is still tried.
pub const IRREVOCABLE_AFTER: u32 = 6;
/// Keys handled in one transaction by work that walks many.
pub const JOB_PAGE: usize = 256;
/// How long a failed request waits for what it has made to be undone.
pub const UNDO: Duration = Duration::from_secs(3);
/// How long a caller waits for a revocation that it asked to be synchronous.
pub const SYNC_REVOKE: Duration = Duration::from_secs(60);

/// What one key of the barrier may seal at most: 90 % of 2³² values.
pub const MAX_OPERATIONS: u64 = 3_865_470_566;
/// How often it is looked at how much that was.
pub const KEY_CHECK: Duration = Duration::from_secs(60);
/// As long as a rekey or a root generation is younger, who cancels it without a token has to name it.
pub const CANCEL_BY_NAME: Duration = Duration::from_secs(600);
/// Leases that cannot be revoked in one answer, unless the caller wants more.
pub const IRREVOCABLE_SHOWN: usize = 10_000;

/// Failed logins until somebody is locked out, unless the mount is tuned otherwise.
pub const LOCKOUT_THRESHOLD: u64 = 5;
/// For how long that is, and after how long failures are forgotten, in seconds.
pub const LOCKOUT_SECONDS: u64 = 900;
/// How many people's failures are remembered.
pub const FAILING_LOGINS: usize = 65_536;

/// Origins and headers that CORS names.
pub const CORS: usize = 256;
/// Headers of requests that audit devices record.
pub const AUDITED_HEADERS: usize = 64;
/// Policies in one answer that has their texts.
pub const DETAILED_POLICIES: usize = 1000;

/// How long who asks for the status of a move waits for its end, and how often it is looked for.
pub const REMOUNT_PATIENCE: Duration = Duration::from_secs(1);
pub const REMOUNT_LOOK: Duration = Duration::from_millis(20);
