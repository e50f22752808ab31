//! `plugin sign`: a signature over a component's bytes, in a file beside it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;

use super::keys::SigningKey;
use super::{AuthorError, files};
use crate::error::CliResult;
use crate::output;

/// `plugin sign`.
#[derive(Args)]
pub struct Sign {
    /// The component
    file: PathBuf,
    /// PEM file with the private key, in PKCS#8: Ed25519 or ECDSA P-256
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the signature goes [default: the component's name with .sig]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

/// Where a component's signature is, unless somebody says otherwise.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

impl Sign {
    pub(super) fn run(self) -> CliResult {
        let key = SigningKey::load(&self.key)?;
        let component = files::read(&self.file)?;
        // Who signs something else has mistaken one file for another.
        coffer_runtime::inspect(&component).map_err(AuthorError::refused(&self.file))?;
        let signature = BASE64_STANDARD.encode(key.sign(&component)?);
        let to = self.signature.unwrap_or_else(|| beside(&self.file));
        files::write(&to, format!("{signature}\n").as_bytes())?;
        let by = coffer_core::fingerprint(&key.public()).map_err(AuthorError::Host)?;
        output::line(&format!(
            "Success! Signed {} by the key {by}: {}",
            self.file.display(),
            to.display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
