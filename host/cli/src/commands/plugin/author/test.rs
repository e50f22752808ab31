//! `plugin test`: the project's own tests, natively, over the SDK's host in memory.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::AuthorError;
use super::project::{Project, cargo, no_cargo};
use crate::error::CliResult;

/// `plugin test`.
#[derive(Args)]
pub struct Test {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Only tests whose names contain this
    filter: Option<String>,
}

impl Test {
    pub(super) fn run(self) -> CliResult {
        let project = Project::open(&self.folder)?;
        if project.cargo.is_none() {
            return Err(AuthorError::malformed(&project.folder)(
                "only the tests of Rust projects are known; run the others with their own tool",
            )
            .into());
        }
        let status = cargo()
            .arg("test")
            .args(self.filter)
            .current_dir(&project.folder)
            .status()
            .map_err(no_cargo)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(1)))
    }
}
