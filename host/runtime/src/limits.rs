//! Every bound of this crate, in one place.

use std::time::Duration;

/// How often a running guest lets others run, and how closely a deadline is kept.
pub const TICK: Duration = Duration::from_millis(5);
/// After so many ticks without a running guest the ticker sleeps until there is one.
pub const TICKS_BEFORE_SLEEP: u32 = 40;

/// Live instances of secret engines and auth methods; who comes later waits for one to end.
pub const INSTANCES: u32 = 512;
/// Of these, idle ones that wait for their caller to come back.
pub const IDLE: usize = 256;
/// Calls that one mount runs at the same time: a quarter of the instances.
pub const CALLS_PER_MOUNT: usize = INSTANCES as usize / 4;
/// The most that a mount may say: another finds room beside it.
pub const MAX_CALLS_PER_MOUNT: usize = INSTANCES as usize / 2;
/// Idle instances of one mount and caller.
pub const IDLE_PER_CALLER: usize = 4;
/// An instance that has grown beyond this many bytes of memory is not kept.
pub const IDLE_MEMORY: usize = 8 << 20;
/// An instance is dropped after so many calls.
pub const CALLS_PER_INSTANCE: u32 = 1000;
/// An idle instance is dropped after that long.
pub const IDLE_TIME: Duration = Duration::from_secs(30);
/// Live instances of database backends: one for each call that may run, so that a mount has no more than its share of
/// these either. Who finds none free closes an idle one.
pub const BACKENDS: u32 = INSTANCES;
/// Components that are compiled and described at the same time: compiling takes all the processors that there are.
pub const LOADING: u32 = 2;

/// Memory of one instance, in bytes, unless the mount says otherwise.
pub const MEMORY: usize = 64 << 20;
/// The most that a mount may say.
pub const MAX_MEMORY: usize = 512 << 20;
/// Elements of a guest's tables.
pub const TABLE_ELEMENTS: usize = 20_000;
/// Core instances of one component: stock toolchains for other languages make a few dozen.
pub const CORE_INSTANCES: u32 = 40;
/// Tables of one component.
pub const TABLES: u32 = 10;
/// Memories of one component.
pub const MEMORIES: u32 = 2;
/// A guest's stack, in bytes.
pub const WASM_STACK: usize = 512 << 10;
/// A fiber's stack: the guest's and the host's functions above it.
pub const ASYNC_STACK: usize = 1 << 20;
/// What an instance has written, up to so many bytes, is cleaned in place when it ends instead of given back to the system.
pub const KEEP_RESIDENT: usize = 1 << 20;
/// Memories whose last component is remembered, so that its next instance finds its image mapped.
pub const WARM_SLOTS: u32 = 64;

/// A component, in bytes.
pub const COMPONENT: usize = 64 << 20;
/// Compiling one, unless the server's configuration says otherwise: it has the time that requests leave it.
pub const COMPILE_TIME: Duration = Duration::from_secs(300);
/// The most that it may say.
pub const MAX_COMPILE_TIME: Duration = Duration::from_secs(3600);
/// What compiling one may take, in bytes.
pub const COMPILE_MEMORY: u64 = 3 << 30;
/// What it may come to, in bytes.
pub const COMPILED: u64 = 512 << 20;

/// Paths that a component declares.
pub const PATHS: usize = 1000;
/// Fields of one path, and of a database's configuration.
pub const FIELDS: usize = 256;
/// Operations of one path: there are no more.
pub const OPERATIONS: usize = 5;
/// The name of a component or a field, and a version, in bytes.
pub const NAME: usize = 128;

/// One call, unless the mount says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// The most that a mount may say.
pub const MAX_DEADLINE: Duration = Duration::from_secs(3600);
/// `describe` of a component that is loaded.
pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(5);
/// A response's data, in bytes, unless the mount says otherwise.
pub const RESPONSE: usize = 8 << 20;
/// How deep a response's data is nested: more than a request's may be, by what engines put around that.
pub const NESTING: usize = 100;
/// The most that a mount may say.
pub const MAX_RESPONSE: usize = 32 << 20;
/// What else one call may copy out of a guest, in bytes: a stored value, warnings, the parts of an auth.
pub const HOSTCALL: usize = 4 << 20;
/// Warnings of a response, policies and other short lists.
pub const LIST: usize = 1000;
/// One short text of a response, and an error's message, in bytes.
pub const TEXT: usize = 64 << 10;

/// A storage key below the mount, in bytes.
pub const KEY: usize = 1024;
/// A stored value, in bytes.
pub const VALUE: usize = 1 << 20;
/// Keys of one scan.
pub const SCAN: u32 = 10_000;
/// Names of one directory listing.
pub const CHILDREN: u32 = 100_000;
/// Storage keys that one call may read and write: each is kept until its transaction ends.
pub const CALL_KEYS: usize = 200_000;
/// Bytes of storage that one call may read and write, keys included.
pub const CALL_STORAGE: usize = 64 << 20;
/// The most bytes that a mount may say it stores. Without a word from it there is no limit, and nothing is counted.
pub const MAX_STORAGE_BYTES: u64 = 1 << 40;
/// The most entries.
pub const MAX_STORAGE_ENTRIES: u64 = 1 << 32;
/// Keys that one call has open at the same time.
pub const OPEN_KEYS: usize = 1000;
/// Random bytes asked for at a time.
pub const RANDOM: u32 = 65_536;
/// A log message, in bytes.
pub const LOG: usize = 4096;
/// Messages that one call may log.
pub const CALL_LOG_LINES: usize = 1000;
/// Bytes that one call may log.
pub const CALL_LOG: usize = 256 << 10;
/// What a lease keeps for its plugin, in bytes.
pub const INTERNAL: usize = 64 << 10;
/// A lease's group, in bytes.
pub const GROUP: usize = 256;

/// Configured databases of one mount.
pub const POOLS: usize = 4096;
/// Connections of one configured database, unless it says otherwise.
pub const CONNECTIONS: u32 = 4;
/// The most that it may say.
pub const MAX_CONNECTIONS: u32 = 64;
/// Calls that wait for a connection of one database as long as they can. With those that have one, fewer than
/// [`CALLS_PER_MOUNT`]: a database that hangs leaves room for the others of its mount.
pub const POOL_QUEUE: usize = 32;
/// Calls beyond these wait only while the queue moves: until no connection was handed on for so long.
pub const POOL_STALLED: Duration = Duration::from_secs(1);
/// A database connection that nobody used for so long is closed.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(300);
/// What is left of a call's deadline after a database did not answer, so that the plugin can still say so.
pub const DATABASE_MARGIN: Duration = Duration::from_millis(500);
/// Trying a connection with another version of its plugin.
pub const PROBE: Duration = Duration::from_secs(5);
/// Streams that one database backend may have open.
pub const STREAMS: usize = 8;
/// Connecting to an address, and a TLS handshake.
pub const CONNECT: Duration = Duration::from_secs(10);
/// An HTTP request of a guest, from connecting to the end of the answer.
pub const HTTP: Duration = Duration::from_secs(10);
/// Its body, and the answer's, in bytes.
pub const HTTP_BODY: usize = 1 << 20;
/// The answer's head, in bytes.
pub const HTTP_HEAD: usize = 64 << 10;
/// A file that Kubernetes lays into a pod, in bytes.
pub const POD_FILE: usize = 64 << 10;
/// What a component that expects WASI may have open of it.
pub const WASI_RESOURCES: usize = 256;
/// One read of a stream, in bytes.
pub const READ: u32 = 1 << 20;
