//! The one binary, with the built-in components inside.

use std::path::PathBuf;

use crate::components;
use crate::error::Result;
use crate::files::{human, size};
use crate::run;
use crate::workspace::{Profile, Workspace};

/// Builds all components, then `coffer` around them. Returns where it is.
///
/// # Errors
/// If anything does not build.
pub fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    components::build(workspace, profile, &[])?;
    run::run(workspace.cargo().args([
        "build",
        // The whole workspace, so that dependencies have the features that the tests build them with too.
        "--workspace",
        "--bin",
        "coffer",
        "--profile",
        profile.name(),
    ]))?;
    let binary = workspace.executable(profile, "coffer");
    println!("{}  {}", binary.display(), human(size(&binary)?));
    Ok(binary)
}
