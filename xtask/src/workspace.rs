//! The workspace as cargo sees it: where things lie, and which crates are plugins.

use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_manifest::{Kind, Manifest, Needs};
use semver::Version;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::run;

/// The contract that the plugins here are built against.
const CONTRACT: Version = Version::new(0, 1, 0);

/// How the host is built. Components are always built with the profile `component`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Development,
    /// As it is shipped.
    Release,
}

impl Profile {
    /// From a `--release` flag.
    pub fn new(release: bool) -> Self {
        if release {
            Self::Release
        } else {
            Self::Development
        }
    }

    /// Its name for cargo's `--profile`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "dev",
            Self::Release => "release",
        }
    }

    /// Its folder below the target directory.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Development => "debug",
            Self::Release => "release",
        }
    }
}

/// A crate of `plugins/` that becomes a component.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its crate.
    pub package: String,
    /// The stem of the module that cargo makes of it.
    pub library: String,
    /// What its component says of itself: its name in the catalog, its kind, its version, what it asks for.
    pub manifest: Manifest,
    /// Whether it is part of the host's executable. Others are made to be loaded.
    pub embed: bool,
}

/// Where things lie.
#[derive(Debug)]
pub struct Workspace {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// Every plugin, in order of name.
    pub plugins: Vec<Plugin>,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Version,
    #[serde(default)]
    description: Option<String>,
    metadata: Option<Table>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Table {
    coffer: Option<CatalogEntry>,
}

#[derive(Deserialize)]
struct CatalogEntry {
    name: String,
    kind: Kind,
    #[serde(default)]
    login_name: Option<String>,
    #[serde(default)]
    needs: Needs,
    #[serde(default = "yes")]
    embed: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// If cargo fails, or a plugin's manifest is not what it should be.
    pub fn find() -> Result<Self> {
        let text = run::output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: Metadata = serde_json::from_str(&text)
            .map_err(|error| Error::other(format!("cargo metadata: {error}")))?;
        let mut plugins = metadata
            .packages
            .into_iter()
            .filter_map(plugin)
            .collect::<Result<Vec<_>>>()?;
        plugins.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            plugins,
        })
    }

    /// A file of a component: always in the repository, wherever cargo builds, for the host's build to find.
    pub fn component(&self, plugin: &Plugin, extension: &str) -> PathBuf {
        let folder = if plugin.embed {
            "target/components"
        } else {
            "target/plugins"
        };
        self.root
            .join(folder)
            .join(format!("{}.{extension}", plugin.manifest.name))
    }

    /// An executable that cargo built.
    pub fn executable(&self, profile: Profile, name: &str) -> PathBuf {
        self.target
            .join(profile.folder())
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Cargo, in the repository.
    pub fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }
}

/// The cargo that runs us.
fn cargo() -> Command {
    Command::new(
        std::env::var_os("CARGO")
            .as_deref()
            .unwrap_or("cargo".as_ref()),
    )
}

/// The crate as a plugin: None if it has no `[package.metadata.coffer]`.
fn plugin(package: Package) -> Option<Result<Plugin>> {
    let entry = package.metadata?.coffer?;
    let Some(library) = package
        .targets
        .iter()
        .find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    else {
        return Some(Err(Error::other(format!(
            "{}: a plugin needs `crate-type = [\"cdylib\", \"rlib\"]`",
            package.name
        ))));
    };
    let manifest = Manifest {
        kind: entry.kind,
        name: entry.name,
        version: package.version,
        contract: Some(CONTRACT),
        description: package.description.unwrap_or_default(),
        login_name: entry.login_name,
        needs: entry.needs,
    };
    if let Err(reason) = manifest.check() {
        return Some(Err(Error::other(format!("{}: {reason}", package.name))));
    }
    Some(Ok(Plugin {
        library: library.name.replace('-', "_"),
        package: package.name,
        manifest,
        embed: entry.embed,
    }))
}

/// Where a file of this name is on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_file(file))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
