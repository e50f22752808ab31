//! A component with its signatures, wherever it comes from: a file with a `.sig` beside it, or a registry.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::CliError;
use crate::oci;

/// A component and what signs it.
pub(super) struct Artifact {
    pub component: Vec<u8>,
    /// As the API takes them.
    pub signatures: Vec<Value>,
    /// Where it came from, for the catalog.
    pub source: String,
}

impl Artifact {
    /// From `oci://...`, or a file; with more signatures in these files.
    pub(super) fn find(source: &str, signatures: &[PathBuf]) -> Result<Self, CliError> {
        let mut artifact = match source.strip_prefix("oci://") {
            Some(reference) => {
                let pulled = oci::pull(reference).map_err(CliError::Refused)?;
                Self {
                    component: pulled.component,
                    signatures: pulled.signatures,
                    source: format!("oci://{}", pulled.reference),
                }
            }
            None => Self::read(Path::new(source))?,
        };
        for file in signatures {
            artifact.signatures.extend(read_signatures(file)?);
        }
        Ok(artifact)
    }

    fn read(file: &Path) -> Result<Self, CliError> {
        let component =
            super::super::read_component(file).map_err(|error| unreadable(file, &error))?;
        let beside = signature_file(file);
        let signatures = match beside.is_file() {
            true => read_signatures(&beside)?,
            false => Vec::new(),
        };
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            component,
            signatures,
            source: name.unwrap_or_default(),
        })
    }

    /// Writes the component, and its signatures beside it.
    pub(super) fn write(&self, file: &Path) -> Result<(), CliError> {
        let write = |file: &Path, bytes: &[u8]| {
            std::fs::write(file, bytes)
                .map_err(|error| CliError::usage(format!("{}: {error}", file.display())))
        };
        write(file, &self.component)?;
        if !self.signatures.is_empty() {
            let text = format!("{}\n", json!(self.signatures));
            write(&signature_file(file), text.as_bytes())?;
        }
        Ok(())
    }
}

/// Where the signatures of a file are.
pub(super) fn signature_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

fn unreadable(file: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format!("{} cannot be read: {error}", file.display()))
}

/// One signature in base64, as `sign` writes it; or a list of them in JSON, as `save` and `pull` do.
fn read_signatures(file: &Path) -> Result<Vec<Value>, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text)
            .map_err(|error| CliError::usage(format!("{}: {error}", file.display())));
    }
    Ok(vec![json!({ "signature": text.trim() })])
}
