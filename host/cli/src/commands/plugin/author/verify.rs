//! `plugin verify`: whether a key signed a component, by the code that a server checks it with.

use std::path::PathBuf;

use clap::Args;
use coffer_core::Signature;
use serde_json::{Map, Value};

use super::{AuthorError, files, sign};
use crate::error::CliResult;
use crate::output::Output;

/// `plugin verify`.
#[derive(Args)]
pub struct Verify {
    /// The component
    file: PathBuf,
    /// PEM file with the public key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The signature [default: the component's name with .sig]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self, output: &Output) -> CliResult {
        let key = files::text(&self.key)?;
        coffer_core::fingerprint(&key).map_err(AuthorError::malformed(&self.key))?;
        let at = self.signature.unwrap_or_else(|| sign::beside(&self.file));
        let component = files::read(&self.file)?;
        let signature = Signature {
            signature: files::text(&at)?,
            payload: None,
            manifest: None,
        };
        let signer = coffer_core::signer(&component, &[signature], &[key])
            .map_err(AuthorError::refused(&at))?;
        let Some(signer) = signer else {
            return Err(AuthorError::refused(&self.file)(
                "the signature is by another key, or for something else",
            )
            .into());
        };
        let verified: Map<String, Value> = [
            ("key".to_owned(), signer.clone().into()),
            (
                "sha256".to_owned(),
                coffer_runtime::digest(&component).into(),
            ),
        ]
        .into_iter()
        .collect();
        let text = format!(
            "Success! {} was signed by the key {signer}\n",
            self.file.display()
        );
        output.object(&verified, || text)
    }
}
