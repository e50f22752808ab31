//! InfluxDB 1.x users for Coffer: the database backend `influxdb-database-plugin`.
//!
//! It speaks InfluxQL over HTTP: [`server`] asks one question and reads what came of each statement in it, [`users`] says in
//! InfluxQL what a user is, [`config`] reads a connection's configuration.
//!
//! What it promises: a name that is taken stays with whoever has it; a user whose statements failed half-way is taken back;
//! a user that is removed is gone when the removal is answered, and as the server knows no sessions, so is all that it could
//! do but a query that runs already; a password is in no message.
//!
//! A connection's configuration is that of Vault's plugin: `host`, `port` (8086), `username`, `password`, `tls`,
//! `insecure_tls`, `pem_bundle` (roots to trust, and a client's certificate and key if the server asks for one; the public
//! roots, if it is empty), and `username_template`. A role's statements are InfluxQL with `{{username}}` (or `{{name}}`) and
//! `{{password}}` in them, quoted as they should be; by default a user without rights is made. The connection's user must be
//! an administrator. There is no expiry: the server knows none.

pub mod config;
mod plugin;
pub mod server;
pub mod users;

pub use plugin::InfluxDb;
