//! Fuzz targets: each takes bytes that an attacker could send, and panics if what it promises does not hold.
//!
//! `cargo xtask fuzz TARGET` runs one under libFuzzer; its inputs lie in `corpus/TARGET`, and the suite runs every target
//! over all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod barrier;
mod config;
mod jwt;
mod policy;
mod request;
mod shamir;
mod token;
mod transit;
mod vault;
mod world;

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Panics if something does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "barrier",
        run: barrier::run,
    },
    Target {
        name: "config",
        run: config::run,
    },
    Target {
        name: "jwt",
        run: jwt::run,
    },
    Target {
        name: "policy",
        run: policy::run,
    },
    Target {
        name: "request",
        run: request::run,
    },
    Target {
        name: "shamir",
        run: shamir::run,
    },
    Target {
        name: "token",
        run: token::run,
    },
    Target {
        name: "transit",
        run: transit::run,
    },
];

/// A target by its name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
