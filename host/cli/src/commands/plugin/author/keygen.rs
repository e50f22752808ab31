//! `plugin keygen`: a pair of keys, in files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::keys::SigningKey;
use super::{AuthorError, files};
use crate::error::CliResult;
use crate::output;

/// `plugin keygen`.
#[derive(Args)]
pub struct Keygen {
    /// The files are this name with .key and .pub
    #[arg(long, value_name = "NAME", default_value = "author")]
    out: String,
}

impl Keygen {
    pub(super) fn run(self) -> CliResult {
        let private = PathBuf::from(format!("{}.key", self.out));
        let public = PathBuf::from(format!("{}.pub", self.out));
        // Never half a pair, and never one over another.
        if let Some(there) = [&private, &public].into_iter().find(|path| path.exists()) {
            return Err(AuthorError::Exists(there.clone()).into());
        }
        let (key, text) = SigningKey::generate()?;
        files::create(&private, text.as_bytes(), 0o600)?;
        files::create(&public, key.public().as_bytes(), 0o644)?;
        output::line(&format!(
            "Success! {} signs and stays with you; {} goes to those who check.",
            private.display(),
            public.display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
