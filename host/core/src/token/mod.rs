//! Tokens: who a caller is, and how long.

mod create;
mod entry;
mod paths;
mod store;

pub use create::{TokenRequest, create};
pub use entry::{Alias, TokenEntry, TokenKind, parse_cidrs};
pub use paths::ROUTES;
pub use store::{Held, TokenKeys, Tokens, lease_id, read_entry};
