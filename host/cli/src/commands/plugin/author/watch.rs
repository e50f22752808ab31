//! Which files of a project were saved: looked at every so often, which every file system knows how to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders that tools fill, and nobody edits.
const NOT_SOURCE: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// A project's files, as they were at one time.
#[derive(PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Snapshot {
    /// As they are now. What cannot be read is not there.
    pub(super) fn of(folder: &Path) -> Self {
        let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).into_iter().flatten();
            for entry in entries.filter_map(Result::ok) {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                // Not through links: they may lead in a circle.
                let Ok(about) = entry.metadata() else {
                    continue;
                };
                if about.is_dir() && is_source(&name) {
                    folders.push(entry.path());
                } else if about.is_file() && !is_made(&name) {
                    let stamp = (about.modified().ok(), about.len());
                    files.insert(entry.path(), stamp);
                }
            }
        }
        Self(files)
    }
}

fn is_source(folder: &str) -> bool {
    !folder.starts_with('.') && !NOT_SOURCE.contains(&folder)
}

/// Whether a build writes it.
fn is_made(file: &str) -> bool {
    file.starts_with('.')
        || file == "Cargo.lock"
        || file.ends_with(".wasm")
        || file.ends_with(".new")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_save_is_seen_and_a_build_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        let before = Snapshot::of(folder.path());
        for made in [
            "target/x",
            "Cargo.lock",
            "a.wasm",
            ".git/x",
            "src/.lib.rs.swp",
        ] {
            write(made, "made");
        }
        assert!(Snapshot::of(folder.path()) == before);
        write("src/lib.rs", "another");
        assert!(Snapshot::of(folder.path()) != before);
        write("src/lib.rs", "one");
        write("src/new.rs", "");
        assert!(Snapshot::of(folder.path()) != before);
    }
}
