//! What `?help=1` answers: a path's description and parameters, or a mount's and its paths.

use std::fmt::Write;

use coffer_runtime::{FieldType, PathDescription};
use serde_json::json;

use super::{of, openapi};
use crate::mount::{Backend, Mount, matches};
use crate::reply::Reply;
use crate::{Error, routes};

/// Help for `path`, below the mount; empty is the mount itself.
pub fn help(mount: &Mount, path: &str, version: &str) -> Result<Reply, Error> {
    let all = of(mount);
    let mut document = openapi::Document::new(version, false);
    let text = if path.is_empty() {
        for declared in all.iter() {
            document.add(&mount.entry, declared);
        }
        overview(mount, &all)
    } else {
        let found: Vec<_> = all
            .iter()
            .filter(|declared| fits(mount, declared, path))
            .collect();
        let first = found.first().ok_or(Error::UnsupportedPath)?;
        for declared in &found {
            document.add(&mount.entry, declared);
        }
        details(path, first)
    };
    Ok(Reply::bare(
        json!({ "help": text, "see_also": null, "openapi": document.finish() }),
    ))
}

fn fits(mount: &Mount, declared: &PathDescription, path: &str) -> bool {
    match mount.backend {
        Backend::Native(_) => routes::fits(&declared.pattern, path),
        Backend::Plugin(_) | Backend::Unavailable(_) => matches(&declared.pattern, path),
    }
}

fn overview(mount: &Mount, all: &[PathDescription]) -> String {
    let about = match &mount.backend {
        Backend::Plugin(plugin) => plugin
            .component
            .plugin()
            .map_or("", |description| &description.help),
        Backend::Unavailable(reason) => reason,
        Backend::Native(_) => &mount.entry.description,
    };
    let mut text = format!("## DESCRIPTION\n\n{about}\n\n## PATHS\n");
    for path in all {
        let _ = write!(text, "\n    {}\n        {}\n", path.pattern, path.help);
    }
    text
}

fn details(path: &str, declared: &PathDescription) -> String {
    let mut text = format!(
        "Request:        {path}\nMatching Route: {}\n\n{}\n",
        declared.pattern, declared.help
    );
    if !declared.fields.is_empty() {
        text.push_str("\n## PARAMETERS\n");
    }
    for field in &declared.fields {
        let kind = match field.kind {
            FieldType::Text => "string",
            FieldType::Integer => "int",
            FieldType::Boolean => "bool",
            FieldType::Duration => "duration (sec)",
            FieldType::TextList => "slice",
            FieldType::TextMap => "keypair",
            FieldType::Object => "map",
            FieldType::Timestamp => "time",
        };
        let deprecated = if field.deprecated {
            "(DEPRECATED) "
        } else {
            ""
        };
        let _ = write!(
            text,
            "\n    {} ({kind})\n        {deprecated}{}\n",
            field.name, field.help
        );
        if !field.default.is_empty() {
            let _ = writeln!(text, "        Default: {}", field.default);
        }
    }
    text
}
