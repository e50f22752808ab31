//! `plugin inspect`: all that a component says of itself.

use std::path::PathBuf;

use clap::Args;
use coffer_runtime::{BackendDescription, Inspection, PluginDescription};
use serde_json::{Map, Value, json};

use super::{files, proof};
use crate::error::CliResult;
use crate::output::{Output, pairs, plain, table};

/// `plugin inspect`.
#[derive(Args)]
pub struct Inspect {
    /// The component
    file: PathBuf,
}

impl Inspect {
    pub(super) fn run(self, output: &Output) -> CliResult {
        let bytes = files::read(&self.file)?;
        let proof = proof::prove(&self.file, &bytes)?;
        let mut about = Map::new();
        about.insert("size".to_owned(), json!(bytes.len()));
        about.insert("sha256".to_owned(), json!(proof.sha256));
        of_binary(&mut about, &proof.inspection);
        if let Some(plugin) = proof.component.plugin() {
            of_plugin(&mut about, plugin);
        }
        if let Some(backend) = proof.component.backend() {
            of_backend(&mut about, backend);
        }
        output.object(&about, || for_people(&about))
    }
}

fn of_binary(about: &mut Map<String, Value>, inspection: &Inspection) {
    let mut put = |key: &str, value: Value| about.insert(key.to_owned(), value);
    put("contract", json!(inspection.contract));
    put("wasi", json!(inspection.uses_wasi()));
    put("imports", json!(inspection.imports));
    let manifest = inspection.manifest.as_ref();
    put("manifest", json!(manifest.is_some()));
    if let Some(manifest) = manifest {
        put("kind", json!(manifest.kind));
        put("name", json!(manifest.name));
        put("version", json!(manifest.version));
        put("description", json!(manifest.description));
        put("needs", json!(manifest.needs.capabilities()));
        if let Some(field) = &manifest.login_name {
            put("login_name", json!(field));
        }
    }
}

/// Where there is a manifest, the name is what that says: the catalog goes by it.
fn of_itself(about: &mut Map<String, Value>, kind: &str, name: &str, version: &str, help: &str) {
    for (key, value) in [("kind", kind), ("name", name), ("version", version)] {
        about.entry(key).or_insert_with(|| json!(value));
    }
    about.insert("help".to_owned(), json!(help));
}

/// The last word of what Rust calls it: `Operation::Read` is `read`.
fn word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let last = text.rsplit("::").next().unwrap_or_default();
    let mut out = String::new();
    for (at, letter) in last.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn of_plugin(about: &mut Map<String, Value>, plugin: &PluginDescription) {
    let kind = word(&plugin.kind);
    of_itself(about, &kind, &plugin.name, &plugin.version, &plugin.help);
    let paths = plugin.paths.iter().map(|path| {
        let fields = path.fields.iter().map(|field| {
            json!({
                "name": field.name,
                "type": word(&field.kind),
                "help": field.help,
                "required": field.required,
                "deprecated": field.deprecated,
                "destination": field.destination,
            })
        });
        json!({
            "pattern": path.pattern,
            "operations": path.operations.iter().map(word).collect::<Vec<_>>(),
            "help": path.help,
            "unauthenticated": path.unauthenticated,
            "sudo": path.sudo,
            "fields": fields.collect::<Vec<_>>(),
        })
    });
    about.insert("paths".to_owned(), paths.collect());
    about.insert("tick".to_owned(), json!(plugin.tick));
}

fn of_backend(about: &mut Map<String, Value>, backend: &BackendDescription) {
    of_itself(
        about,
        "database",
        &backend.name,
        &backend.version,
        &backend.help,
    );
    let mut put = |key: &str, value: Value| about.insert(key.to_owned(), value);
    put("destination_fields", json!(backend.destination_fields));
    put("default_port", json!(backend.default_port));
    put("secret_fields", json!(backend.secret_fields));
}

fn for_people(about: &Map<String, Value>) -> String {
    const KEYS: [&str; 16] = [
        "kind",
        "name",
        "version",
        "description",
        "help",
        "contract",
        "manifest",
        "needs",
        "login_name",
        "wasi",
        "destination_fields",
        "default_port",
        "secret_fields",
        "tick",
        "size",
        "sha256",
    ];
    let shown = |value: &Value| match value {
        Value::Array(all) if all.is_empty() => "nothing".to_owned(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => plain(other),
    };
    let rows: Vec<_> = KEYS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), shown(about.get(*key)?))))
        .collect();
    let mut text = pairs(&rows);
    let each = |key: &str| {
        about
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let imports: Vec<_> = each("imports").map(|import| vec![plain(import)]).collect();
    text.push('\n');
    text.push_str(&table(&["Imports"], &imports));
    let paths: Vec<_> = each("paths")
        .map(|path| {
            let cell = |key: &str| path.get(key).map(&shown).unwrap_or_default();
            vec![cell("pattern"), cell("operations"), cell("help")]
        })
        .collect();
    if !paths.is_empty() {
        text.push('\n');
        text.push_str(&table(&["Path", "Operations", "Help"], &paths));
    }
    text
}
