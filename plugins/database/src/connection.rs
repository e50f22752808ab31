//! `config`: the databases, and how to reach them.

use coffer_sdk::databases::{self, Target};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::statements;

pub(crate) const NAME: Field<String> = Field::text("name", "The name.").required();
const PLUGIN: Field<String> = Field::text("plugin_name", "The database backend, by its name in the catalog.").required();
const VERSION: Field<String> = Field::text("plugin_version", "Its version; empty takes the newest.");
const VERIFY: Field<bool> = Field::boolean("verify_connection", "Whether to connect before it is stored.").default_json("true");
const ALLOWED: Field<Vec<String>> = Field::text_list("allowed_roles", "The roles that may use it; `*` for all, and at the end of a name.");
const ROOT_STATEMENTS: Field<Vec<String>> =
    Field::text_list("root_rotation_statements", "How the password that Coffer connects with is changed.");
const POLICY: Field<String> = Field::text("password_policy", "The password policy. There are none yet.");

pub(crate) const LIST: Path = Path::new("config", "Lists the connections.").list(|_| Ok(Response::list(storage::list("config/")?)));

// No list of fields: what is not known here is the backend's own configuration.
pub(crate) const PATH: Path =
    Path::new("config/{name}", "How to reach a database.").exists(|request| Ok(load(&request.require(NAME)?)?.is_some())).read(read).write(write).delete(delete);

pub(crate) const RESET: Path = Path::new("reset/{name}", "Closes the connections of a database: the next use connects anew.")
    .fields(&[NAME.decl()])
    .write(reset);

/// What is stored of a connection.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub plugin_name: String,
    #[serde(default)]
    pub plugin_version: String,
    #[serde(default)]
    pub allowed_roles: Vec<String>,
    #[serde(default)]
    pub root_rotation_statements: Vec<String>,
    /// What the backend is configured with, secrets included.
    pub details: Map<String, Value>,
}

pub(crate) fn load(name: &str) -> Result<Option<Connection>> {
    storage::get_json(&key(name))
}

/// A connection that must be there.
pub(crate) fn required(name: &str) -> Result<Connection> {
    load(name)?.ok_or_else(|| Error::invalid(format!("failed to find entry for connection with name: {name:?}")))
}

fn key(name: &str) -> String {
    format!("config/{name}")
}

impl Connection {
    pub(crate) fn store(&self, name: &str) -> Result<()> {
        storage::put_json(&key(name), self)
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.details.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// As the host knows it.
    pub(crate) fn target(&self, name: &str) -> Result<Target> {
        let number = |field: &str| match self.details.get(field) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => coffer_sdk::parse_duration(text),
            _ => None,
        };
        let small = |field: &str| number(field).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        Ok(Target {
            name: name.to_owned(),
            plugin: self.plugin_name.clone(),
            config: serde_json::to_string(&self.details)?,
            max_connections: small("max_open_connections"),
            max_lifetime: small("max_connection_lifetime"),
        })
    }

    /// Refuses a role that may not use it.
    pub(crate) fn check_role(&self, role: &str) -> Result<()> {
        let fits = |allowed: &String| match allowed.strip_suffix('*') {
            Some(start) => role.starts_with(start),
            None => role == allowed,
        };
        if self.allowed_roles.iter().any(fits) { Ok(()) } else { Err(Error::invalid(format!("{role:?} is not an allowed role"))) }
    }
}

fn read(request: &Request) -> Result<Response> {
    let Some(connection) = load(&request.require(NAME)?)? else { return Ok(Response::empty()) };
    let mut details = connection.details;
    for secret in ["password", "private_key"] {
        details.remove(secret);
    }
    Ok(Response::data(json!({
        "allowed_roles": connection.allowed_roles,
        "connection_details": details,
        "password_policy": "",
        "plugin_name": connection.plugin_name,
        "plugin_version": connection.plugin_version,
        "root_credentials_rotate_statements": connection.root_rotation_statements,
    })))
}

fn write(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let mut connection = load(&name)?.unwrap_or_default();
    if let Some(plugin) = request.get(PLUGIN)? {
        connection.plugin_name = plugin;
    }
    if connection.plugin_name.is_empty() {
        return Err(Error::invalid("plugin_name is required"));
    }
    if let Some(version) = request.get(VERSION)? {
        connection.plugin_version = version;
    }
    if let Some(allowed) = request.get(ALLOWED)? {
        connection.allowed_roles = allowed;
    }
    if let Some(rotation) = statements(request, ROOT_STATEMENTS)? {
        connection.root_rotation_statements = rotation;
    }
    if request.get(POLICY)?.is_some_and(|policy| !policy.is_empty()) {
        return Err(Error::invalid("password_policy: there are no password policies in this version"));
    }
    let own = [NAME.name(), PLUGIN.name(), VERSION.name(), VERIFY.name(), ALLOWED.name(), ROOT_STATEMENTS.name(), POLICY.name()];
    for (field, value) in request.data().iter().filter(|(field, _)| !own.contains(&field.as_str())) {
        connection.details.insert(field.clone(), value.clone());
    }
    let target = connection.target(&name)?;
    if request.get(VERIFY)?.unwrap_or(true) {
        databases::ping(&target).map_err(|error| Error { message: format!("error creating database object: error verifying connection: {}", error.message), ..error })?;
    }
    connection.store(&name)?;
    Ok(Response::empty())
}

fn delete(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    storage::delete(&key(&name))?;
    databases::close(&name);
    Ok(Response::empty())
}

fn reset(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    required(&name)?;
    databases::close(&name);
    Ok(Response::empty())
}
