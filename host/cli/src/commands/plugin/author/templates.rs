//! What `plugin new` writes: the files of `host/cli/templates`, with the names filled in.

use std::path::Path;

use clap::ValueEnum;
use coffer_manifest::Kind;

/// What a plugin is written in.
#[derive(Clone, Copy, ValueEnum)]
pub enum Language {
    /// Rust.
    Rust,
}

/// Where a file goes, and what is in it.
pub(super) type File = (&'static str, String);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path))
    };
}

/// What differs from kind to kind.
struct OfKind {
    description: &'static str,
    needs: &'static str,
    usage: &'static str,
    dependencies: &'static str,
    sources: &'static [(&'static str, &'static str)],
}

const SECRET: OfKind = OfKind {
    description: "API keys that are good until their lease ends.",
    needs: "# network = [\"api.example.com:443\"]   # hosts that it connects to\n\
            # periodic = true                     # work that it does by itself\n\
            # memory = 134217728                  # bytes, of one instance\n\
            # deadline = 60                       # seconds, of one call",
    usage: template!("rust/secret/usage.md"),
    dependencies: "serde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\nsha2 = \"0.10\"\n",
    sources: &[
        ("src/lib.rs", template!("rust/secret/lib.rs")),
        ("src/tests.rs", template!("rust/secret/tests.rs")),
    ],
};

const AUTH: OfKind = OfKind {
    description: "Logins with a shared key.",
    needs: SECRET.needs,
    usage: template!("rust/auth/usage.md"),
    dependencies: "serde = { version = \"1\", features = [\"derive\"] }\nsha2 = \"0.10\"\nsubtle = \"2\"\n",
    sources: &[
        ("src/lib.rs", template!("rust/auth/lib.rs")),
        ("src/tests.rs", template!("rust/auth/tests.rs")),
    ],
};

const DATABASE: OfKind = OfKind {
    description: "Users of a server.",
    needs: "# Where the operator's configuration says: the destination fields that it declares.\n\
            network = [\"configuration\"]",
    usage: template!("rust/database/usage.md"),
    dependencies: "serde_json = \"1\"\n",
    sources: &[
        ("src/lib.rs", template!("rust/database/lib.rs")),
        ("src/remote.rs", template!("rust/database/remote.rs")),
        ("src/tests.rs", template!("rust/database/tests.rs")),
    ],
};

fn of(kind: Kind) -> &'static OfKind {
    match kind {
        Kind::Secret => &SECRET,
        Kind::Auth => &AUTH,
        Kind::Database => &DATABASE,
    }
}

/// A project's files.
pub(super) fn project(
    language: Language,
    kind: Kind,
    name: &str,
    sdk: Option<&Path>,
) -> Result<Vec<File>, String> {
    let Language::Rust = language;
    let own = of(kind);
    let sdk = match sdk {
        None => "\"0.1\"".to_owned(),
        Some(path) => {
            let path = path.to_str().ok_or("the SDK's path is not text")?;
            // Text in JSON is text in TOML.
            format!("{{ path = {} }}", serde_json::Value::from(path))
        }
    };
    let all = [
        ("Cargo.toml", template!("rust/Cargo.toml.in")),
        ("coffer.toml", template!("rust/coffer.toml")),
        ("README.md", template!("rust/README.md")),
        (".gitignore", template!("rust/gitignore")),
    ];
    let fill = |text: &str| {
        text.replace("@usage@", own.usage.trim_end())
            .replace("@dependencies@", own.dependencies)
            .replace("@needs@", own.needs)
            .replace("@description@", own.description)
            .replace("@kind@", kind.name())
            .replace("@crate@", &package(name))
            .replace("@sdk@", &sdk)
            .replace("@name@", name)
    };
    let sources = own.sources.iter().copied();
    Ok(all
        .into_iter()
        .chain(sources)
        .map(|(path, text)| (path, fill(text)))
        .collect())
}

/// The crate of a plugin of this name. Cargo is choosier about names than the catalog.
fn package(name: &str) -> String {
    format!("coffer-plugin-{}", name.to_lowercase().replace('.', "-"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_left_open() {
        for kind in Kind::ALL {
            let files = project(Language::Rust, kind, "My.Plugin-1", None).unwrap();
            for (path, text) in &files {
                let open = text.split('@').skip(1).step_by(2);
                let names = [
                    "name",
                    "kind",
                    "crate",
                    "sdk",
                    "usage",
                    "needs",
                    "description",
                ];
                assert!(open.clone().all(|word| !names.contains(&word)), "{path}");
                assert!(text.ends_with('\n'), "{path}");
            }
            let (_, cargo) = files.first().unwrap();
            let cargo: toml::Table = cargo.parse().unwrap();
            let name = cargo["package"]["name"].as_str();
            assert_eq!(name, Some("coffer-plugin-my-plugin-1"));
        }
    }
}
