//! What is printed instead of sending a request, when a flag asks for it.

use super::Client;
use super::request::{Method, content_type};
use super::unix;
use crate::args::Globals;

/// What is printed.
#[derive(Clone, Copy)]
pub(super) enum Instead {
    /// The curl command that would send it.
    Curl,
    /// The policy that would allow it.
    Policy,
}

impl Instead {
    pub(super) fn asked(globals: &Globals) -> Option<Self> {
        match (globals.output_curl_string, globals.output_policy) {
            (true, _) => Some(Self::Curl),
            (false, true) => Some(Self::Policy),
            (false, false) => None,
        }
    }
}

impl Client {
    pub(super) fn as_curl(&self, method: Method, target: &str, body: Option<&str>) -> String {
        let mut command = "curl".to_owned();
        if method.http() != "GET" {
            command.push_str(&format!(" -X {}", method.http()));
        }
        command.push_str(" -H \"X-Vault-Request: true\"");
        if self.token.is_some() {
            // The token itself would end up in the shell's history.
            command.push_str(" -H \"X-Vault-Token: $(coffer print token)\"");
        }
        for (name, value) in self
            .named_headers()
            .chain(content_type(method, body.is_some()).filter(|_| method == Method::Patch))
        {
            command.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
        }
        if let Some(body) = body {
            command.push_str(&format!(" -d {}", quoted(body)));
        }
        let base = match unix::socket_of(&self.address) {
            Some(socket) => {
                let socket = quoted(&socket.display().to_string());
                command.push_str(&format!(" --unix-socket {socket}"));
                unix::BASE
            }
            None => &self.address,
        };
        command.push_str(&format!(" {:?}", format!("{base}{target}")));
        command
    }
}

/// The policy that allows a request.
pub(super) fn policy(method: Method, path: &str) -> String {
    let capabilities = match method {
        Method::Get => r#""read""#,
        Method::List => r#""list""#,
        Method::Put | Method::Post => r#""create", "update""#,
        Method::Patch => r#""patch""#,
        Method::Delete => r#""delete""#,
    };
    let path = path.trim_start_matches('/');
    format!("path {path:?} {{\n  capabilities = [{capabilities}]\n}}")
}

/// A word of a shell's command line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
