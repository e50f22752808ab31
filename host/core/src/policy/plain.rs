//! Whether HCL has only plain values in it, told before it is parsed. Today's HCL has expressions, which neither a policy nor a
//! configuration has any use for, and which its parser takes exponential time over where they are nested.

/// An operator, a call or a template in HCL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has more in it than plain values: {here:?}")]
pub struct NotPlain {
    /// Where it begins, in bytes.
    pub at: usize,
    /// How it begins.
    pub here: String,
}

/// Checks that HCL has only plain values in it.
///
/// # Errors
/// With what it has besides.
pub fn plain_hcl(text: &str) -> Result<(), NotPlain> {
    match beyond_plain(text) {
        None => Ok(()),
        Some(at) => Err(NotPlain {
            at,
            here: text
                .get(at..)
                .unwrap_or_default()
                .chars()
                .take(20)
                .collect(),
        }),
    }
}

fn beyond_plain(text: &str) -> Option<usize> {
    let mut scan = Scan {
        text: text.as_bytes(),
        at: 0,
        before: b'\n',
    };
    loop {
        let at = scan.at;
        let byte = scan.next()?;
        let is_plain = match byte {
            b'#' => scan.skip_to(b"\n"),
            b'/' if scan.rest().starts_with(b"/") => scan.skip_to(b"\n"),
            b'/' if scan.rest().starts_with(b"*") => scan.skip_to(b"*/"),
            b'"' => scan.quoted(),
            b'<' if scan.rest().starts_with(b"<") => scan.heredoc(),
            // A sign, and not the operator.
            b'-' => {
                matches!(scan.before, b'=' | b':' | b',' | b'[')
                    && scan.rest().first().is_some_and(u8::is_ascii_digit)
            }
            b'=' => !scan.rest().starts_with(b"="),
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b'.' => true,
            byte if byte.is_ascii_whitespace() => continue,
            byte if byte.is_ascii_digit() => scan.word(|byte| byte.is_ascii_alphanumeric()),
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                scan.word(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || *byte >= 0x80
                })
            }
            _ => false,
        };
        if !is_plain {
            return Some(at);
        }
        scan.before = byte;
    }
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    /// The last byte that was no space.
    before: u8,
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn skip_to(&mut self, end: &[u8]) -> bool {
        let found = self.rest().windows(end.len()).position(|here| here == end);
        self.at += found.map_or(self.rest().len(), |found| found + end.len());
        true
    }

    fn word(&mut self, goes_on: impl Fn(&u8) -> bool) -> bool {
        let word = self.rest();
        self.at += word
            .iter()
            .position(|byte| !goes_on(byte))
            .unwrap_or(word.len());
        true
    }

    /// Up to the second quote; whether there is no template before it.
    fn quoted(&mut self) -> bool {
        while let Some(byte) = self.next() {
            match byte {
                b'"' => break,
                b'\\' => self.at += 1,
                byte if self.begins_template(byte) => return false,
                _ => {}
            }
        }
        true
    }

    /// After `<`, up to a line that begins with what ends a heredoc; whether there is no template before it.
    fn heredoc(&mut self) -> bool {
        let mut lines = self.rest().split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let mark = first.strip_prefix(b"<").unwrap_or(first);
        let mark = mark.strip_prefix(b"-").unwrap_or(mark).trim_ascii();
        // Anywhere else these are two operators, and what follows would be hidden in a heredoc that is none.
        let is_value = matches!(self.before, b'=' | b':' | b',' | b'[');
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !is_value || mark.is_empty() || !mark.iter().all(is_name) {
            return false;
        }
        let mut end = self.at + first.len();
        for line in lines {
            end += line.len();
            if line.trim_ascii_start().starts_with(mark) {
                end -= line.trim_ascii_start().len() - mark.len();
                break;
            }
        }
        while self.at < end {
            if let Some(byte) = self.next()
                && self.begins_template(byte)
            {
                return false;
            }
        }
        true
    }

    /// Whether this byte and what follows begin a template. Doubled they do not, and are passed over.
    fn begins_template(&mut self, byte: u8) -> bool {
        if !matches!(byte, b'$' | b'%') {
            return false;
        }
        let doubled = [byte, b'{'];
        if self.rest().starts_with(&doubled) {
            self.at += doubled.len();
            return false;
        }
        self.rest().starts_with(b"{")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain() {
        let plain = [
            "",
            "a = 1\nb = -1.5e3\nc = true\nd-e = null",
            "a = [\"x\", -2, { b = [1], \"c\" : 2 }]",
            "path \"a/{{b}}/+/*\" { capabilities = [\"read\"] } # a<b ? !\n// (\n/* a % b */ x = 1",
            "a = \"(1 < 2) ? \\\"$ : $${x} %%{y}\"",
            "a = <<EOT\n(a < b) $${x}\nEOT\nb = <<-E\n  !\n  E\n",
            "a = \"",
            "/*",
            "é = \"é\"",
        ];
        for text in plain {
            assert_eq!(beyond_plain(text), None, "{text}");
        }
        let beyond = [
            ("a = 1 < 2", 6),
            ("a = b == 1", 6),
            ("a = b(1)", 5),
            ("a = (1)", 4),
            ("a = !b", 4),
            ("a = b ? 1 : 2", 6),
            ("a = 1-1", 5),
            ("a = b - 1", 6),
            ("a = -b", 4),
            ("a = b.*", 6),
            ("a = \"${b}\"", 4),
            ("a = \"%{ if b }\"", 4),
            ("a = <<E\n${b}\nE", 4),
            // What ends a heredoc may end it sooner than one would think.
            ("a = <<E\nEx <\nE", 11),
            ("a = b << c", 6),
            ("a = << [c\nd < e\n[c", 4),
            ("a = '1'", 4),
        ];
        for (text, at) in beyond {
            assert_eq!(beyond_plain(text), Some(at), "{text}");
        }
    }
}
