//! What a request can fail with, in the words that Vault's users know.

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with an error.
    #[error("Error making API request.\n\n{}URL: {method} {url}\nCode: {status}. {}", namespaced(.namespace), listed(.errors, .raw))]
    Api {
        /// GET, PUT, ...
        method: &'static str,
        /// What was asked.
        url: String,
        /// In which namespace, if not the root.
        namespace: Option<String>,
        /// HTTP status.
        status: u16,
        /// The server's words.
        errors: Vec<String>,
        /// The body, where there are no such words.
        raw: String,
    },
    /// There was no answer.
    #[error("{method} {url:?}: {reason}")]
    Transport {
        /// GET, PUT, ...
        method: &'static str,
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
    },
    /// The answer is not what the API promises.
    #[error("{method} {url:?}: the answer is not JSON that a Vault server sends: {reason}")]
    Malformed {
        /// GET, PUT, ...
        method: &'static str,
        /// What was asked.
        url: String,
        /// Where it is wrong.
        reason: String,
    },
    /// Not an error: the request as a `curl` command, or as the policy that allows it, as a flag asks.
    #[error("{0}")]
    Instead(String),
}

impl ClientError {
    /// The status of an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn namespaced(namespace: &Option<String>) -> String {
    namespace
        .as_ref()
        .map(|namespace| format!("Namespace: {namespace}\n"))
        .unwrap_or_default()
}

fn listed(errors: &[String], raw: &str) -> String {
    if errors.is_empty() {
        return format!("Raw Message:\n\n{raw}");
    }
    let lines: Vec<String> = errors.iter().map(|error| format!("* {error}")).collect();
    format!("Errors:\n\n{}", lines.join("\n"))
}
