//! The contract in Rust, generated from `wit/`. The two worlds share their interfaces.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]

pub mod plugin {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq, Clone, serde::Serialize, serde::Deserialize],
        with: {
            "coffer:plugin/keys.key": crate::imports::KeyHandle,
            "coffer:plugin/network.connection": crate::imports::Connection,
        },
    });
}

pub mod database {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "database",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq, Clone, serde::Serialize, serde::Deserialize],
        with: {
            "coffer:plugin/types": crate::bindings::plugin::coffer::plugin::types,
            "coffer:plugin/users": crate::bindings::plugin::coffer::plugin::users,
            "coffer:plugin/clock": crate::bindings::plugin::coffer::plugin::clock,
            "coffer:plugin/random": crate::bindings::plugin::coffer::plugin::random,
            "coffer:plugin/log": crate::bindings::plugin::coffer::plugin::log,
            "coffer:plugin/network": crate::bindings::plugin::coffer::plugin::network,
            "coffer:plugin/http": crate::bindings::plugin::coffer::plugin::http,
        },
    });
}
