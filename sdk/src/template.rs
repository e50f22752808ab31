//! User name templates: the part of Go's text templates that Vault's have.
//!
//! ```
//! use coffer_sdk::template::render;
//! let fields = [("DisplayName", "token-ci"), ("RoleName", "app")];
//! let name = render(r#"{{ printf "v-%s-%s" (.DisplayName | truncate 5) (.RoleName | uppercase) | truncate 10 }}"#, &fields);
//! assert_eq!(name.unwrap(), "v-token-AP");
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::backend::UserNaming;
use crate::{Error, Result, clock, random};

mod layout;

const MAX_DEPTH: usize = 16;

/// Fills a template in.
///
/// # Errors
/// Invalid, if it does not parse, or names a field or function that there is not.
pub fn render(template: &str, fields: &[(&str, &str)]) -> Result<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after
            .split_once("}}")
            .ok_or_else(|| bad("\"{{\" without \"}}\""))?;
        out.push_str(before);
        let tokens = tokenize(action.trim_matches('-').trim())?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
            fields,
        };
        out.push_str(&parser.pipeline(0)?);
        if parser.at != tokens.len() {
            return Err(bad(format!("unexpected {:?}", tokens.get(parser.at))));
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// A name for a database's user, of the naming's own template or else of this one, made into what the database takes by `tame`.
/// Of the names that stand in it, only letters, digits and `_.@+-` are left: who logs in by a name of their own choice has a
/// say in them.
///
/// # Errors
/// Invalid, if the template is, or if nothing is left of the name.
pub fn username(
    naming: &UserNaming,
    default: &str,
    tame: impl FnOnce(&str) -> String,
) -> Result<String> {
    let own = match naming.template.as_str() {
        "" => default,
        own => own,
    };
    let (display, role) = (plain(&naming.display_name), plain(&naming.role_name));
    let fields = [
        ("DisplayName", display.as_str()),
        ("RoleName", role.as_str()),
    ];
    match tame(&render(own, &fields)?) {
        empty if empty.is_empty() => {
            Err(Error::invalid("the username template makes an empty name"))
        }
        name => Ok(name),
    }
}

fn plain(name: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || "_.@+-".contains(c);
    name.chars()
        .map(|c| if kept(c) { c } else { '-' })
        .collect()
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("invalid template: {why}"))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Pipe,
    Field(String),
    Word(String),
    Text(String),
}

fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '|' => tokens.push(Token::Pipe),
            '"' | '`' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        None => return Err(bad("a quote is not closed")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => value.extend(chars.next()),
                        Some(other) => value.push(other),
                    }
                }
                tokens.push(Token::Text(value));
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || *next == '_')
                {
                    word.push(next);
                }
                tokens.push(match word.strip_prefix('.') {
                    Some(field) => Token::Field(field.to_owned()),
                    None => Token::Word(word),
                });
            }
        }
    }
    Ok(tokens)
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    fields: &'t [(&'t str, &'t str)],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// `command | command | ...`: what a command gives becomes the last argument of the next.
    fn pipeline(&mut self, depth: usize) -> Result<String> {
        if depth > MAX_DEPTH {
            return Err(bad("it is nested too deeply"));
        }
        let mut value = self.command(None, depth)?;
        while self.peek() == Some(&Token::Pipe) {
            self.at += 1;
            value = self.command(Some(value), depth)?;
        }
        Ok(value)
    }

    fn command(&mut self, piped: Option<String>, depth: usize) -> Result<String> {
        match self.peek().cloned() {
            Some(Token::Word(name)) if !name.bytes().all(|b| b.is_ascii_digit()) => {
                self.at += 1;
                let mut arguments = Vec::new();
                while let Some(argument) = self.operand(depth)? {
                    arguments.push(argument);
                }
                arguments.extend(piped);
                call(&name, &arguments)
            }
            _ if piped.is_some() => Err(bad("a function must follow \"|\"")),
            _ => self
                .operand(depth)?
                .ok_or_else(|| bad("a value is missing")),
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Option<String>> {
        let value = match self.peek().cloned() {
            Some(Token::Field(name)) => {
                let known = self.fields.iter().find(|(have, _)| *have == name);
                known
                    .map(|(_, value)| (*value).to_owned())
                    .ok_or_else(|| bad(format!("there is no field {name:?}")))?
            }
            Some(Token::Text(text)) => text,
            Some(Token::Word(word)) if word.bytes().all(|b| b.is_ascii_digit()) => word,
            // A function without arguments, as an argument.
            Some(Token::Word(word)) => {
                let value = call(&word, &[])?;
                self.at += 1;
                return Ok(Some(value));
            }
            Some(Token::Open) => {
                self.at += 1;
                let value = self.pipeline(depth + 1)?;
                if self.peek() != Some(&Token::Close) {
                    return Err(bad("\"(\" without \")\""));
                }
                value
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(value))
    }
}

fn call(name: &str, arguments: &[String]) -> Result<String> {
    let number = |text: &String| {
        text.parse::<usize>()
            .ok()
            .filter(|n| *n <= 1000)
            .ok_or_else(|| bad(format!("{name}: {text:?} is no number up to 1000")))
    };
    Ok(match (name, arguments) {
        ("random", [len]) => random::base62(number(len)?),
        ("truncate", [len, text]) => text.chars().take(number(len)?).collect(),
        ("truncate_sha256", [len, text]) => {
            let len = number(len)?;
            if len < 9 {
                return Err(bad("truncate_sha256 needs a length of at least 9"));
            }
            if text.chars().count() <= len {
                return Ok(text.clone());
            }
            let kept: String = text.chars().take(len - 8).collect();
            let cut: String = text.chars().skip(len - 8).collect();
            format!(
                "{kept}{}",
                hex::encode(Sha256::digest(cut.as_bytes()))
                    .chars()
                    .take(8)
                    .collect::<String>()
            )
        }
        ("uppercase", [text]) => text.to_uppercase(),
        ("lowercase", [text]) => text.to_lowercase(),
        ("replace", [find, with, text]) => text.replace(find.as_str(), with),
        ("sha256", [text]) => hex::encode(Sha256::digest(text.as_bytes())),
        ("base64", [text]) => BASE64.encode(text),
        ("timestamp", [layout]) => layout::format(layout, clock::now()),
        ("unix_time", []) => (clock::now() / 1000).to_string(),
        ("unix_time_millis", []) => clock::now().to_string(),
        ("uuid", []) => random::uuid(),
        ("printf", [format, values @ ..]) => printf(format, values)?,
        _ => {
            return Err(bad(format!(
                "there is no function {name:?} with {} arguments",
                arguments.len()
            )));
        }
    })
}

fn printf(format: &str, values: &[String]) -> Result<String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('s' | 'v' | 'd') => out.push_str(
                values
                    .next()
                    .ok_or_else(|| bad("printf: a value is missing"))?,
            ),
            Some('q') => out.push_str(&format!(
                "{:?}",
                values
                    .next()
                    .ok_or_else(|| bad("printf: a value is missing"))?
            )),
            other => {
                return Err(bad(format!(
                    "printf: \"%{}\" is unknown",
                    other.map(String::from).unwrap_or_default()
                )));
            }
        }
    }
    if values.next().is_some() {
        return Err(bad("printf: there are more values than the format takes"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn vaults_default_for_postgresql() {
        let _host = crate::testing::Host::new();
        let template = r#"{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}"#;
        let name = render(
            template,
            &[
                ("DisplayName", "approle-app"),
                ("RoleName", "readonly-role"),
            ],
        )
        .unwrap();
        assert!(name.starts_with("v-approle--readonly-"), "{name}");
        assert!(name.len() <= 63);
    }

    #[test]
    fn functions_and_errors() {
        let _host = crate::testing::Host::new();
        let fields = [("RoleName", "Ab")];
        for (template, expected) in [
            ("x{{.RoleName}}y", "xAby"),
            ("{{ .RoleName | lowercase | replace \"a\" \"z\" }}", "zb"),
            ("{{ sha256 \"\" | truncate 4 }}", "e3b0"),
            ("{{ truncate_sha256 9 .RoleName }}", "Ab"),
            ("{{ printf \"%s%%\" \"1\" }}", "1%"),
            ("{{ .RoleName | base64 }}", "QWI="),
            ("{{ timestamp \"2006-01-02\" }}", "2024-01-01"),
        ] {
            assert_eq!(render(template, &fields).unwrap(), expected, "{template}");
        }
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
        for bad in [
            "{{",
            "{{ .Nope }}",
            "{{ nope 1 }}",
            "{{ random 9999999 }}",
            "{{ (1 }}",
            "{{ 1 | }}",
            "{{ \"x }}",
            "{{ printf \"%s\" }}",
            "{{ }}",
            &deep,
        ] {
            assert!(render(bad, &fields).is_err(), "{bad}");
        }
    }
}
