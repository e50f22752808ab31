//! Every bound of this crate, in one place.

/// One message of the server, in bytes. A longer one is taken for rubbish.
pub const MESSAGE: usize = 1 << 20;
/// One read of the network, in bytes: what a flight of statements is answered with fits in.
pub const READ: usize = 16 << 10;
/// Rows that are kept of one answer.
pub const ROWS: usize = 1000;
/// Hosts of one connection URL.
pub const HOSTS: usize = 16;
/// The user name's length, in bytes: PostgreSQL cuts identifiers there.
pub const IDENTIFIER: usize = 63;
/// How often a transaction is tried that collides with another one on the same catalogue row.
pub const COLLISIONS: u32 = 10;
/// How often a user's sessions are looked for after they were told to end, [`SESSION_WAIT`] apart.
pub const SESSION_CHECKS: u32 = 100;
/// Seconds between two looks, as PostgreSQL's `pg_sleep` takes them.
pub const SESSION_WAIT: &str = "0.05";
/// How long a removal waits for the end of a creation that was cut off, as PostgreSQL's `lock_timeout` takes it.
pub const CREATION_WAIT: &str = "5s";
/// The least length of a secret that is looked for in errors, in bytes.
pub const SECRET: usize = 4;
/// Lines that are told of an error's detail.
pub const DETAIL_LINES: usize = 5;
