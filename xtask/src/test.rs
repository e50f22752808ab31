//! Every test, with everything that the tests need.

use crate::error::Result;
use crate::workspace::{Profile, Workspace};
use crate::{binary, run, setup};

/// Builds the components and the binary, finds or installs what the suites drive, and runs them.
///
/// # Errors
/// If anything does not build, or a test fails.
pub fn test(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    setup::postgres(workspace)?;
    setup::typescript_app(workspace)?;
    binary::build(workspace, Profile::Development)?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).args(filter);
    run::run(&mut cargo)
}
