//! `plugin test`: the project's own tests, twice: natively, over the SDK's host in memory; and against the built component, in
//! the sandbox of this very executable.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::project::{Project, cargo, no_cargo};
use super::{AuthorError, build, proof};
use crate::error::{CliError, CliResult};
use crate::output;

/// `plugin test`.
#[derive(Args)]
pub struct Test {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Only tests whose names contain this
    filter: Option<String>,
    /// Only natively
    #[arg(long)]
    native: bool,
}

impl Test {
    pub(super) fn run(self) -> CliResult {
        let project = Project::open(&self.folder)?;
        if project.cargo.is_none() {
            let Some(test) = &project.config.test else {
                return Err(AuthorError::malformed(&project.folder)(
                    "coffer.toml has no [test] with a command, and there is no Cargo.toml",
                )
                .into());
            };
            build::run(&project, &test.command)?;
            if !self.native {
                let built = build::build(&project)?;
                proof::prove(build::shown(&built.path), &built.bytes)?;
                output::complain("And the built component says of itself what it should.");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let natively = self.cargo_test(&project, None)?;
        if natively != ExitCode::SUCCESS || self.native {
            return Ok(natively);
        }
        build::build(&project)?;
        output::complain("Once more, against the built component:");
        self.cargo_test(&project, Some(&project.component()))
    }

    /// The tests, against a component if one is given.
    fn cargo_test(
        &self,
        project: &Project,
        component: Option<&Path>,
    ) -> Result<ExitCode, CliError> {
        let mut command = cargo();
        command
            .arg("test")
            .args(&self.filter)
            .current_dir(&project.folder)
            .env_remove("COFFER_COMPONENT");
        if let Some(component) = component {
            let component = std::path::absolute(component).unwrap_or_else(|_| component.to_owned());
            command.env("COFFER_COMPONENT", component);
            if let Ok(coffer) = std::env::current_exe() {
                command.env("COFFER", coffer);
            }
        }
        let status = command.status().map_err(no_cargo)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(1)))
    }
}
