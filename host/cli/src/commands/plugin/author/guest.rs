//! A Rust crate, compiled to a core module for WebAssembly.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::AuthorError;
use super::build::Effort;
use super::project::{CargoProject, cargo, no_cargo};

const TARGET: &str = "wasm32-unknown-unknown";
/// Bytes: what a usual request needs, stack and heap. Growing costs every fresh instance a system call.
const INITIAL_MEMORY: usize = 2 << 20;

/// One line of Cargo's JSON.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// Compiles a project; returns where its core module is.
pub(super) fn compile(
    folder: &Path,
    project: &CargoProject,
    effort: Effort,
) -> Result<PathBuf, AuthorError> {
    ensure_target(folder)?;
    let mut cargo = cargo();
    cargo.args([
        "build",
        "--lib",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    cargo.arg("--release");
    if effort == Effort::Quick {
        // Not another profile: what builds (the macros and all behind them) is shared with a release build like this.
        for setting in [
            "opt-level=1",
            "lto=false",
            "codegen-units=16",
            "incremental=true",
        ] {
            cargo.args(["--config", &format!("profile.release.{setting}")]);
        }
    }
    cargo
        .current_dir(folder)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(project).join("\u{1f}"))
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(no_cargo)?;
    if !output.status.success() {
        return Err(AuthorError::Failed {
            program: "cargo build".to_owned(),
            status: output.status,
        });
    }
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|end| end == "wasm");
    let cdylib = |target: Target| target.crate_types.iter().any(|kind| kind == "cdylib");
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| message.manifest_path == project.manifest)
        .filter_map(|message| {
            message
                .target
                .is_some_and(cdylib)
                .then_some(message.filenames)
        })
        .flatten()
        .find(is_wasm)
        .ok_or_else(|| {
            AuthorError::malformed(&project.manifest)(
                "[lib] must have crate-type = [\"cdylib\", \"rlib\"]",
            )
        })
}

/// The same source is the same component, on whichever machine it is built.
fn flags(project: &CargoProject) -> Vec<String> {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let beside = project.beside.iter().map(|path| (path.clone(), "beside"));
    let mut flags = vec![
        r#"--cfg=getrandom_backend="custom""#.to_owned(),
        format!("-Clink-arg=--initial-memory={INITIAL_MEMORY}"),
    ];
    for (path, name) in beside.chain(cargo_home.map(|home| (home, "cargo"))) {
        flags.push(format!("--remap-path-prefix={}={name}", path.display()));
    }
    flags
}

/// Adds the target to the toolchain, where rustup manages it.
fn ensure_target(folder: &Path) -> Result<(), AuthorError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .output()
        .map_err(no_cargo)?;
    if Path::new(String::from_utf8_lossy(&library.stdout).trim()).is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(folder)
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|source| AuthorError::Tool {
            program: "rustup".to_owned(),
            source,
            hint: "; the toolchain needs the target wasm32-unknown-unknown",
        })?;
    match added.success() {
        true => Ok(()),
        false => Err(AuthorError::Failed {
            program: format!("rustup target add {TARGET}"),
            status: added,
        }),
    }
}
