//! Valkey and Redis users for Coffer: the database backend `valkey-database-plugin`.
//!
//! An instance is one connection. It speaks RESP2 itself, over a byte stream that the host connects, restricts and encrypts.
//! From the bottom up: [`wire`] frames commands and replies, [`client`] logs in, keeps the connection and makes a new one
//! when it is dead, [`rules`] reads what a role says, and [`users`] says what a user is in `ACL` commands.
//!
//! What it promises: a user comes to be enabled in one command, with all its rules or not at all; a name that is taken stays
//! with whoever has it; a user that is removed is gone, with its sessions; a server that goes away or answers nonsense is
//! `unavailable` and never a panic; a password is in no message, and the server is told only the hashes of new ones.
//!
//! What it does not do: users live on the one server that the configuration names, for these servers do not replicate them.
//! There are no Sentinels and no clusters here, and no expiry, which `ACL` does not know.

pub mod client;
pub mod config;
pub mod error;
pub mod limits;
mod plugin;
pub mod rules;
pub mod users;
pub mod wire;

pub use plugin::Valkey;
