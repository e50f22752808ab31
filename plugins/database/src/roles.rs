//! `roles/`: what a credential that is made on request may do, and for how long.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::input::{self, CREDENTIAL_CONFIG, CREDENTIAL_TYPE, CredentialConfig};
use crate::static_roles;

const NAME: Field<String> = Field::text("name", "Name of the role.");
const DB_NAME: Field<String> = Field::text("db_name", "Name of the connection.").required();
const DEFAULT_TTL: Field<Seconds> = Field::duration(
    "default_ttl",
    "How long a credential lives; 0 means the mount's default.",
);
const MAX_TTL: Field<Seconds> = Field::duration(
    "max_ttl",
    "How long it can be renewed; 0 means the mount's maximum.",
);
const CREATION: Field<Vec<String>> = Field::text_list(
    "creation_statements",
    "Statements that make a user, with {{name}}, {{password}} and {{expiration}}. A text is one statement, or several.",
);
const REVOCATION: Field<Vec<String>> = Field::text_list(
    "revocation_statements",
    "Statements that remove it; empty means the database plugin's default.",
);
const ROLLBACK: Field<Vec<String>> = Field::text_list(
    "rollback_statements",
    "Statements that undo what creation statements did before they failed.",
);
const RENEW: Field<Vec<String>> = Field::text_list(
    "renew_statements",
    "Statements that prolong a user; empty means the database plugin's default.",
);

pub(crate) const LIST: Path =
    Path::new("roles", "Roles.").list(|_| Ok(Response::list(storage::list(PREFIX)?)));

pub(crate) const PATH: Path = Path::new(
    "roles/{name}",
    "A role: what credentials may do, and for how long.",
)
.fields(&[
    NAME.decl(),
    DB_NAME.decl(),
    CREDENTIAL_TYPE.decl(),
    CREDENTIAL_CONFIG.decl(),
    DEFAULT_TTL.decl(),
    MAX_TTL.decl(),
    CREATION.decl(),
    REVOCATION.decl(),
    ROLLBACK.decl(),
    RENEW.decl(),
])
.exists(|request| exists(&input::name(request, NAME)?))
.read(read)
.write(write)
.delete(delete);

const PREFIX: &str = "role/";

fn key(name: &str) -> String {
    [PREFIX, name].concat()
}

/// A role. Times in seconds.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Role {
    pub db_name: String,
    pub default_ttl: u64,
    pub max_ttl: u64,
    #[serde(default)]
    pub credential_config: CredentialConfig,
    pub creation_statements: Vec<String>,
    pub revocation_statements: Vec<String>,
    pub rollback_statements: Vec<String>,
    pub renew_statements: Vec<String>,
}

impl Role {
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        storage::get_json(&key(name))
    }
}

pub(crate) fn exists(name: &str) -> Result<bool> {
    Ok(storage::get(&key(name))?.is_some())
}

fn read(request: &Request) -> Result<Response> {
    let Some(role) = Role::find(&input::name(request, NAME)?)? else {
        return Ok(Response::empty());
    };
    let mut data = json!({
        "db_name": role.db_name,
        "default_ttl": role.default_ttl,
        "max_ttl": role.max_ttl,
        "creation_statements": role.creation_statements,
        "revocation_statements": role.revocation_statements,
        "rollback_statements": role.rollback_statements,
        "renew_statements": role.renew_statements,
        "credential_type": "password",
    });
    role.credential_config.show_in(&mut data);
    Ok(Response::data(data))
}

fn write(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    if static_roles::exists(&name)? {
        return Err(Error::invalid("Role and Static Role names must be unique"));
    }
    let mut role = Role::find(&name)?.unwrap_or_default();
    role.db_name = request.get(DB_NAME)?.unwrap_or(role.db_name);
    if role.db_name.is_empty() {
        return Err(Error::invalid("database name is required"));
    }
    role.credential_config = input::credential_config(request)?.unwrap_or(role.credential_config);
    let lists = [
        (CREATION, &mut role.creation_statements),
        (REVOCATION, &mut role.revocation_statements),
        (ROLLBACK, &mut role.rollback_statements),
        (RENEW, &mut role.renew_statements),
    ];
    for (field, statements) in lists {
        if let Some(given) = input::statements(request, field)? {
            *statements = given;
        }
    }
    role.default_ttl = request
        .get(DEFAULT_TTL)?
        .map_or(role.default_ttl, |ttl| ttl.0);
    role.max_ttl = request.get(MAX_TTL)?.map_or(role.max_ttl, |ttl| ttl.0);
    storage::put_json(&key(&name), &role)?;
    Ok(Response::empty())
}

fn delete(request: &Request) -> Result<Response> {
    storage::delete(&key(&input::name(request, NAME)?))?;
    Ok(Response::empty())
}
