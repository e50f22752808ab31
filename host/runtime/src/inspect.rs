//! What can be known of a component before it is compiled: which world it is for, what it imports, and its manifest. What
//! the contract does not have is found here, and said in words that help.

use coffer_manifest::Manifest;
use semver::Version;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::{LoadError, limits};

/// The package of the contract.
pub(crate) const CONTRACT: &str = "coffer:plugin/";
/// The contract's version here. Components built against an older one of the same line are served.
pub const CONTRACT_VERSION: Version = Version::new(0, 1, 0);

/// The world that a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// A secret engine or an auth method.
    Plugin,
    /// A database backend.
    Database,
}

/// What the bytes of a component tell.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Which world it is for.
    pub world: World,
    /// The contract that it was built against.
    pub contract: Version,
    /// All that it imports, as `package:name/interface@version`.
    pub imports: Vec<String>,
    /// What it says of itself, if anything.
    pub manifest: Option<Manifest>,
}

impl Inspection {
    /// Whether it was built with a stock toolchain that expects WASI. The host has one that does nothing.
    pub fn uses_wasi(&self) -> bool {
        self.imports
            .iter()
            .any(|import| import.starts_with("wasi:"))
    }
}

/// Looks at a component without compiling it.
///
/// # Errors
/// [`LoadError::Contract`] if it is none, is malformed, imports what the host does not have, or exports no world of the
/// contract.
pub fn inspect(component: &[u8]) -> Result<Inspection, LoadError> {
    if component.len() > limits::COMPONENT {
        return Err(LoadError::Contract(format!(
            "it has {} bytes; {} are allowed",
            component.len(),
            limits::COMPONENT
        )));
    }
    let manifest = Manifest::read(component)?;
    let malformed = |error: &dyn std::fmt::Display| {
        LoadError::Contract(format!("it is malformed or truncated: {error}"))
    };
    Validator::new_with_features(features())
        .validate_all(component)
        .map_err(|error| malformed(&error))?;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| malformed(&error))? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding == Encoding::Module {
                    return Err(LoadError::Contract("it is a core module".to_owned()));
                }
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|error| malformed(&error))?;
                    imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(|error| malformed(&error))?;
                    exports.push(export.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let (world, contract) = world(&exports)?;
    imports.iter().try_for_each(|import| check(world, import))?;
    imports.sort();
    Ok(Inspection {
        world,
        contract,
        imports,
        manifest,
    })
}

/// What the engine compiles.
fn features() -> WasmFeatures {
    WasmFeatures::default()
        - WasmFeatures::MEMORY64
        - WasmFeatures::MULTI_MEMORY
        - WasmFeatures::RELAXED_SIMD
        - WasmFeatures::THREADS
}

fn world(exports: &[String]) -> Result<(World, Version), LoadError> {
    let no = |reason: String| LoadError::Contract(reason);
    let mut found = None;
    for (interface, world) in [("engine", World::Plugin), ("backend", World::Database)] {
        let start = format!("{CONTRACT}{interface}@");
        for export in exports.iter().filter_map(|name| name.strip_prefix(&start)) {
            let version = Version::parse(export)
                .map_err(|error| no(format!("it exports {start}{export}: {error}")))?;
            if found.is_some() {
                return Err(no("it is for two worlds at once".to_owned()));
            }
            found = Some((world, version));
        }
    }
    let Some((world, version)) = found else {
        let have = match exports {
            [] => "nothing".to_owned(),
            all => all.join(", "),
        };
        return Err(no(format!(
            "it is for another world: it exports {have}; a plugin exports {CONTRACT}engine or {CONTRACT}backend"
        )));
    };
    if !serves(&version) {
        return Err(no(format!(
            "it was built against version {version} of the contract; this host has {CONTRACT_VERSION}"
        )));
    }
    Ok((world, version))
}

/// Whether a component of this version of the contract finds all that it needs.
// The contract's own patch is 0 for now.
#[allow(clippy::absurd_extreme_comparisons)]
fn serves(version: &Version) -> bool {
    let line = |version: &Version| (version.major, version.minor);
    line(version) == line(&CONTRACT_VERSION) && *version <= CONTRACT_VERSION
}

const OF_ALL: [&str; 7] = [
    "types", "users", "clock", "random", "log", "network", "http",
];
const OF_PLUGINS: [&str; 10] = [
    "storage",
    "mount",
    "effects",
    "databases",
    "keys",
    "passwords",
    "headers",
    "identity",
    "pod",
    "content",
];
/// What the host has of WASI.
const WASI: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

fn check(world: World, import: &str) -> Result<(), LoadError> {
    let no = |why: &str| LoadError::Contract(format!("it imports {import:?}, {why}"));
    if let Some(rest) = import.strip_prefix(CONTRACT) {
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        let known = OF_ALL.contains(&interface)
            || (world == World::Plugin && OF_PLUGINS.contains(&interface));
        if !known {
            return Err(no("which the contract does not offer to its world"));
        }
        if !Version::parse(version).is_ok_and(|version| serves(&version)) {
            return Err(no(&format!(
                "and this host has version {CONTRACT_VERSION} of the contract"
            )));
        }
        return Ok(());
    }
    if WASI.iter().any(|known| import.starts_with(known)) {
        return match import.rsplit_once('@') {
            Some((_, version)) if version.starts_with("0.2.") => Ok(()),
            _ => Err(no("and this host has 0.2 of it")),
        };
    }
    Err(no(culprit(import)))
}

/// Who usually brings an import in.
fn culprit(import: &str) -> &'static str {
    match import {
        _ if import.starts_with("wasi:http/") => {
            "which the host does not have: use `coffer:plugin/http`; an HTTP client of a stock toolchain (`fetch` of componentize-js, `wasi` of reqwest or ureq) brings it in"
        }
        _ if import.starts_with("wasi:") => {
            "which the host does not have; a library for another kind of host brings it in"
        }
        _ if import.contains("wbindgen") => {
            "which is for browsers: the crates `getrandom` (feature \"wasm_js\"), `chrono` (feature \"wasmbind\"), `js-sys` or `web-sys` bring it in; turn these features off"
        }
        _ if import.starts_with("env") => {
            "which is a C library's: a crate that links C code brings it in"
        }
        _ => "which the contract does not have",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A component that imports and exports instances of these names.
    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let mut text = "(component\n".to_owned();
        for import in imports {
            text += &format!("(import {import:?} (instance))\n");
        }
        text += "(instance $empty)\n";
        for export in exports {
            text += &format!("(export {export:?} (instance $empty))\n");
        }
        wat::parse_str(text + ")").unwrap()
    }

    #[test]
    fn what_a_component_is_for_and_what_it_wants() {
        let engine = "coffer:plugin/engine@0.1.0";
        let backend = "coffer:plugin/backend@0.1.0";
        let good = inspect(&component(
            &["coffer:plugin/storage@0.1.0", "wasi:cli/environment@0.2.3"],
            &[engine],
        ))
        .unwrap();
        assert_eq!(good.world, World::Plugin);
        assert!(good.uses_wasi());
        assert_eq!(good.contract, Version::new(0, 1, 0));
        #[rustfmt::skip]
        let table: [(&[&str], &[&str], &str); 12] = [
            (&[], &[], "for another world: it exports nothing"),
            (&[], &["wasi:http/incoming-handler@0.2.0"], "for another world: it exports wasi:http/incoming-handler@0.2.0"),
            (&[], &["coffer:plugin/engine@0.2.0"], "built against version 0.2.0 of the contract; this host has 0.1.0"),
            (&[], &["coffer:plugin/engine@0.1.7"], "built against version 0.1.7 of the contract; this host has 0.1.0"),
            (&[], &[engine, backend], "two worlds at once"),
            (&["coffer:plugin/storage@0.1.0"], &[backend], "does not offer to its world"),
            (&["coffer:plugin/shell@0.1.0"], &[engine], "does not offer to its world"),
            (&["coffer:plugin/storage@0.9.0"], &[engine], "this host has version 0.1.0"),
            (&["wasi:http/outgoing-handler@0.2.0"], &[engine], "use `coffer:plugin/http`"),
            (&["wasi:cli/environment@0.3.0"], &[engine], "this host has 0.2 of it"),
            (&["wasi:nn/graph@0.2.0"], &[engine], "a library for another kind of host"),
            (&["acme:tools/hammer"], &[engine], "which the contract does not have"),
        ];
        for (imports, exports, expected) in table {
            let error = inspect(&component(imports, exports))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{imports:?} {exports:?}: {error}");
        }
    }

    #[test]
    fn what_is_no_component_is_refused_in_words() {
        let whole = component(
            &["coffer:plugin/storage@0.1.0"],
            &["coffer:plugin/engine@0.1.0"],
        );
        let cut = whole.get(..whole.len() - 3).unwrap();
        let garbled = [&whole[..], b"\x07\x01\xff"].concat();
        let module = wat::parse_str("(module)").unwrap();
        let large = vec![0; limits::COMPONENT + 1];
        #[rustfmt::skip]
        let table = [
            (cut, "truncated"), (&garbled, "malformed"), (&module, "core module"), (&large, "are allowed"), (b"PK\x03\x04", "not a WebAssembly component"),
        ];
        for (bytes, expected) in table {
            let error = inspect(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
