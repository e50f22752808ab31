//! The reference of the contract, made from `wit/`, which is where it is written.

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use crate::error::{Error, Result};
use crate::files::write_if_changed;
use crate::workspace::Workspace;

const WORLDS: [&str; 2] = ["plugin", "database"];

/// Writes `wit/REFERENCE.md`, or checks that it is what would be written.
///
/// # Errors
/// If the contract does not parse; if it is only checked and is not up to date.
pub fn reference(workspace: &Workspace, check: bool) -> Result<()> {
    let folder = workspace.root.join("wit");
    let file = folder.join("REFERENCE.md");
    let text = generate(&folder).map_err(|error| Error::other(format!("{error}")))?;
    if !check {
        return write_if_changed(&file, text.as_bytes()).map(drop);
    }
    if std::fs::read_to_string(&file).is_ok_and(|have| have == text) {
        return Ok(());
    }
    Err(Error::other(
        "wit/REFERENCE.md is not what wit/ says: cargo xtask docs",
    ))
}

fn generate(
    folder: &std::path::Path,
) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut text = String::from(
        "# The contract\n\nMade from the files beside this one by `cargo xtask docs`; the words are theirs.\n",
    );
    for name in WORLDS {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(folder)?;
        let world = resolve.select_world(&[package], Some(name))?;
        let mut files = Files::default();
        let mut generator = wit_bindgen_markdown::Opts::default().build();
        generator.generate(&mut resolve, world, &mut files)?;
        for (path, content) in files.iter() {
            if path.ends_with(".md") {
                text.push('\n');
                text.push_str(&plain(&String::from_utf8_lossy(content)));
            }
        }
    }
    Ok(text)
}

/// Without the anchors: two worlds in one file would have them twice.
fn plain(markdown: &str) -> String {
    let mut out = String::new();
    for line in markdown.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("<a ") {
            out.push_str(before);
            rest = after.split_once("</a>").map_or("", |(_, after)| after);
        }
        out.push_str(rest.trim_end());
        out.push('\n');
    }
    out
}
