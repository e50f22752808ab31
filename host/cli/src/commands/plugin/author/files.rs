//! Files, with errors that name them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::AuthorError;

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AuthorError + use<> {
    let path = path.to_owned();
    move |source| AuthorError::File {
        doing,
        path,
        source,
    }
}

/// A component's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, AuthorError> {
    super::super::read_component(path).map_err(failed("reading", path))
}

/// A file's text.
pub(super) fn text(path: &Path) -> Result<String, AuthorError> {
    std::fs::read_to_string(path).map_err(failed("reading", path))
}

/// A file's text, which is a secret.
pub(super) fn secret(path: &Path) -> Result<Zeroizing<String>, AuthorError> {
    text(path).map(Zeroizing::new)
}

/// Writes a file, or leaves the one that is there: a reader never sees half of it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), AuthorError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    std::fs::write(&new, bytes).map_err(failed("writing", &new))?;
    std::fs::rename(&new, path).map_err(failed("writing", path))
}

/// Makes a folder, and those above it.
pub(super) fn folder(path: &Path) -> Result<(), AuthorError> {
    std::fs::create_dir_all(path).map_err(failed("making", path))
}

/// Writes a file that is not there yet, with this mode.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => AuthorError::Exists(path.to_owned()),
            _ => failed("writing", path)(error),
        })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed("writing", path))
}
