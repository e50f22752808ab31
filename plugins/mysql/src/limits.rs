//! Every bound of this crate, in one place.

/// One packet of the server, in bytes. A longer one is taken for rubbish.
pub const PACKET: usize = 1 << 20;
/// Everything that a server may say to one command, in bytes.
pub const ANSWER: usize = 16 << 20;
/// One statement, in bytes.
pub const STATEMENT: usize = 1 << 20;
/// Rows that are kept of one answer.
pub const ROWS: usize = 1000;
/// Columns of one answer: MySQL has no more.
pub const COLUMNS: u64 = 4096;
/// Packets that a login may take.
pub const LOGIN: usize = 16;
/// The user name's length, in bytes: MySQL's limit, in characters.
pub const USERNAME: usize = 32;
/// How often a user's sessions are looked for after they were told to end, [`SESSION_WAIT`] apart.
pub const SESSION_CHECKS: u32 = 100;
/// Of these, how many pass before a login that began before its user was removed is ended too.
pub const LOGIN_CHECKS: u32 = 40;
/// Seconds between two looks.
pub const SESSION_WAIT: &str = "0.05";
/// Seconds that a removal waits for the end of a creation that was cut off.
pub const CREATION_WAIT: &str = "5";
/// The least length of a secret that is looked for in errors, in bytes.
pub const SECRET: usize = 4;
/// What is told of a server's message, in characters.
pub const MESSAGE: usize = 512;
