//! Every bound of this crate, in one place. Times in seconds unless they say otherwise.

/// How often static roles that are due are looked for.
pub const TICK: u64 = 5;
/// Static roles that one tick looks at.
pub const ROTATIONS: u32 = 50;
/// Interrupted root rotations that one tick looks at.
pub const ROOT_ROTATIONS: u32 = 10;
/// A rotation that has not ended after that long was interrupted: no call takes longer.
pub const IN_FLIGHT: u64 = 40;
/// After a failed rotation of a static role; twice as long after each further one.
pub const BACKOFF: u64 = 10;
/// But no longer than this.
pub const BACKOFF_MAX: u64 = 3600;
/// Vault's least `rotation_period`.
pub const ROTATION_PERIOD: u64 = 5;
/// Vault's least `rotation_window`.
pub const ROTATION_WINDOW: u64 = 3600;
/// A database user outlives its lease by this much, so that it never ends before.
pub const LEEWAY: u64 = 5;
/// Letters of a password.
pub const PASSWORD: usize = 20;
/// A connection's or role's name, in bytes.
pub const NAME: usize = 256;
/// The most connections that a configuration can ask for; the host has a bound of its own.
pub const CONNECTIONS: u32 = 1024;
