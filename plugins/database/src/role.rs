//! `roles`: what users are made with.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connection::NAME;
use crate::statements;

pub(crate) const DB_NAME: Field<String> = Field::text("db_name", "The connection that it is for.").required();
const CREATION: Field<Vec<String>> = Field::text_list("creation_statements", "How a user is made.");
const REVOCATION: Field<Vec<String>> = Field::text_list("revocation_statements", "How a user is removed.");
const ROLLBACK: Field<Vec<String>> = Field::text_list("rollback_statements", "What is done when making a user failed half-way.");
const RENEW: Field<Vec<String>> = Field::text_list("renew_statements", "How a user's life is prolonged.");
const DEFAULT_TTL: Field<Seconds> = Field::duration("default_ttl", "How long a user lives at first.");
const MAX_TTL: Field<Seconds> = Field::duration("max_ttl", "How long a user can live.");
pub(crate) const CREDENTIAL_TYPE: Field<String> = Field::text("credential_type", "password.").default_json("\"password\"");
const CREDENTIAL_CONFIG: Field<Map<String, Value>> = Field::object("credential_config", "Settings of the credential.");

pub(crate) const LIST: Path = Path::new("roles", "Lists the roles.").list(|_| Ok(Response::list(storage::list("role/")?)));

pub(crate) const PATH: Path = Path::new("roles/{name}", "What users are made with.")
    .fields(&[
        NAME.decl(),
        DB_NAME.decl(),
        CREATION.decl(),
        REVOCATION.decl(),
        ROLLBACK.decl(),
        RENEW.decl(),
        DEFAULT_TTL.decl(),
        MAX_TTL.decl(),
        CREDENTIAL_TYPE.decl(),
        CREDENTIAL_CONFIG.decl(),
    ])
    .exists(|request| Ok(load(&request.require(NAME)?)?.is_some()))
    .read(read)
    .write(write)
    .delete(delete);

/// What is stored of a role.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Role {
    pub db_name: String,
    pub creation_statements: Vec<String>,
    pub revocation_statements: Vec<String>,
    pub rollback_statements: Vec<String>,
    pub renew_statements: Vec<String>,
    pub default_ttl: Seconds,
    pub max_ttl: Seconds,
}

impl Role {
    pub(crate) fn renewal(&self) -> Renewal {
        Renewal { ttl: self.default_ttl.0, max_ttl: self.max_ttl.0, period: 0 }
    }
}

fn key(name: &str) -> String {
    format!("role/{name}")
}

pub(crate) fn load(name: &str) -> Result<Option<Role>> {
    storage::get_json(&key(name))
}

/// Only passwords are made; saying so beats making something else.
pub(crate) fn check_credential(request: &Request) -> Result<()> {
    match request.get(CREDENTIAL_TYPE)?.as_deref() {
        None | Some("" | "password") => {}
        Some(other) => return Err(Error::invalid(format!("credential_type {other:?} is not supported; there is \"password\""))),
    }
    match request.get(CREDENTIAL_CONFIG)? {
        Some(config) if !config.is_empty() => Err(Error::invalid("credential_config: there are no settings for passwords in this version")),
        _ => Ok(()),
    }
}

fn read(request: &Request) -> Result<Response> {
    let Some(role) = load(&request.require(NAME)?)? else { return Ok(Response::empty()) };
    Ok(Response::data(json!({
        "creation_statements": role.creation_statements,
        "credential_type": "password",
        "db_name": role.db_name,
        "default_ttl": role.default_ttl,
        "max_ttl": role.max_ttl,
        "renew_statements": role.renew_statements,
        "revocation_statements": role.revocation_statements,
        "rollback_statements": role.rollback_statements,
    })))
}

fn write(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    if storage::get(&format!("static-role/{name}"))?.is_some() {
        return Err(Error::invalid("Role and Static Role names must be unique"));
    }
    check_credential(request)?;
    let mut role = load(&name)?.unwrap_or_default();
    if let Some(db_name) = request.get(DB_NAME)? {
        role.db_name = db_name;
    }
    if role.db_name.is_empty() {
        return Err(Error::invalid("database name is required"));
    }
    for (field, into) in [
        (CREATION, &mut role.creation_statements),
        (REVOCATION, &mut role.revocation_statements),
        (ROLLBACK, &mut role.rollback_statements),
        (RENEW, &mut role.renew_statements),
    ] {
        if let Some(given) = statements(request, field)? {
            *into = given;
        }
    }
    if let Some(ttl) = request.get(DEFAULT_TTL)? {
        role.default_ttl = ttl;
    }
    if let Some(ttl) = request.get(MAX_TTL)? {
        role.max_ttl = ttl;
    }
    if role.max_ttl.0 > 0 && role.default_ttl > role.max_ttl {
        return Err(Error::invalid("default_ttl cannot be greater than max_ttl"));
    }
    storage::put_json(&key(&name), &role)?;
    Ok(Response::empty())
}

fn delete(request: &Request) -> Result<Response> {
    storage::delete(&key(&request.require(NAME)?))?;
    Ok(Response::empty())
}
