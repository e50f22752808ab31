//! Environment variables. Vault's names come first; `BAO_` and `COFFER_` are synonyms.

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

/// Whether a variable says yes: `1`, `t` or `true` in any case.
pub fn is_true(name: &str) -> bool {
    get(name).is_some_and(|value| ["1", "t", "true"].contains(&value.to_lowercase().as_str()))
}
