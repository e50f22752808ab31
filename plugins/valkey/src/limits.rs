//! Every bound of this crate, in one place.

/// One reply of the server, in bytes. A longer one is taken for rubbish.
pub const REPLY: usize = 1 << 20;
/// Values in one reply, in all its lists together.
pub const VALUES: usize = 10_000;
/// Lists within lists of one reply; `ACL GETUSER` has three.
pub const DEPTH: usize = 8;
/// One read of the network, in bytes.
pub const READ: usize = 16 << 10;
/// What is told of one error of the server, in characters.
pub const MESSAGE: usize = 1000;
/// A user name, in bytes.
pub const NAME: usize = 256;
/// A user name that is made, in characters: as long as Vault's.
pub const NEW_NAME: usize = 100;
/// Rules of one role.
pub const RULES: usize = 1000;
/// How often a user is removed that is there again when one looks.
pub const REMOVALS: u32 = 3;
/// The least length of a secret that is looked for in errors, in bytes.
pub const SECRET: usize = 4;
