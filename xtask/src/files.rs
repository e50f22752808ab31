//! Files, written only when they change: what depends on them by time stamp is then not built again.

use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file unless it already has this content. Says whether it wrote.
///
/// # Errors
/// If the file or its folder cannot be written.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    // In one step, so that a build that runs at the same time never reads half a file.
    let whole = path.with_extension("new");
    std::fs::write(&whole, content).map_err(Error::file(&whole))?;
    std::fs::rename(&whole, path).map_err(Error::file(path))?;
    Ok(true)
}

/// A size as people read it.
pub fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// The size of a file, in bytes.
///
/// # Errors
/// If there is no such file.
pub fn size(path: &Path) -> Result<u64> {
    Ok(path.metadata().map_err(Error::file(path))?.len())
}
