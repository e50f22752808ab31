//! What the author of a Coffer plugin imports.
//!
//! A secret engine or an auth method is one `static` declaration: its paths, their typed fields, and a function for each
//! operation. Routing, conversion of fields, help and the OpenAPI description come from it.
//!
//! ```
//! use coffer_sdk::prelude::*;
//!
//! const NAME: Field<String> = Field::text("name", "Whom to greet.");
//!
//! static HELLO: Plugin = Plugin::secret("hello", "1.0.0", "Greets.").paths(&[
//!     Path::new("greet/{name}", "Greets somebody.").fields(&[NAME.decl()]).read(greet),
//! ]);
//!
//! fn greet(request: &Request) -> Result<Response> {
//!     let name = request.require(NAME)?;
//!     Ok(Response::data(json!({ "greeting": format!("Hello, {name}!") })))
//! }
//!
//! coffer_sdk::export_plugin!(HELLO);
//! # fn main() {}
//! ```
//!
//! What the host offers are the modules [`storage`], [`clock`], [`random`], [`log`], [`mount`], [`effects`], [`keys`],
//! [`passwords`], [`headers`], [`content`], [`identity`], [`pod`], [`http`], [`network`] and [`databases`]; a database backend
//! (see [`Backend`]) has, besides the first four, [`http`] and [`network`]. A request is a transaction: plain `get` and `put`,
//! and a handler that fails leaves nothing. In `cargo test` the same functions are
//! served by [`testing::Host`].

#[cfg(all(target_family = "wasm", feature = "allocator"))]
mod allocator;
pub mod backend;
#[doc(hidden)]
pub mod bindings;
pub mod content;
mod convert;
pub mod databases;
mod declare;
#[doc(hidden)]
pub mod dispatch;
pub mod effects;
mod environment;
mod error;
mod field;
pub mod headers;
pub mod http;
pub mod identity;
pub mod keys;
pub mod mount;
pub mod network;
pub mod paging;
pub mod pod;
mod request;
mod response;
pub mod storage;
pub mod template;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod token;
mod ttl;

pub use backend::Backend;
pub use coffer_duration::{format_duration, parse_duration, parse_signed_duration};
pub use convert::FromValue;
pub use declare::{Operation, Path, Plugin};
pub use environment::{clock, log, passwords, random};
pub use error::{Error, ErrorKind, Result};
pub use field::{Decl, Field, Seconds};
pub use request::{Caller, Lease, Request};
pub use response::{Alias, Auth, Renewal, Response, TokenKind};
pub use ttl::lease_ttl;

/// Everything that most plugins need.
pub mod prelude {
    pub use crate::{
        Alias, Auth, Error, Field, Lease, Path, Plugin, Renewal, Request, Response, Result,
        Seconds, TokenKind, clock, effects, keys, log, mount, random, storage,
    };
    pub use serde_json::json;
}

/// Makes a [`Plugin`] the component's own.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;
            impl $crate::dispatch::Declared for Exported {
                fn plugin() -> &'static $crate::Plugin {
                    &$plugin
                }
            }
            type Component = $crate::dispatch::Component<Exported>;
    $crate::bindings::plugin::export!(Component with_types_in $crate::bindings::plugin);
        };
    };
}

/// Makes a type that implements [`Backend`] the component's own.
#[macro_export]
macro_rules! export_database {
    ($backend:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static OPEN: ::std::cell::RefCell<::std::option::Option<$backend>> = const { ::std::cell::RefCell::new(None) };
            }
            impl $crate::backend::Slot for $backend {
                fn with<R>(call: impl FnOnce(&mut ::std::option::Option<Self>) -> R) -> R {
                    OPEN.with(|open| call(&mut open.borrow_mut()))
                }
            }
            type Component = $crate::backend::Component<$backend>;
            $crate::bindings::database::export!(Component with_types_in $crate::bindings::database);
        };
    };
}
