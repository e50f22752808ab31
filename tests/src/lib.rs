//! The harness of the black-box suites: a real `coffer` process, a real PostgreSQL, MariaDB, and Valkey or Redis, a client
//! that speaks the Vault API.
//!
//! It knows nothing of Coffer's inside. What it starts ends with the process that started it, however that ends.
//! With `COFFER_BIN` it drives another server of the same command line, OpenBao for one, which is how the suites
//! themselves are checked.
//!
//! It is a test kit: its short forms panic, with a message that says what was sent and what came back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cli;
pub mod client;
pub mod https;
pub mod influxdb;
pub mod jwt;
pub mod kubernetes;
pub mod leash;
mod metrics;
pub mod mysql;
pub mod oidc;
pub mod plugin;
pub mod port;
pub mod postgres;
pub mod registry;
pub mod server;
pub mod table;
pub mod valkey;
mod wait;

pub use crate::cli::Cli;
pub use crate::client::{Client, Reply};
pub use crate::influxdb::InfluxDb;
pub use crate::metrics::metric;
pub use crate::mysql::MySql;
pub use crate::postgres::{Database, Postgres};
pub use crate::server::Server;
pub use crate::table::includes;
pub use crate::valkey::Valkey;
pub use crate::wait::{until, within};

/// The types of keys that transit has: those that encrypt with associated data, and then the others.
pub const KEY_TYPES: [&str; 12] = [
    "aes128-gcm96",
    "aes256-gcm96",
    "chacha20-poly1305",
    "xchacha20-poly1305",
    "ed25519",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "hmac",
];
