//! `plugin build`: from a project, or from a component that another toolchain has made, to a component with its manifest
//! inside.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use super::project::Project;
use super::{AuthorError, encode, files, guest};
use crate::error::CliResult;
use crate::output;

/// `plugin build`.
#[derive(Args)]
pub struct BuildArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the component goes [default: the plugin's name with .wasm, in the folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A component that another tool has built: it gets its manifest and nothing else is done to it
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
}

/// How much the compiler is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// The component is for others.
    Release,
    /// Its author waits for it.
    Quick,
}

/// A built component.
pub(super) struct Built {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl BuildArgs {
    pub(super) fn run(self) -> CliResult {
        let project = Project::open(&self.folder)?;
        let built = match &self.component {
            Some(file) => finish(&project, file, files::read(file)?)?,
            None => component(&project, Effort::Release)?,
        };
        let to = self.out.unwrap_or_else(|| project.component());
        files::write(&to, &built)?;
        output::line(&format!(
            "Success! Built {} ({} KiB, sha256 {})",
            shown(&to).display(),
            built.len().div_ceil(1024),
            coffer_runtime::digest(&built)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// A path as short as it can be from here.
pub(super) fn shown(path: &Path) -> &Path {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path)
}

/// Builds a project, and writes its component where it belongs.
pub(super) fn build(project: &Project) -> Result<Built, AuthorError> {
    let (path, bytes) = (project.component(), component(project, Effort::Release)?);
    files::write(&path, &bytes)?;
    Ok(Built { path, bytes })
}

/// Builds a project's component.
pub(super) fn component(project: &Project, effort: Effort) -> Result<Vec<u8>, AuthorError> {
    // What disagrees is better known before the compiler has worked.
    project.manifest(coffer_runtime::CONTRACT_VERSION)?;
    let output = match (&project.config.build, &project.cargo) {
        (Some(build), _) => {
            run(project, &build.command)?;
            project.folder.join(&build.output)
        }
        (None, Some(cargo)) => guest::compile(&project.folder, cargo, effort)?,
        (None, None) => {
            return Err(AuthorError::malformed(&project.folder)(
                "coffer.toml has no [build], and there is no Cargo.toml; with -component, a component of another tool is taken",
            ));
        }
    };
    let bytes = files::read(&output)?;
    finish(project, &output, bytes)
}

/// Runs a project's own command.
pub(super) fn run(project: &Project, command: &str) -> Result<(), AuthorError> {
    let program = || format!("`{command}`");
    // What it says is for the author, but not part of what this command answers.
    let said = std::io::stderr();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(&project.folder);
    let status = shell
        .stdout(Stdio::from(said))
        .status()
        .map_err(|source| AuthorError::Tool {
            program: program(),
            source,
            hint: "",
        })?;
    if !status.success() {
        return Err(AuthorError::Failed {
            program: program(),
            status,
        });
    }
    Ok(())
}

/// Encodes what is still a core module, and writes the manifest into the component.
fn finish(project: &Project, file: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, AuthorError> {
    let component = match encode::is_module(&bytes) {
        true => encode::encode(bytes, project.kind()).map_err(AuthorError::refused(file))?,
        false => bytes,
    };
    let inspection = coffer_runtime::inspect(&component).map_err(AuthorError::refused(file))?;
    let manifest = project.manifest(inspection.contract)?;
    manifest
        .embed(&component)
        .map_err(AuthorError::refused(file))
}
