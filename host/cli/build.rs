//! Embeds the built-in components that `cargo xtask build` has made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=COFFER_COMPONENTS");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let folder = env::var_os("COFFER_COMPONENTS")
        .map_or_else(|| root.join("target/components"), PathBuf::from);
    // Cargo builds again at every call what depends on a folder that does not exist.
    fs::create_dir_all(&folder).ok();
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut table = String::from("static BUILTINS: &[coffer_runtime::Builtin] = &[\n");
    for wasm in components(&folder) {
        let name = wasm
            .file_stem()
            .and_then(|stem| stem.to_str())
            .ok_or("a component's name is not text")?;
        let compiled = wasm.with_extension("cwasm");
        println!("cargo:rerun-if-changed={}", wasm.display());
        println!("cargo:rerun-if-changed={}", compiled.display());
        let about: About = serde_json::from_slice(&fs::read(wasm.with_extension("json"))?)?;
        let kind = match about.kind.as_str() {
            "secret" => "Secret",
            "auth" => "Auth",
            "database" => "Database",
            other => return Err(format!("{name} is of the unknown kind {other:?}").into()),
        };
        let version = about.version.replace('.', ", ");
        let sha256 = hex::encode(Sha256::digest(fs::read(&wasm)?));
        let (include, hash) = match fs::read(&compiled) {
            Ok(bytes) => {
                let hash = hex::encode(Sha256::digest(bytes));
                (format!("include_bytes!({compiled:?})"), hash)
            }
            Err(_) => ("&[]".to_owned(), String::new()),
        };
        writeln!(
            table,
            "    coffer_runtime::Builtin {{ kind: coffer_manifest::Kind::{kind}, name: {name:?}, version: ({version}), wasm: include_bytes!({wasm:?}), sha256: {sha256:?}, compiled: {include}, compiled_sha256: {hash:?} }},",
        )?;
    }
    table.push_str("];\n");
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("builtins.rs"),
        table,
    )?;
    Ok(())
}

/// What the build notes of a component beside it.
#[derive(serde::Deserialize)]
struct About {
    kind: String,
    version: String,
}

fn components(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .collect()
        })
        .unwrap_or_default();
    found.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    });
    found.sort();
    if found.is_empty() {
        println!(
            "cargo:warning=no built-in components in {}: run `cargo xtask build`",
            folder.display()
        );
    }
    found
}
