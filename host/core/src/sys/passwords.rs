//! `sys/policies/password`: password policies.
//! <https://developer.hashicorp.com/vault/api-docs/system/policies-password>

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::keys::Ns;
use crate::password::PasswordPolicy;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, limits};

/// As Vault lists what is wrong.
fn wrong(reason: &str) -> Error {
    Error::invalid(format!("1 error occurred:\n\t* {reason}\n\n"))
}

fn key(c: &Context<'_>) -> Result<String, Error> {
    let name = c.params.require("name")?;
    if name.len() > limits::MAX_POLICY_NAME {
        return Err(wrong(&format!(
            "a policy's name can have {} bytes",
            limits::MAX_POLICY_NAME
        )));
    }
    Ok(Ns(c.ns).password_policy(&name))
}

async fn load(c: &mut Context<'_>) -> Result<String, Error> {
    let key = key(c)?;
    let missing = || Error::NotFound("1 error occurred:\n\t* policy does not exist\n\n".to_owned());
    let text = c.txn.get(&key).await?.ok_or_else(missing)?;
    String::from_utf8(text.to_vec()).map_err(|_| Error::Corrupt(key))
}

/// Writes a policy that passwords can be made by.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = key(c)?;
    let given = c.params.text("policy")?.unwrap_or_default();
    if given.is_empty() {
        return Err(wrong("missing policy"));
    }
    // Clients may send the text in base64.
    let decoded = BASE64_STANDARD.decode(&given).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.unwrap_or(given);
    PasswordPolicy::parse(&text).map_err(|reason| wrong(&reason))?;
    c.txn.put(key, text);
    Ok(Reply::empty())
}

/// A policy's text.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let text = load(c).await?;
    Ok(Reply::data(json!({ "policy": text })))
}

/// Forgets a policy.
pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = key(c)?;
    c.txn.delete(key);
    Ok(Reply::empty())
}

/// The names of the policies.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let prefix = Ns(c.ns).password_policy("");
    let keys = c.txn.list(&prefix, None, limits::MAX_LIST).await?;
    let name = |key: &String| key.strip_prefix(&prefix).map(str::to_owned);
    Reply::list(keys.iter().filter_map(name).collect())
}

/// A new password.
pub async fn generate(c: &mut Context<'_>) -> Result<Reply, Error> {
    let text = load(c).await?;
    let policy = PasswordPolicy::parse(&text).map_err(|reason| wrong(&reason))?;
    let password = policy.generate(&c.core.random);
    Ok(Reply::data(json!({ "password": &*password })))
}
