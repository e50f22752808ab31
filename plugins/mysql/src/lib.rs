//! MySQL and MariaDB users for Coffer: the database backend `mysql-database-plugin`.
//!
//! An instance is one connection. It speaks the client/server protocol itself, over a byte stream that the host connects,
//! restricts and encrypts. From the bottom up: [`protocol`] frames packets and reads what is in them, [`auth`] answers a
//! server's challenge, [`connect`] logs in, [`session`] runs statements, [`client`] keeps a session and makes a new one when
//! it is dead, and [`users`] says what a user is in SQL.
//!
//! What it promises: a user that is removed is gone from `mysql.user`, with its sessions; of a user that could not be made
//! nothing is left; a server that shuts down, became read-only or answers nonsense is `unavailable` and never a panic; a
//! password is in no message, and in no packet that is not encrypted or scrambled.
//! What it does not do: prepared statements, compression, LOCAL INFILE, Unix sockets, and other ways to log in than
//! `mysql_native_password` and `caching_sha2_password`.

pub mod auth;
pub mod client;
pub mod connect;
pub mod error;
pub mod limits;
mod plugin;
pub mod protocol;
mod queries;
mod removal;
pub mod session;
pub mod settings;
mod sql;
pub mod users;

pub use plugin::MySql;
