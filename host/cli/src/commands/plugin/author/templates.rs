//! What `plugin new` writes: the files of `host/cli/templates`, with the names filled in.

use std::path::Path;

use clap::ValueEnum;
use coffer_manifest::Kind;

use super::contract;

/// What a plugin is written in.
#[derive(Clone, Copy, ValueEnum)]
pub enum Language {
    /// Rust.
    Rust,
    /// JavaScript.
    #[value(alias = "javascript")]
    Js,
    /// Python.
    #[value(alias = "py")]
    Python,
    /// Go.
    #[value(alias = "golang")]
    Go,
}

/// Where a file goes, and what is in it.
pub(super) type File = (&'static str, String);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path))
    };
}

type Texts = &'static [(&'static str, &'static str)];

/// Projects in a language that is not the server's own.
struct Foreign {
    common: Texts,
    secret: Texts,
    auth: Texts,
    database: Texts,
    /// What its toolchain makes bindings of, if there is no SDK that has them.
    contract: Texts,
}

const JS: Foreign = Foreign {
    common: &[
        ("package.json", template!("js/package.json.in")),
        ("coffer.toml", template!("js/coffer.toml")),
        ("README.md", template!("js/README.md")),
        (".gitignore", template!("js/gitignore")),
        ("host.js", template!("js/host.js")),
    ],
    secret: &[
        ("plugin.js", template!("js/secret/plugin.js")),
        ("plugin.test.js", template!("js/secret/plugin.test.js")),
    ],
    auth: &[
        ("plugin.js", template!("js/auth/plugin.js")),
        ("plugin.test.js", template!("js/auth/plugin.test.js")),
    ],
    database: &[
        ("plugin.js", template!("js/database/plugin.js")),
        ("plugin.test.js", template!("js/database/plugin.test.js")),
    ],
    contract: &contract::FILES,
};

const PYTHON: Foreign = Foreign {
    common: &[
        ("requirements.txt", template!("python/requirements.txt")),
        ("coffer.toml", template!("python/coffer.toml")),
        ("README.md", template!("python/README.md")),
        (".gitignore", template!("python/gitignore")),
        ("host.py", template!("python/host.py")),
    ],
    secret: &[
        ("plugin.py", template!("python/secret/plugin.py")),
        ("test_plugin.py", template!("python/secret/test_plugin.py")),
    ],
    auth: &[
        ("plugin.py", template!("python/auth/plugin.py")),
        ("test_plugin.py", template!("python/auth/test_plugin.py")),
    ],
    database: &[
        ("plugin.py", template!("python/database/plugin.py")),
        (
            "test_plugin.py",
            template!("python/database/test_plugin.py"),
        ),
    ],
    contract: &contract::FILES,
};

const GO: Foreign = Foreign {
    common: &[
        ("go.mod", template!("go/go.mod.in")),
        ("coffer.toml", template!("go/coffer.toml")),
        ("README.md", template!("go/README.md")),
        (".gitignore", template!("go/gitignore")),
    ],
    secret: &[
        ("plugin.go", template!("go/secret/plugin.go")),
        ("plugin_test.go", template!("go/secret/plugin_test.go")),
    ],
    auth: &[
        ("plugin.go", template!("go/auth/plugin.go")),
        ("plugin_test.go", template!("go/auth/plugin_test.go")),
    ],
    database: &[
        ("plugin.go", template!("go/database/plugin.go")),
        ("plugin_test.go", template!("go/database/plugin_test.go")),
    ],
    contract: &[],
};

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
            # pod = true                          # the token of the pod that the server runs in\n\
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
    match language {
        Language::Rust => rust(kind, name, sdk),
        Language::Js => Ok(foreign(&JS, kind, name, sdk)),
        Language::Python => Ok(foreign(&PYTHON, kind, name, sdk)),
        Language::Go => Ok(foreign(&GO, kind, name, sdk)),
    }
}

fn foreign(language: &Foreign, kind: Kind, name: &str, sdk: Option<&Path>) -> Vec<File> {
    // Go's SDK is in a folder of the Rust one's.
    let replace = sdk.map_or_else(String::new, |sdk| {
        let sdk = sdk.join("go");
        format!(
            "\nreplace github.com/coffer-dev/coffer/sdk/go => {}\n",
            sdk.display()
        )
    });
    let (sources, usage) = match kind {
        Kind::Secret => (language.secret, template!("secret-usage.md")),
        Kind::Auth => (language.auth, AUTH.usage),
        Kind::Database => (language.database, template!("database-usage.md")),
    };
    let (world, needs) = match kind {
        Kind::Secret | Kind::Auth => ("plugin", "keys = [\"mac\"]"),
        Kind::Database => ("database", DATABASE.needs),
    };
    let fill = |text: &str| {
        text.replace("@usage@", usage.trim_end())
            .replace("@description@", of(kind).description)
            .replace("@needs@", needs)
            .replace("@world@", world)
            .replace("@kind@", kind.name())
            .replace("@crate@", &package(name))
            .replace("@replace@\n", &replace)
            .replace("@name@", name)
    };
    let own = language.common.iter().chain(sources);
    let own = own.map(|(path, text)| (*path, fill(text)));
    let contract = language
        .contract
        .iter()
        .map(|(path, text)| (*path, (*text).to_owned()));
    own.chain(contract).collect()
}

fn rust(kind: Kind, name: &str, sdk: Option<&Path>) -> Result<Vec<File>, String> {
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

/// The crate, or the package, of a plugin of this name. Cargo and npm are choosier about names than the catalog.
fn package(name: &str) -> String {
    format!("coffer-plugin-{}", name.to_lowercase().replace('.', "-"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_left_open() {
        for language in Language::value_variants() {
            for kind in Kind::ALL {
                is_filled(&project(*language, kind, "My.Plugin-1", None).unwrap());
            }
        }
        let files = project(Language::Rust, Kind::Secret, "My.Plugin-1", None).unwrap();
        let (_, cargo) = files.first().unwrap();
        let cargo: toml::Table = cargo.parse().unwrap();
        let name = cargo["package"]["name"].as_str();
        assert_eq!(name, Some("coffer-plugin-my-plugin-1"));
    }

    fn is_filled(files: &[File]) {
        let names = [
            "name",
            "kind",
            "crate",
            "sdk",
            "replace",
            "world",
            "usage",
            "needs",
            "description",
        ];
        for (path, text) in files {
            let open = text.split('@').skip(1).step_by(2);
            assert!(open.clone().all(|word| !names.contains(&word)), "{path}");
            assert!(text.ends_with('\n'), "{path}");
        }
    }
}
