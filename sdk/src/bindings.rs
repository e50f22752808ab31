//! The contract in Rust, generated from `wit/`. The two worlds share their types.
//!
//! The only unsafe code of a plugin is in here: lifting and lowering values across the component boundary, generated
//! from the contract by `wit-bindgen`, with layouts that both sides compute from the same text.
#![allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]

pub mod plugin {
    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        pub_export_macro: true,
        default_bindings_module: "coffer_sdk::bindings::plugin",
        additional_derives: [PartialEq, Clone, serde::Serialize, serde::Deserialize],
    });
}

pub mod database {
    wit_bindgen::generate!({
        path: "../wit",
        world: "database",
        pub_export_macro: true,
        default_bindings_module: "coffer_sdk::bindings::database",
        additional_derives: [PartialEq, Clone, serde::Serialize, serde::Deserialize],
        with: {
            "coffer:plugin/types@0.1.0": crate::bindings::plugin::coffer::plugin::types,
            "coffer:plugin/users@0.1.0": crate::bindings::plugin::coffer::plugin::users,
            "coffer:plugin/clock@0.1.0": crate::bindings::plugin::coffer::plugin::clock,
            "coffer:plugin/random@0.1.0": crate::bindings::plugin::coffer::plugin::random,
            "coffer:plugin/log@0.1.0": crate::bindings::plugin::coffer::plugin::log,
            "coffer:plugin/network@0.1.0": crate::bindings::plugin::coffer::plugin::network,
            "coffer:plugin/http@0.1.0": crate::bindings::plugin::coffer::plugin::http,
        },
    });
}
