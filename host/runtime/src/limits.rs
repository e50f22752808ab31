//! Every bound of this crate, in one place.

use std::time::Duration;

/// How often a running guest lets others run, and how closely a deadline is kept.
pub const TICK: Duration = Duration::from_millis(5);
/// Live instances, of all components together.
pub const INSTANCES: u32 = 512;
/// Idle instances kept for callers, by mount and caller.
pub const IDLE_KEYS: usize = 256;
/// Idle instances of one mount and caller.
pub const IDLE_PER_KEY: usize = 4;
/// An instance is dropped after so many calls.
pub const CALLS_PER_INSTANCE: u32 = 1000;
/// An idle instance is dropped after that long.
pub const IDLE_TIME: Duration = Duration::from_secs(30);

/// Memory of one instance, in bytes.
pub const MEMORY: usize = 64 << 20;
/// Elements of a guest's tables.
pub const TABLE_ELEMENTS: usize = 20_000;
/// A guest's stack, in bytes.
pub const WASM_STACK: usize = 512 << 10;
/// A fiber's stack: the guest's and the host's functions above it.
pub const ASYNC_STACK: usize = 1 << 20;
/// Memory of a slot that is cleaned in place instead of given back to the system.
pub const KEEP_RESIDENT: usize = 1 << 20;

/// One call, unless the mount says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// `describe` of a component that is loaded.
pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(5);
/// A response's data, in bytes.
pub const RESPONSE: usize = 8 << 20;
/// All that one host call copies out of a guest, in bytes.
pub const HOSTCALL: usize = 16 << 20;
/// Warnings of a response, policies and other short lists.
pub const LIST: usize = 1000;

/// A storage key below the mount, in bytes.
pub const KEY: usize = 1024;
/// A stored value, in bytes.
pub const VALUE: usize = 1 << 20;
/// Keys of one scan.
pub const SCAN: u32 = 10_000;
/// Names of one directory listing.
pub const CHILDREN: u32 = 100_000;
/// Random bytes of one call.
pub const RANDOM: u32 = 65_536;
/// A log message, in bytes.
pub const LOG: usize = 4096;
/// What a lease keeps for its plugin, in bytes.
pub const INTERNAL: usize = 64 << 10;
/// A lease's group, in bytes.
pub const GROUP: usize = 256;

/// Connections of one configured database, unless it says otherwise.
pub const CONNECTIONS: u32 = 4;
/// The most that it may say.
pub const MAX_CONNECTIONS: u32 = 64;
/// A database connection that nobody used for so long is closed.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(300);
/// Connecting to an address.
pub const CONNECT: Duration = Duration::from_secs(10);
/// One read of a stream, in bytes.
pub const READ: u32 = 1 << 20;
