//! A plugin's project: its folder, `coffer.toml`, and what Cargo says of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coffer_manifest::{Kind, Manifest, Needs};
use semver::Version;
use serde::Deserialize;

use super::{AuthorError, files};

const FILE: &str = "coffer.toml";

/// A project.
pub(super) struct Project {
    /// Its folder, absolute.
    pub(super) folder: PathBuf,
    /// What its `coffer.toml` says.
    pub(super) config: Config,
    /// What Cargo says of it, if it is in Rust.
    pub(super) cargo: Option<CargoProject>,
}

/// `coffer.toml`: a manifest, and how to build the component if it is not a Rust project.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    kind: Kind,
    name: String,
    /// Cargo's, unless it is said here.
    version: Option<Version>,
    #[serde(default)]
    description: String,
    login_name: Option<String>,
    #[serde(default)]
    needs: Needs,
    /// How another toolchain builds it.
    pub(super) build: Option<Build>,
    /// And tests it.
    pub(super) test: Option<Test>,
}

/// `[build]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    /// For the shell, in the project's folder.
    pub(super) command: String,
    /// What that leaves: a component or a core module.
    pub(super) output: PathBuf,
}

/// `[test]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// For the shell, in the project's folder.
    pub(super) command: String,
}

/// What Cargo says of a package.
pub(super) struct CargoProject {
    pub(super) manifest: PathBuf,
    version: Version,
    /// The folders of what it depends on beside itself.
    pub(super) beside: Vec<PathBuf>,
}

impl Project {
    /// The project in a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, AuthorError> {
        let file = folder.join(FILE);
        if !file.exists() {
            return Err(AuthorError::NoProject(folder.to_owned()));
        }
        let config: Config =
            toml::from_str(&files::text(&file)?).map_err(AuthorError::malformed(&file))?;
        coffer_manifest::check_name(&config.name).map_err(AuthorError::malformed(&file))?;
        let folder = folder
            .canonicalize()
            .map_err(AuthorError::malformed(folder))?;
        let cargo = match config.build {
            None if folder.join("Cargo.toml").exists() => Some(CargoProject::of(&folder)?),
            _ => None,
        };
        Ok(Self {
            folder,
            config,
            cargo,
        })
    }

    /// What it is for.
    pub(super) fn kind(&self) -> Kind {
        self.config.kind
    }

    /// Its name in the catalog.
    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Where its component goes.
    pub(super) fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.config.name))
    }

    /// What the component is to say of itself, with this version of the contract.
    pub(super) fn manifest(&self, contract: Version) -> Result<Manifest, AuthorError> {
        let file = self.folder.join(FILE);
        let wrong = |reason: String| AuthorError::malformed(&file)(reason);
        let of_cargo = self.cargo.as_ref().map(|cargo| &cargo.version);
        let version = match (&self.config.version, of_cargo) {
            (Some(own), Some(cargo)) if own != cargo => {
                return Err(wrong(format!(
                    "it says version {own}, but Cargo.toml says {cargo}; say it there only"
                )));
            }
            (Some(version), _) | (None, Some(version)) => version.clone(),
            (None, None) => return Err(wrong("it does not say the version".to_owned())),
        };
        let manifest = Manifest {
            kind: self.config.kind,
            name: self.config.name.clone(),
            version,
            contract: Some(contract),
            description: self.config.description.clone(),
            login_name: self.config.login_name.clone(),
            needs: self.config.needs.clone(),
        };
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }
}

/// Runs Cargo.
pub(super) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// For `map_err`: Cargo does not run.
pub(super) fn no_cargo(source: std::io::Error) -> AuthorError {
    AuthorError::Tool {
        program: "cargo".to_owned(),
        source,
        hint: "; Rust is installed from https://rustup.rs",
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    version: Version,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}

impl CargoProject {
    fn of(folder: &Path) -> Result<Self, AuthorError> {
        let manifest = folder.join("Cargo.toml");
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(folder)
            .stderr(Stdio::inherit())
            .output()
            .map_err(no_cargo)?;
        if !output.status.success() {
            return Err(AuthorError::Failed {
                program: "cargo metadata".to_owned(),
                status: output.status,
            });
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| AuthorError::Host(format!("cargo metadata: {error}")))?;
        let package = metadata
            .packages
            .into_iter()
            .find(|package| package.manifest_path == manifest)
            .ok_or_else(|| AuthorError::malformed(&manifest)("it has no [package]"))?;
        Ok(Self {
            manifest,
            version: package.version,
            beside: package
                .dependencies
                .into_iter()
                .filter_map(|dependency| dependency.path)
                .collect(),
        })
    }
}
