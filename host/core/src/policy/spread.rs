//! Policies are often written on one line, which the first version of HCL allowed and today's does not: there, each
//! setting has a line of its own. This puts the line breaks in.

/// The text with a line break wherever one setting ends and the next begins.
pub(super) fn spread(text: &str) -> String {
    // What spans lines by its own rules is left alone.
    if text.contains("<<") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut open: Vec<char> = Vec::new();
    // Whether the setting that we are in has its `=`, and whether its value is complete.
    let (mut assigned, mut complete) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let in_block = !matches!(open.last(), Some('[' | '('));
        if in_block && complete && !c.is_whitespace() && !matches!(c, ',' | '}' | '#' | '/') {
            out.push('\n');
            (assigned, complete) = (false, false);
        }
        match c {
            '"' => {
                out.push(c);
                while let Some(c) = chars.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                complete = in_block && assigned;
            }
            '#' => {
                out.push(c);
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    out.push(c);
                }
            }
            '/' if chars.peek() == Some(&'/') => {
                out.push(c);
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    out.push(c);
                }
            }
            '{' => {
                open.push(c);
                out.push_str("{\n");
                (assigned, complete) = (false, false);
            }
            '[' | '(' => {
                open.push(c);
                out.push(c);
            }
            '}' => {
                open.pop();
                out.push_str("\n}");
                let in_block = !matches!(open.last(), Some('[' | '('));
                (assigned, complete) = (in_block, in_block);
            }
            ']' | ')' => {
                open.pop();
                out.push(c);
                complete = !matches!(open.last(), Some('[' | '(')) && assigned;
            }
            '\n' | ',' => {
                out.push(if in_block { '\n' } else { c });
                if in_block {
                    (assigned, complete) = (false, false);
                }
            }
            '=' | ':' => {
                out.push(c);
                assigned |= in_block;
            }
            // A bare value, a number or a word, up to what ends it.
            c if in_block && assigned && !c.is_whitespace() => {
                out.push(c);
                while let Some(c) =
                    chars.next_if(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
                {
                    out.push(c);
                }
                complete = true;
            }
            c => out.push(c),
        }
    }
    out
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
            ("path \"a\" {\n  capabilities = [\n    \"read\", # why\n    \"list\",\n  ]\n}\n// x\npath \"b\" {\n policy = \"read\"\n}", 2),
        ];
        for (text, blocks) in table {
            let spread = spread(text);
            let parsed = hcl::parse(&spread).unwrap_or_else(|error| panic!("{spread}\n{error}"));
            assert_eq!(parsed.blocks().count(), blocks, "{text}");
        }
    }
}
