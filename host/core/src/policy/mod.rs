//! Access control: what a token's policies let it do. Pure logic, no I/O.
//!
//! A policy is [parsed](parse) once. A token's policies are merged into an [`Acl`], which answers in one walk over the
//! path, with Vault's rules for which pattern is the most specific, and can say which one decided.

mod acl;
mod capability;
mod parse;
mod plain;
mod spread;
mod template;
mod trie;

pub use acl::{Access, Acl};
pub use capability::Capability;
pub use parse::{Policy, body};
pub use plain::{NotPlain, plain_hcl};
pub use template::Subject;

/// What a token without other policies may do: what concerns only itself.
pub const DEFAULT_POLICY: &str = include_str!("default.hcl");

#[cfg(test)]
mod tests;
