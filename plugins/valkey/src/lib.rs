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
//! A connection's configuration is that of Vault's `redis-database-plugin`: `host`, `port` (6379), `username`, `password`,
//! `tls`, `insecure_tls` and `ca_cert` (the public roots, if it is empty); besides, `tls_certificate` and `private_key` for
//! servers that ask for a client's certificate, `persistence_mode` (`ACLFILE`: `ACL SAVE` after every change; `REWRITE`:
//! `CONFIG REWRITE`), and `username_template`. A role's `creation_statements` are ACL rules: a JSON list of them
//! (`["~app:*", "+@read"]`), or as one writes them after `ACL SETUSER name`; by default `~* +@read`. The connection's user needs
//! `ACL GETUSER`, `SETUSER` and `DELUSER`.
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
