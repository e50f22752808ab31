//! Policies are written in the first version of HCL, which allowed more than today's: several settings on one line, names
//! in quotes, and `${` in a text, which was no template. This makes today's of it.

use std::iter::Peekable;
use std::str::Chars;

/// The same policy, as today's HCL has it.
pub(super) fn spread(text: &str) -> String {
    let mut spread = Spread {
        rest: text.chars().peekable(),
        out: String::with_capacity(text.len() + 64),
        open: Vec::new(),
        assigned: false,
        complete: false,
    };
    while let Some(c) = spread.rest.next() {
        spread.take(c);
    }
    spread.out
}

struct Spread<'t> {
    rest: Peekable<Chars<'t>>,
    out: String,
    /// The brackets that we are in; `o` is the brace of an object, `{` that of a block.
    open: Vec<char>,
    /// Whether the setting that we are in has its `=`.
    assigned: bool,
    /// And whether its value is complete.
    complete: bool,
}

impl Spread<'_> {
    fn take(&mut self, c: char) {
        let comment = match (c, self.rest.peek()) {
            ('#', _) | ('/', Some('/')) => Some(false),
            ('/', Some('*')) => Some(true),
            _ => None,
        };
        if self.settles()
            && self.complete
            && comment.is_none()
            && !c.is_whitespace()
            && !matches!(c, ',' | '}')
        {
            self.out.push('\n');
            self.next_setting();
        }
        match (c, comment) {
            (_, Some(true)) => self.block_comment(),
            (_, Some(false)) => while self.rest.next_if(|c| *c != '\n').is_some() {},
            ('"', _) => self.text(),
            ('<', _) if self.assigned && self.rest.peek() == Some(&'<') => self.heredoc(),
            ('{', _) => {
                self.open.push(if self.assigned { 'o' } else { c });
                self.out.push_str("{\n");
                self.next_setting();
            }
            ('[' | '(', _) => {
                self.open.push(c);
                self.out.push(c);
            }
            ('}', _) => {
                self.open.pop();
                self.out.push_str("\n}");
                (self.assigned, self.complete) = (self.settles(), self.settles());
            }
            (']' | ')', _) => {
                self.open.pop();
                self.out.push(c);
                self.complete = self.settles() && self.assigned;
            }
            ('\n' | ',', _) if self.settles() => {
                self.out.push('\n');
                self.next_setting();
            }
            ('=' | ':', _) => {
                self.out.push(c);
                self.assigned |= self.settles();
            }
            _ if self.settles() && self.assigned && !c.is_whitespace() => self.word(c),
            _ => self.out.push(c),
        }
    }

    /// Whether settings stand here, and not the values of a list.
    fn settles(&self) -> bool {
        !matches!(self.open.last(), Some('[' | '('))
    }

    fn next_setting(&mut self) {
        (self.assigned, self.complete) = (false, false);
    }

    fn block_comment(&mut self) {
        self.out.push(' ');
        self.rest.next();
        let mut before = ' ';
        for c in self.rest.by_ref() {
            if (before, c) == ('*', '/') {
                break;
            }
            before = c;
            // Errors are told by their lines.
            if c == '\n' {
                self.out.push(c);
            }
        }
    }

    /// A text in quotes. Where a name is meant it loses them.
    fn text(&mut self) {
        let mut text = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.rest.next());
                }
                // A template to come is none.
                '$' | '%' if self.rest.peek() == Some(&'{') => text.extend([c, c]),
                c => text.push(c),
            }
        }
        let in_block = matches!(self.open.last(), None | Some('{'));
        if in_block && !self.assigned && is_name(&text) {
            while let Some(space) = self.rest.next_if(|c| *c == ' ' || *c == '\t') {
                text.push(space);
            }
            if matches!(self.rest.peek(), Some('=' | '"')) {
                self.out.push_str(&text);
                return;
            }
        }
        let name = text.trim_end_matches([' ', '\t']).len();
        let quoted = if in_block && !self.assigned {
            name
        } else {
            text.len()
        };
        let (text, space) = text.split_at(quoted);
        self.out.extend(["\"", text, "\"", space]);
        self.complete = self.settles() && self.assigned;
    }

    /// `<<EOT`, lines, and a line with `EOT`: as it is.
    fn heredoc(&mut self) {
        self.out.push('<');
        let mut end: Option<String> = None;
        let mut line = String::new();
        for c in self.rest.by_ref() {
            self.out.push(c);
            if c != '\n' {
                line.push(c);
                continue;
            }
            match &end {
                None => end = Some(line.trim_start_matches(['<', '-']).trim().to_owned()),
                Some(end) if line.trim() == end => break,
                Some(_) => {}
            }
            line.clear();
        }
        self.next_setting();
    }

    /// A bare value, a number or a word, up to what ends it.
    fn word(&mut self, first: char) {
        self.out.push(first);
        while let Some(c) = self
            .rest
            .next_if(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
        {
            self.out.push(c);
        }
        self.complete = true;
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn one_line_reads_as_many() {
        #[rustfmt::skip]
        let table = [
            (r#"path "a" { capabilities = ["read"] }"#, 1),
            (r#"path "a" { capabilities = ["read", "list"] min_wrapping_ttl = "1h" max_wrapping_ttl = 7200 comment = "x } = y" }"#, 1),
            (r#"path "a" { capabilities = ["read"] } path "b" { capabilities = ["read"] }"#, 2),
            (r#"path "a" { allowed_parameters = { "x" = ["1", "2"] "y" = [] } capabilities = ["update"] }"#, 1),
            (r#"path "a" { capabilities = ["read"], policy = "read" } # the end"#, 1),
            (r#""path" "a" { "capabilities" = ["read"] "allowed_parameters" = { "x" = [] } }"#, 1),
            ("# see <<docs>>\npath \"a\" { capabilities = [\"read\"] comment = \"<<x\" }", 1),
            (r#"path "a" { capabilities=["read"] /* } " ' << */ } // "
               path "b" { capabilities = /* x */ ["read"] }"#, 2),
            ("path \"a\" { capabilities = [\"read\"] comment = <<EOT\n} \" =\nEOT\n policy = \"read\" }", 1),
            (r#"path "a/${x}/%{y}" { capabilities = ["read"] }"#, 1),
            ("path \"a\" {\n  capabilities = [\n    \"read\", # why\n    \"list\",\n  ]\n}\n// x\npath \"b\" {\n policy = \"read\"\n}", 2),
        ];
        for (text, blocks) in table {
            let spread = spread(text);
            let parsed = hcl::parse(&spread).unwrap_or_else(|error| panic!("{spread}\n{error}"));
            assert_eq!(parsed.blocks().count(), blocks, "{text}");
        }
        let literal = spread(r#"path "a/${x}/%{y}" { capabilities = ["read"] }"#);
        let parsed = hcl::parse(&literal).unwrap_or_else(|error| panic!("{literal}\n{error}"));
        let label = parsed
            .blocks()
            .next()
            .map(|block| block.labels()[0].as_str());
        assert_eq!(label, Some("a/${x}/%{y}"));
    }
}
