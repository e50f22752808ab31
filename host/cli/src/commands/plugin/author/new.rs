//! `plugin new`: a project that builds, and whose tests pass, before anything is written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use coffer_manifest::{Kind, check_name};

use super::templates::{self, Language};
use super::{AuthorError, files};
use crate::error::{CliError, CliResult};
use crate::output;

/// `plugin new`.
#[derive(Args)]
pub struct New {
    /// Its name, in the catalog and of the folder
    name: String,
    /// What it is for
    #[arg(long, value_name = "KIND")]
    kind: KindArgument,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// Folder with the source of coffer-sdk, instead of the published crate [env: COFFER_SDK]
    #[arg(long, value_name = "FOLDER", env = "COFFER_SDK", hide_env = true)]
    sdk: Option<PathBuf>,
}

/// [`Kind`], as a flag.
#[derive(Clone, Copy, ValueEnum)]
enum KindArgument {
    Secret,
    Auth,
    Database,
}

impl From<KindArgument> for Kind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Secret => Self::Secret,
            KindArgument::Auth => Self::Auth,
            KindArgument::Database => Self::Database,
        }
    }
}

impl New {
    pub(super) fn run(self) -> CliResult {
        check_name(&self.name).map_err(AuthorError::Name)?;
        let folder = PathBuf::from(&self.name);
        if folder.symlink_metadata().is_ok() {
            return Err(AuthorError::Exists(folder).into());
        }
        let kind = Kind::from(self.kind);
        let sdk = match &self.sdk {
            Some(path) => Some(sdk(path)?),
            None => None,
        };
        let project = templates::project(self.lang, kind, &self.name, sdk.as_deref())
            .map_err(CliError::usage)?;
        for (path, text) in project {
            let path = folder.join(path);
            files::folder(path.parent().unwrap_or(&folder))?;
            files::create(&path, text.as_bytes(), 0o644)?;
        }
        output::line(&format!(
            "Success! {kind} plugin {:?} is in {}/. Next:\n\n  cd {}\n  coffer plugin test\n  coffer plugin run",
            self.name, self.name, self.name
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder of the SDK's crate: this one, or `sdk` in it.
fn sdk(path: &Path) -> Result<PathBuf, AuthorError> {
    let is_it = |folder: &Path| {
        let manifest: Option<toml::Table> = files::text(&folder.join("Cargo.toml"))
            .ok()
            .and_then(|text| text.parse().ok());
        let name = manifest
            .as_ref()
            .and_then(|manifest| manifest.get("package")?.get("name")?.as_str());
        name == Some("coffer-sdk")
    };
    [path.to_owned(), path.join("sdk")]
        .into_iter()
        .find(|folder| is_it(folder))
        .and_then(|folder| folder.canonicalize().ok())
        .ok_or_else(|| AuthorError::malformed(path)("this is not the source of coffer-sdk"))
}
