//! The control plane: who asks, what they may, where it goes, and how long what they get lives.
//!
//! A request is a [transaction](pipeline): it reads one snapshot, and what the host and the plugin write is committed
//! once, before the response leaves. The way is always the same: namespace, token, policy, route, plugin, lease.
//!
//! - [`policy`] decides; [`token`] and [`identity`] say who somebody is; [`mount`] says what is where; [`lease`] ends things
//!   in time.
//! - [`sys`] and [`token`] hold the host's own paths, each in a [table](routes).
//! - [`keys`] is the layout of storage; every key carries its namespace.

mod audit;
mod catalog;
mod cluster;
mod core;
mod cors;
mod cubbyhole;
mod effects;
mod error;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod invoke;
mod keys;
mod lease;
mod limits;
mod lockout;
mod mount;
mod params;
mod password;
mod paths;
mod pgp;
mod pipeline;
mod policy;
mod policy_store;
mod rekey;
mod reply;
mod request;
mod root_generation;
mod rotation;
mod routes;
mod shares;
mod source;
mod stored;
mod sys;
mod time;
mod token;
mod ttl;
mod under_way;
mod wrapping;
mod wrapping_jwt;

pub use crate::audit::{AuditConfig, DeviceConfig};
pub use crate::catalog::{
    CatalogConfig, Policy as SignatureRule, Signature, SignaturePolicy, fingerprint, signer,
};
pub use crate::core::{Core, CoreConfig, Initialized};
pub use crate::cors::Cors;
pub use crate::error::Error;
pub use crate::lockout::{LockoutConfig, LockoutDefaults};
pub use crate::params::object_of;
pub use crate::policy::{NotPlain, plain_hcl};
pub use crate::request::{Body, Gate, Gates, Method, Request, Response, ResponseHeader};
pub use crate::sys::Loggers;
pub use coffer_runtime::nests_deeper;
