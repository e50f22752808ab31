//! `plugin check`: would a server take it?

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::project::Project;
use super::{AuthorError, build, files, proof};
use crate::error::CliResult;
use crate::output::{self, Output};

/// `plugin check`.
#[derive(Args)]
pub struct Check {
    /// The component [default: that of the project in this folder, which is built first]
    file: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self, output: &Output) -> CliResult {
        let (path, bytes) = match self.file {
            // A project's folder is as good as being in it.
            Some(folder) if folder.is_dir() => built(&folder)?,
            Some(file) => (file.clone(), files::read(&file)?),
            None => built(Path::new("."))?,
        };
        let path = build::shown(&path);
        let proof = proof::prove(path, &bytes)?;
        let manifest = proof.inspection.manifest.ok_or_else(|| {
            AuthorError::refused(path)(
                "it has no manifest, so it cannot be registered; `coffer plugin build` writes one into it",
            )
        })?;
        let (own, paths) = match (proof.component.plugin(), proof.component.backend()) {
            (Some(plugin), _) => (plugin.name.clone(), plugin.paths.len()),
            (None, Some(backend)) => (backend.name.clone(), 0),
            (None, None) => (String::new(), 0),
        };
        if own != manifest.name {
            output::complain(&format!(
                "WARNING! It calls itself {own:?}, but its manifest says {:?}; the catalog goes by the manifest.\n",
                manifest.name
            ));
        }
        let answer: Map<String, Value> = [
            ("kind".to_owned(), json!(manifest.kind)),
            ("name".to_owned(), json!(manifest.name)),
            ("version".to_owned(), json!(manifest.version)),
            ("paths".to_owned(), json!(paths)),
            ("sha256".to_owned(), json!(proof.sha256)),
        ]
        .into_iter()
        .collect();
        let with = match paths {
            0 => String::new(),
            1 => ", 1 path".to_owned(),
            count => format!(", {count} paths"),
        };
        let text = format!(
            "ok: {} plugin {} {}{with}\n",
            manifest.kind, manifest.name, manifest.version
        );
        output.object(&answer, || text)
    }
}

fn built(folder: &Path) -> Result<(PathBuf, Vec<u8>), AuthorError> {
    let built = build::build(&Project::open(folder)?)?;
    Ok((built.path, built.bytes))
}
