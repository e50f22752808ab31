//! Database credentials: users made for one lease, and users whose password is rotated.

mod connection;
mod creds;
mod password;
mod role;
mod rotation;
mod static_role;

use coffer_sdk::prelude::*;

const HELP: &str = "Users of databases: made for a lease, or with a rotated password.";

/// The secret engine.
pub static DATABASE: Plugin = Plugin::secret("database", env!("CARGO_PKG_VERSION"), HELP)
    .tick(5, rotation::tick)
    .renew(creds::renew)
    .revoke(creds::revoke)
    .paths(&[
        connection::LIST,
        connection::PATH,
        connection::RESET,
        rotation::ROOT,
        role::LIST,
        role::PATH,
        creds::PATH,
        static_role::LIST,
        static_role::PATH,
        static_role::CREDS,
        rotation::ROLE,
    ]);

/// Statements: one text, or a list of texts. Not separated by commas, as other lists are: SQL has its own.
fn statements(request: &Request, field: Field<Vec<String>>) -> Result<Option<Vec<String>>> {
    let wrong = || Error::invalid(format!("error converting input for field {:?}: expected a string or a list of strings", field.name()));
    match request.data().get(field.name()) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(vec![text.clone()].into_iter().filter(|text| !text.trim().is_empty()).collect())),
        Some(serde_json::Value::Array(list)) => {
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect::<Result<_>>().map(Some)
        }
        Some(_) => Err(wrong()),
    }
}

coffer_sdk::export_plugin!(DATABASE);

#[cfg(test)]
mod tests;
