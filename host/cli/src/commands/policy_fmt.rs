//! `policy fmt`: one layout for every policy. Comments stay; only the space around things changes.

use std::process::ExitCode;

use clap::Args;
use coffer_core::plain_hcl;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Body;
use hcl_edit::{Decorate, RawString};

use crate::error::{CliError, CliResult};
use crate::output;

/// `policy fmt`.
#[derive(Args)]
pub struct Fmt {
    /// File to format, in place
    file: String,
}

impl Fmt {
    pub(super) fn run(self) -> CliResult {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            CliError::Usage(format!("Error {what} {}: {error}", self.file))
        };
        let text =
            std::fs::read_to_string(&self.file).map_err(|error| failed("reading", &error))?;
        plain_hcl(&text).map_err(|error| failed("formatting", &error))?;
        let formatted = format(&text).map_err(|error| failed("formatting", &error))?;
        if formatted != text {
            std::fs::write(&self.file, formatted).map_err(|error| failed("writing", &error))?;
        }
        output::line(&format!("Success! Formatted policy: {}", self.file));
        Ok(ExitCode::SUCCESS)
    }
}

fn format(text: &str) -> Result<String, hcl_edit::parser::Error> {
    let mut body: Body = hcl_edit::parser::parse_body(text)?;
    lay_out(&mut body, 0);
    let formatted = body.to_string();
    Ok(format!("{}\n", formatted.trim()))
}

fn lay_out(body: &mut Body, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut first = true;
    body.decor_mut().set_prefix("");
    let trailing = own_lines(body.decor().suffix(), &indent, false);
    for mut structure in body.iter_mut() {
        let decor = structure.decor_mut();
        let prefix = own_lines(decor.prefix(), &indent, !first);
        let suffix = same_line(decor.suffix());
        decor.set_prefix(format!("{prefix}{indent}"));
        decor.set_suffix(suffix);
        first = false;
        if let Some(mut attribute) = structure.as_attribute_mut() {
            attribute.key_decor_mut().set_prefix("");
            attribute.key_decor_mut().set_suffix(" ");
            lay_out_value(attribute.value_mut());
            attribute.value_mut().decor_mut().set_prefix(" ");
            attribute.value_mut().decor_mut().set_suffix("");
        }
        if let Some(block) = structure.as_block_mut() {
            block.ident.decor_mut().set_prefix("");
            block.ident.decor_mut().set_suffix(" ");
            for label in &mut block.labels {
                label.decor_mut().set_prefix("");
                label.decor_mut().set_suffix(" ");
            }
            block.body.set_prefer_oneline(false);
            lay_out(&mut block.body, depth + 1);
        }
    }
    let closing = "  ".repeat(depth.saturating_sub(1));
    body.decor_mut().set_suffix(format!("{trailing}{closing}"));
}

/// A list on one line, unless a comment stands in it.
fn lay_out_value(value: &mut Expression) {
    let commented = value.to_string().contains(['#', '\n']) && has_comment(value);
    let Some(list) = value.as_array_mut() else {
        return;
    };
    if commented {
        return;
    }
    let mut first = true;
    for item in list.iter_mut() {
        item.decor_mut().set_prefix(if first { "" } else { " " });
        item.decor_mut().set_suffix("");
        first = false;
    }
    list.set_trailing("");
    list.set_trailing_comma(false);
}

fn has_comment(value: &Expression) -> bool {
    let is_comment = |raw: Option<&RawString>| raw.is_some_and(|raw| !raw.trim().is_empty());
    value.as_array().is_some_and(|list| {
        is_comment(Some(list.trailing()))
            || list
                .iter()
                .any(|item| is_comment(item.decor().prefix()) || is_comment(item.decor().suffix()))
    })
}

/// The comments of a stretch of space, each on its line; where lines were left empty, one stays.
fn own_lines(raw: Option<&RawString>, indent: &str, keep_gap: bool) -> String {
    let mut text = String::new();
    let mut gap = false;
    let raw = raw.map_or("", |raw| raw);
    for (index, line) in raw.split('\n').enumerate() {
        let line = line.trim();
        if !line.is_empty() {
            if gap && (keep_gap || !text.is_empty()) {
                text.push('\n');
            }
            gap = false;
            text.push_str(&format!("{indent}{line}\n"));
        } else if index + 1 < raw.split('\n').count() {
            gap = true;
        }
    }
    if gap && (keep_gap || !text.is_empty()) {
        text.push('\n');
    }
    text
}

fn same_line(raw: Option<&RawString>) -> String {
    let comment = raw.map(|raw| raw.trim().to_owned()).unwrap_or_default();
    if comment.is_empty() {
        comment
    } else {
        format!(" {comment}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_layout() {
        let cases = [
            (
                "path   \"a/*\" {\ncapabilities=[\"read\",\"list\"]\n}",
                "path \"a/*\" {\n  capabilities = [\"read\", \"list\"]\n}\n",
            ),
            (
                "# what\n\n\n# why\npath \"a\" {\n\n    # inside\n    capabilities = [ \"read\" ] # after\n    # last\n}\n\n\n\npath \"b\" { capabilities = [] }\n# end",
                "# what\n\n# why\npath \"a\" {\n  # inside\n  capabilities = [\"read\"] # after\n  # last\n}\n\npath \"b\" {\n  capabilities = []\n}\n# end\n",
            ),
            (
                "path \"a\" {\n capabilities = [\n \"read\",\n \"list\",\n ]\n allowed_parameters = {\n    \"x\" = [\"y\"]\n  }\n}\n",
                "path \"a\" {\n  capabilities = [\"read\", \"list\"]\n  allowed_parameters = {\n    \"x\" = [\"y\"]\n  }\n}\n",
            ),
            (
                "path \"a\" {\n  capabilities = [\n    \"read\", # because\n    \"list\"\n  ]\n}\n",
                "path \"a\" {\n  capabilities = [\n    \"read\", # because\n    \"list\"\n  ]\n}\n",
            ),
        ];
        for (given, expected) in cases {
            let once = format(given).unwrap();
            assert_eq!(once, expected);
            assert_eq!(format(&once).unwrap(), expected, "not stable");
        }
        assert!(format("path {").is_err());
    }
}
