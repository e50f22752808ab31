//! Tokens: who a caller is, and how long.

mod create;
mod entry;
mod paths;
mod roles;
mod store;

pub use create::{TokenRequest, create};
pub use entry::{TokenEntry, TokenKind, parse_cidrs};
pub use paths::{ROUTES, by_accessor};
pub use roles::Role;
pub use store::{Held, Token, TokenKeys, Tokens, current_entry, lease_id, read_entry};
