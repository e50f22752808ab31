//! From plugin crates to components: built for WebAssembly, encoded, checked and compiled ahead of time.
//!
//! For each plugin, `target/components` receives `NAME.wasm` (the component), `NAME.json` (its kind and version) and
//! `NAME.cwasm` (the same, compiled for this machine by the host's own engine).

use std::process::Command;

use coffer_manifest::Manifest;
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::error::{Error, Result};
use crate::files::{human, size, write_if_changed};
use crate::run;
use crate::workspace::{Plugin, Profile, Workspace};

/// Bytes; whole WebAssembly pages.
const INITIAL_MEMORY: usize = 2 << 20;
const TARGET: &str = "wasm32-unknown-unknown";
/// The only package that a built-in component may import from.
const CONTRACT: &str = "coffer:plugin/";
const PRECOMPILE: &str = "coffer-precompile";

/// Builds the named components (all, if no name is given). `profile` is that of the host's engine that compiles them:
/// the result is the same, so it is the one that is built anyway.
///
/// # Errors
/// If a name is unknown, a plugin does not build, or it imports what it must not.
pub fn build(workspace: &Workspace, profile: Profile, names: &[String]) -> Result<()> {
    let plugins = select(workspace, names)?;
    ensure_target()?;
    compile(workspace, &plugins)?;
    for plugin in &plugins {
        let component = encode(workspace, plugin)?;
        if write_if_changed(&workspace.component(plugin, "wasm"), &component)? {
            // Never leave compiled code beside a component that it was not made from.
            std::fs::remove_file(workspace.component(plugin, "cwasm")).ok();
        }
        let Manifest { kind, version, .. } = &plugin.manifest;
        let about = serde_json::json!({ "kind": kind, "version": version });
        write_if_changed(
            &workspace.component(plugin, "json"),
            format!("{about}\n").as_bytes(),
        )?;
    }
    precompiler(workspace, profile)?;
    for plugin in plugins {
        // What is not embedded is compiled by the server that it is loaded into.
        let compiled = match plugin.embed {
            true => precompile(workspace, profile, plugin)?,
            false => 0,
        };
        let component = size(&workspace.component(plugin, "wasm"))?;
        println!(
            "{:<28} {:<9} {:>10}  compiled {:>10}",
            plugin.manifest.name,
            plugin.manifest.kind.name(),
            human(component),
            human(compiled)
        );
    }
    Ok(())
}

fn select<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a Plugin>> {
    let known = || {
        workspace
            .plugins
            .iter()
            .map(|plugin| plugin.manifest.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    for name in names {
        if !workspace
            .plugins
            .iter()
            .any(|plugin| plugin.manifest.name == *name)
        {
            return Err(Error::other(format!(
                "there is no plugin `{name}`; there are {}",
                known()
            )));
        }
    }
    Ok(workspace
        .plugins
        .iter()
        .filter(|plugin| names.is_empty() || names.contains(&plugin.manifest.name))
        .collect())
}

/// Adds the WebAssembly target to the toolchain. Where there is no rustup, the toolchain must come with it.
fn ensure_target() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library =
        run::output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]))?;
    if std::path::Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    run::run(Command::new("rustup").args(["target", "add", TARGET]))
}

/// All at once: cargo shares what they share. In a target directory of their own, so that their flags never make cargo
/// build the host again.
fn compile(workspace: &Workspace, plugins: &[&Plugin]) -> Result<()> {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    // Paths of this machine would make the same source a different component elsewhere.
    let mut flags = vec![
        r#"--cfg=getrandom_backend="custom""#.to_owned(),
        // What a usual request needs, stack and heap: growing it would cost every fresh instance a system call.
        format!("-Clink-arg=--initial-memory={INITIAL_MEMORY}"),
        format!("--remap-path-prefix={}=coffer", workspace.root.display()),
    ];
    if let Some(home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--lib",
        "--profile",
        "component",
        "--target",
        TARGET,
    ]);
    cargo
        .arg("--target-dir")
        .arg(workspace.target.join("guests"));
    cargo
        .env_remove("RUSTFLAGS")
        // Of the world's time zones a component that would have them all has this one: they are a megabyte.
        .env("CHRONO_TZ_TIMEZONE_FILTER", "^UTC$")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    for plugin in plugins {
        cargo.args(["--package", &plugin.package]);
    }
    run::run(&mut cargo)
}

/// The component of a plugin's core module.
fn encode(workspace: &Workspace, plugin: &Plugin) -> Result<Vec<u8>> {
    let module = workspace
        .target
        .join("guests")
        .join(TARGET)
        .join("component")
        .join(format!("{}.wasm", plugin.library));
    let bytes = std::fs::read(&module).map_err(Error::file(&module))?;
    let wrong =
        |what: &dyn std::fmt::Display| Error::other(format!("{}: {what:#}", plugin.manifest.name));
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| wrong(&error))?;
    for import in imports(&component).map_err(|error| wrong(&error))? {
        if !import.starts_with(CONTRACT) {
            return Err(wrong(&format_args!(
                "imports `{import}`; a built-in component imports nothing but `{CONTRACT}*`"
            )));
        }
    }
    plugin
        .manifest
        .embed(&component)
        .map_err(|error| wrong(&error))
}

fn imports(component: &[u8]) -> Result<Vec<String>> {
    match wit_component::decode(component) {
        Ok(DecodedWasm::Component(resolve, world)) => Ok(resolve.worlds[world]
            .imports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect()),
        Ok(DecodedWasm::WitPackage(..)) => Err(Error::other("is not a component")),
        Err(error) => Err(Error::other(format!("{error:#}"))),
    }
}

fn precompiler(workspace: &Workspace, profile: Profile) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--workspace",
        "--bin",
        PRECOMPILE,
        "--profile",
        profile.name(),
    ]);
    run::run(&mut cargo)
}

/// Returns the size of the compiled component, in bytes.
fn precompile(workspace: &Workspace, profile: Profile, plugin: &Plugin) -> Result<u64> {
    let scratch = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
    let fresh = scratch.path().join("compiled");
    let mut command = Command::new(workspace.executable(profile, PRECOMPILE));
    run::output(command.arg(workspace.component(plugin, "wasm")).arg(&fresh))?;
    let compiled = std::fs::read(&fresh).map_err(Error::file(&fresh))?;
    write_if_changed(&workspace.component(plugin, "cwasm"), &compiled)?;
    Ok(compiled.len() as u64)
}
