//! The sandbox: secret engines, auth methods and database backends are WebAssembly components, and this is what runs
//! them.
//!
//! A [`Component`] comes out of the [`Catalog`], compiled and linked. [`Plugins`] calls it in an instance that no other
//! caller has used, inside a transaction, under a deadline, a memory ceiling and limits on what it returns. The host's
//! side of each import is a module of [`imports`]; a database backend's instance is a pooled [connection](database).
//!
//! It refuses to know what a request means: tokens, policies and leases are the core's, which lends it the one
//! thing it needs of them through [`Effects`].

mod bindings;
mod catalog;
mod compiler;
mod component;
mod database;
mod description;
mod egress;
mod engine;
mod error;
mod figures;
mod imports;
mod inspect;
mod instances;
mod limits;
mod outcome;
mod outside;
mod plugin;
mod pod;
mod precompiled;
mod release;
mod response;
mod shares;
mod state;
mod tls;
mod trial;

pub use crate::bindings::plugin::coffer::plugin::databases::Target as DatabaseTarget;
pub use crate::bindings::plugin::coffer::plugin::effects::{LeaseGrant, LeaseRequest};
pub use crate::bindings::plugin::coffer::plugin::mount::Info as MountInfo;
pub use crate::bindings::plugin::exports::coffer::plugin::engine::{
    Alias, Caller as RequestCaller, EngineKind, Field, FieldType, LeaseKind,
    Path as PathDescription, TokenKind,
};
pub use crate::catalog::{Builtin, Catalog, ComponentStore, Version3, digest};
pub use crate::compiler::{Compiler, compile_stdin};
pub use crate::component::{BackendDescription, Component, PluginDescription};
pub use crate::database::{DatabaseFigures, DatabasePools, DatabaseUse};
pub use crate::egress::Grants;
pub use crate::engine::Engine;
pub use crate::error::{CallError, ErrorKind, LoadError, PluginError};
pub use crate::figures::{BOUNDS, CALL_KINDS, CallKind, Figures, Reading};
pub use crate::inspect::{CONTRACT_VERSION, Inspection, World, inspect};
pub use crate::limits::COMPONENT as MAX_COMPONENT;
pub use crate::limits::{
    CALLS_PER_MOUNT, COMPILE_TIME, DEADLINE, MAX_CALLS_PER_MOUNT, MAX_COMPILE_TIME,
    MAX_CONNECTIONS, MAX_DEADLINE, MAX_MEMORY, MAX_RESPONSE, MAX_STORAGE_BYTES,
    MAX_STORAGE_ENTRIES, MEMORY, RESPONSE,
};
pub use crate::outcome::Outcome;
pub use crate::outside::{Ask, Outside, StorageAccess};
pub use crate::plugin::{
    Auth, Caller, Effects, EffectsError, Lease, MountContext, Operation, PasswordError, Passwords,
    Plugins, Renewal, Request,
};
pub use crate::pod::{Pod, PodError, PodFile};
pub use crate::release::{Registered, Release, Releases, Versions, Wanted, parse_version};
pub use crate::response::{Response, nests_deeper};
pub use crate::state::Environment;
pub use crate::trial::BackendCall;
