//! Users, and their logins.

use coffer_sdk::{paging, prelude::*, token};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{PASSWORD, USERNAME, password};

/// What is stored of a user.
#[derive(Default, Serialize, Deserialize)]
struct User {
    /// What bcrypt made of the password.
    hash: String,
    token: token::Settings,
}

/// What a token remembers for its renewal.
#[derive(Serialize, Deserialize)]
struct Internal {
    username: String,
    /// Of the user as it was at the login: what it may was changed since if these differ.
    policies: Vec<String>,
}

/// The user's name in the path: as in Vault, anything else is no path of this method.
fn name(request: &Request) -> Result<String> {
    let name = request.require(USERNAME)?.to_lowercase();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = name.chars().all(|c| word(c) || c == '-' || c == '.');
    if plain && name.starts_with(word) && name.ends_with(word) {
        Ok(name)
    } else {
        Err(Error::not_found("unsupported path"))
    }
}

fn key(name: &str) -> String {
    format!("user/{name}")
}

fn load(name: &str) -> Result<Option<User>> {
    storage::get_json(&key(name))
}

/// The user that a path is about, with its name.
fn required(request: &Request) -> Result<(String, User)> {
    let name = name(request)?;
    let user = load(&name)?.ok_or_else(|| Error::invalid("username does not exist"))?;
    Ok((name, user))
}

pub(crate) fn list(request: &Request) -> Result<Response> {
    Ok(Response::list(paging::list(request, "user/")?))
}

pub(crate) fn exists(request: &Request) -> Result<bool> {
    match name(request) {
        Ok(name) => Ok(storage::get(&key(&name))?.is_some()),
        Err(_) => Ok(false),
    }
}

pub(crate) fn read(request: &Request) -> Result<Response> {
    Ok(match load(&name(request)?)? {
        Some(user) => Response::data(Value::Object(user.token.describe())),
        None => Response::empty(),
    })
}

pub(crate) fn write(request: &Request) -> Result<Response> {
    let name = name(request)?;
    let before = load(&name)?;
    let is_new = before.is_none();
    let mut user = before.unwrap_or_default();
    match password::given(request)? {
        Some(hash) => user.hash = hash,
        None if is_new => return Err(no_password()),
        None => {}
    }
    let warning = user.token.update(request)?;
    storage::put_json(&key(&name), &user)?;
    let mut response = Response::empty();
    response.warnings.extend(warning);
    Ok(response)
}

pub(crate) fn delete(request: &Request) -> Result<Response> {
    storage::delete(&key(&name(request)?))?;
    Ok(Response::empty())
}

pub(crate) fn write_password(request: &Request) -> Result<Response> {
    let hash = password::given(request)?.ok_or_else(no_password)?;
    let (name, user) = required(request)?;
    storage::put_json(&key(&name), &User { hash, ..user })?;
    Ok(Response::empty())
}

fn no_password() -> Error {
    Error::invalid("must provide either password or password_hash")
}

pub(crate) fn write_policies(request: &Request) -> Result<Response> {
    let (name, mut user) = required(request)?;
    user.token.update(request)?;
    storage::put_json(&key(&name), &user)?;
    Ok(Response::empty())
}

pub(crate) fn login(request: &Request) -> Result<Response> {
    let given = request.get(PASSWORD)?.unwrap_or_default();
    if given.is_empty() {
        return Err(Error::invalid("missing password"));
    }
    let name = name(request)?;
    let user = load(&name)?;
    let hash = user.as_ref().map(|user| user.hash.as_str());
    let is_good = password::is(&given, hash);
    let Some(user) = user.filter(|_| is_good) else {
        return Err(Error::invalid("invalid username or password"));
    };
    let auth = user.token.auth(&request.caller.remote_address)?;
    let internal = Internal {
        username: name.clone(),
        policies: auth.policies.clone(),
    };
    Ok(Response::auth(Auth {
        display_name: name.clone(),
        alias: Some(Alias {
            name: name.clone(),
            metadata: Vec::new(),
        }),
        metadata: vec![("username".to_owned(), name)],
        internal: serde_json::to_string(&internal)?,
        ..auth
    }))
}

/// A token can be renewed as long as its user is there with the same policies, by the times that it has now.
pub(crate) fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    let internal: Internal = lease.internal()?;
    let user = load(&internal.username)?;
    let user = user.ok_or_else(|| Error::denied("the user is gone"))?;
    if token::set(&user.token.token_policies) != internal.policies {
        return Err(Error::invalid("policies have changed, not renewing"));
    }
    Ok(user.token.renewal())
}
