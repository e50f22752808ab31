//! What is made from `wit/`, which is where the contract is written: its reference, and the Go SDK's bindings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

use crate::error::{Error, Result};
use crate::files::write_if_changed;
use crate::workspace::Workspace;

const WORLDS: [&str; 2] = ["plugin", "database"];
/// The Go SDK's package with the bindings.
const BINDINGS: &str = "sdk/go/internal/bindings";
const MODULE: &str = "github.com/coffer-dev/coffer/sdk/go";

/// Writes all of it, or checks that it is what would be written.
///
/// # Errors
/// If the contract does not parse; if it is only checked and is not up to date.
pub fn docs(workspace: &Workspace, check: bool) -> Result<()> {
    let made =
        make(&workspace.root.join("wit")).map_err(|error| Error::other(format!("{error}")))?;
    for (path, text) in made {
        let file = workspace.root.join(&path);
        if !check {
            write_if_changed(&file, text.as_bytes())?;
        } else if !std::fs::read_to_string(&file).is_ok_and(|have| have == text) {
            return Err(Error::other(format!(
                "{} is not what wit/ says: cargo xtask docs",
                path.display()
            )));
        }
    }
    Ok(())
}

type Made =
    std::result::Result<BTreeMap<PathBuf, String>, Box<dyn std::error::Error + Send + Sync>>;

fn make(wit: &Path) -> Made {
    let mut made = go(wit)?;
    made.insert("wit/REFERENCE.md".into(), reference(wit)?);
    Ok(made)
}

/// The Go SDK's bindings. The worlds share those of what they import; each has its own of what it exports.
fn go(wit: &Path) -> Made {
    let mut made = BTreeMap::new();
    for world in WORLDS {
        let mut generator = wit_bindgen_go::Opts {
            // What gofmt there is, and whether, differs from machine to machine.
            format: wit_bindgen_go::Format::False,
            pkg_name: Some(format!("{MODULE}/internal/bindings")),
            ..Default::default()
        }
        .build();
        for (path, content) in generate(wit, world, generator.as_mut())?.iter() {
            let path = path.replace("wit_exports", &format!("{world}_exports"));
            let text = String::from_utf8_lossy(content).replace(
                "go.bytecodealliance.org/pkg/wit/",
                &format!("{MODULE}/internal/wit/"),
            );
            // Only a component has imports.
            let text = format!("//go:build wasip1\n\n{text}");
            made.insert(Path::new(BINDINGS).join(path), text);
        }
    }
    Ok(made)
}

fn generate(
    wit: &Path,
    world: &str,
    generator: &mut dyn WorldGenerator,
) -> std::result::Result<Files, Box<dyn std::error::Error + Send + Sync>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    Ok(files)
}

fn reference(wit: &Path) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut text = String::from(
        "# The contract\n\nMade from the files beside this one by `cargo xtask docs`; the words are theirs.\n",
    );
    for world in WORLDS {
        let mut generator = wit_bindgen_markdown::Opts::default().build();
        for (path, content) in generate(wit, world, generator.as_mut())?.iter() {
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
