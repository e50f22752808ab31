//! What several paths read from their requests.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::limits;

pub(crate) const CREDENTIAL_TYPE: Field<String> = Field::text(
    "credential_type",
    "What is made; only `password` is supported.",
)
.default_json("\"password\"");
pub(crate) const CREDENTIAL_CONFIG: Field<BTreeMap<String, String>> = Field::text_map(
    "credential_config",
    "How the credential is made: for a password, `password_policy`.",
);

/// How a role's passwords are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CredentialConfig {
    /// Empty for the connection's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) password_policy: String,
}

impl CredentialConfig {
    /// Says so among what a role says, unless there is nothing to say.
    pub(crate) fn show_in(&self, data: &mut Value) {
        if *self != Self::default() {
            data["credential_config"] = json!(self);
        }
    }
}

/// A connection's or role's name in the path: as in Vault, anything else is no path of this engine.
pub(crate) fn name(request: &Request, field: Field<String>) -> Result<String> {
    let name = request.require(field)?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let plain = name.chars().all(|c| word(c) || c == '-' || c == '.');
    if plain && name.starts_with(word) && name.ends_with(word) && name.len() <= limits::NAME {
        return Ok(name);
    }
    Err(Error::not_found("unsupported path"))
}

/// Statements are a list; a text is a list of one, whatever commas are in it.
pub(crate) fn statements(
    request: &Request,
    field: Field<Vec<String>>,
) -> Result<Option<Vec<String>>> {
    match request.data()?.get(field.name()) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(Some(Vec::new())),
        Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
        Some(_) => request.get(field),
    }
}

/// How a role's passwords are made, if the request says so. Credentials other than passwords are refused.
pub(crate) fn credential_config(request: &Request) -> Result<Option<CredentialConfig>> {
    match request.get(CREDENTIAL_TYPE)?.as_deref() {
        None | Some("" | "password") => {}
        Some(kind @ ("rsa_private_key" | "client_certificate")) => {
            return Err(Error::invalid(format!(
                "credential_type {kind:?} is not supported: only \"password\" is"
            )));
        }
        Some(other) => return Err(Error::invalid(format!("invalid credential_type {other:?}"))),
    }
    let Some(given) = request.get(CREDENTIAL_CONFIG)? else {
        return Ok(None);
    };
    let mut config = CredentialConfig::default();
    for (name, value) in given {
        match name.as_str() {
            "password_policy" => config.password_policy = value,
            _ => {
                return Err(Error::invalid(format!(
                    "credential_config validation failed: {name:?} is unknown"
                )));
            }
        }
    }
    Ok(Some(config))
}

/// For what Vault can do and we cannot: silence would promise it.
pub(crate) fn refuse_if_true(request: &Request, field: &str) -> Result<()> {
    match request.data()?.get(field) {
        None | Some(Value::Null | Value::Bool(false)) => Ok(()),
        Some(Value::String(text)) if matches!(text.as_str(), "" | "false" | "0") => Ok(()),
        Some(_) => Err(Error::invalid(format!("{field} is not supported"))),
    }
}
