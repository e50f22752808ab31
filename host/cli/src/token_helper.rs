//! The token kept between commands, in `~/.vault-token`: the file that Vault's tools share.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::error::CliError;

fn path() -> Result<PathBuf, CliError> {
    let home = std::env::home_dir()
        .ok_or_else(|| CliError::usage("No home directory to keep the token in"))?;
    Ok(home.join(".vault-token"))
}

/// The stored token.
///
/// # Errors
/// If there is a file that cannot be read.
pub fn load() -> Result<Option<Zeroizing<String>>, CliError> {
    let Ok(path) = path() else { return Ok(None) };
    match std::fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => {
            Ok(Some(Zeroizing::new(text.trim().to_owned())).filter(|token| !token.is_empty()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::Usage(format!(
            "Error reading the token in {}: {error}",
            path.display()
        ))),
    }
}

/// Stores a token for the next commands, readable by nobody else.
///
/// # Errors
/// If the file cannot be written.
pub fn store(token: &str) -> Result<(), CliError> {
    let path = path()?;
    let failed = |error: std::io::Error| {
        CliError::Usage(format!(
            "Error storing the token in {}: {error}",
            path.display()
        ))
    };
    // A new file in the old one's place: an old one may have wider permissions, or be open elsewhere.
    let fresh = path.with_extension(format!("tmp{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&fresh)
        .and_then(|mut file| file.write_all(token.as_bytes()))
        .and_then(|()| std::fs::rename(&fresh, &path));
    if written.is_err() {
        std::fs::remove_file(&fresh).ok();
    }
    written.map_err(failed)
}
