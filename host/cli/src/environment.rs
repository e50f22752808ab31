//! Environment variables. Vault's names come first; `BAO_` and `COFFER_` are synonyms.

use crate::error::CliError;

const PREFIXES: [&str; 3] = ["VAULT_", "BAO_", "COFFER_"];

/// The first of `VAULT_NAME`, `BAO_NAME` and `COFFER_NAME` that is set and not empty.
pub fn get(name: &str) -> Option<String> {
    named(name).map(|(_, value)| value)
}

/// The same, and under which name it was found.
pub fn named(name: &str) -> Option<(String, String)> {
    PREFIXES.iter().find_map(|prefix| {
        let variable = format!("{prefix}{name}");
        let value = std::env::var(&variable)
            .ok()
            .filter(|value| !value.is_empty())?;
        Some((variable, value))
    })
}

/// Whether a variable says yes, in the words that Go knows.
///
/// # Errors
/// If it says neither yes nor no.
pub fn is_true(name: &str) -> Result<bool, CliError> {
    let Some((variable, value)) = named(name) else {
        return Ok(false);
    };
    match value.to_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(CliError::Usage(format!(
            "{variable}: {value:?} is neither true nor false"
        ))),
    }
}
