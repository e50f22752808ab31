//! The mount that a call is for.

pub use crate::bindings::plugin::coffer::plugin::mount::Info;

/// Where the plugin is mounted, and how it is tuned.
pub fn info() -> Info {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::mount::get();
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.mount.clone())
}

/// One of the options that the mount was enabled with.
pub fn option(name: &str) -> Option<String> {
    let options: serde_json::Value = serde_json::from_str(&info().options).ok()?;
    options.get(name)?.as_str().map(str::to_owned)
}
