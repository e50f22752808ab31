//! PostgreSQL users for Coffer: the database backend `postgresql-database-plugin`.
//!
//! An instance is one connection. It speaks PostgreSQL's protocol itself, over a byte stream that the host connects,
//! restricts and encrypts. From the bottom up: [`wire`] frames messages, [`connect`] logs in, [`session`] runs statements,
//! [`client`] keeps a session and makes a new one when it is dead, and [`users`] says what a user is in SQL.
//!
//! What it promises: statements run in one transaction; a user that is removed is gone from `pg_roles`, with its sessions; a
//! server that shuts down, fails over or answers nonsense is `unavailable` and never a panic; a password is in no message.
//! What it does not do: COPY, Kerberos, client-side files, Unix sockets, channel binding.

pub mod client;
pub mod connect;
#[cfg(target_family = "wasm")]
mod entropy;
pub mod error;
pub mod limits;
mod plugin;
mod queries;
pub mod session;
pub mod settings;
mod sql;
pub mod users;
pub mod wire;

pub use plugin::Postgres;
