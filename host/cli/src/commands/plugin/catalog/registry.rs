//! `plugin push` and `plugin pull`: OCI registries. They need no server; a server never talks to a registry.

use std::path::PathBuf;

use clap::Args;
use coffer_manifest::Manifest;

use super::artifact::Artifact;
use crate::commands::Context;
use crate::error::{CliError, CliResult};
use crate::oci;

/// `plugin push`.
#[derive(Args)]
pub struct Push {
    /// The component, as `plugin build` made it
    #[arg(value_name = "FILE_OR_REFERENCE", num_args = 1..=2, required = true)]
    places: Vec<String>,
    /// A file with a signature; the one beside the component is found by itself
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
}

impl Push {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let (file, reference) = match self.places.as_slice() {
            [file, reference] if reference.starts_with("oci://") => (file, reference),
            [reference] if reference.starts_with("oci://") => {
                return Err(CliError::usage(format!(
                    "which file is to be pushed to {reference}? coffer plugin push FILE {reference}"
                )));
            }
            _ => {
                return Err(CliError::usage(
                    "coffer plugin push FILE oci://registry/name:tag",
                ));
            }
        };
        let artifact = Artifact::find(file, &self.signature)?;
        let manifest = Manifest::read(&artifact.component)
            .map_err(|error| CliError::usage(format!("{file}: {error}")))?
            .ok_or_else(|| CliError::usage(format!("{file}: it has no manifest")))?;
        let reference = reference.trim_start_matches("oci://");
        let pushed = oci::push(
            reference,
            artifact.component,
            &artifact.signatures,
            &manifest,
        )
        .map_err(CliError::Refused)?;
        context.done(&format!("Success! Pushed oci://{pushed}"))
    }
}

/// `plugin pull`.
#[derive(Args)]
pub struct Pull {
    /// oci://registry/name:tag, or with @sha256:... for exactly one
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Where to; signatures go beside it, as FILE.sig
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Pull {
    pub(super) fn run(self, context: &Context) -> CliResult {
        if !self.reference.starts_with("oci://") {
            return Err(CliError::usage(
                "coffer plugin pull oci://registry/name:tag",
            ));
        }
        let artifact = Artifact::find(&self.reference, &[])?;
        let file = match self.out {
            Some(file) => file,
            None => {
                let name = Manifest::read(&artifact.component).ok().flatten();
                let name = name.map_or_else(|| "plugin".to_owned(), |manifest| manifest.name);
                format!("{name}.wasm").into()
            }
        };
        artifact.write(&file)?;
        context.done(&format!(
            "Success! Wrote {} from {}",
            file.display(),
            artifact.source
        ))
    }
}
