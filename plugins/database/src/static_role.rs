//! `static-roles`: users that were there before, whose password is rotated.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::connection::{self, NAME};
use crate::role::{self, DB_NAME};
use crate::{rotation, statements};

const USERNAME: Field<String> = Field::text("username", "The user.").required();
const PERIOD: Field<Seconds> = Field::duration("rotation_period", "How often the password is rotated: at least every 5 s.");
const SCHEDULE: Field<String> = Field::text("rotation_schedule", "Not supported; see rotation_period.");
const ROTATION: Field<Vec<String>> = Field::text_list("rotation_statements", "How the password is changed.");

pub(crate) const LIST: Path =
    Path::new("static-roles", "Lists the static roles.").list(|_| Ok(Response::list(storage::list("static-role/")?)));

pub(crate) const PATH: Path = Path::new("static-roles/{name}", "A user whose password is rotated.")
    .fields(&[
        NAME.decl(),
        DB_NAME.decl(),
        USERNAME.decl(),
        PERIOD.decl(),
        SCHEDULE.decl(),
        ROTATION.decl(),
        role::CREDENTIAL_TYPE.decl(),
    ])
    .exists(|request| Ok(load(&request.require(NAME)?)?.is_some()))
    .read(read)
    .write(write)
    .delete(delete);

pub(crate) const CREDS: Path = Path::new("static-creds/{name}", "The user's password.").fields(&[NAME.decl()]).read(creds);

const MIN_PERIOD: u64 = 5;

/// What is stored of a static role. Times in milliseconds.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct StaticRole {
    pub db_name: String,
    pub username: String,
    pub rotation_period: Seconds,
    pub rotation_statements: Vec<String>,
    pub password: String,
    pub rotated: u64,
    /// When the next rotation is due: also its key in the index.
    pub due: u64,
    /// Failed attempts since the last rotation.
    #[serde(default)]
    pub failures: u32,
}

fn key(name: &str) -> String {
    format!("static-role/{name}")
}

fn due_key(name: &str, due: u64) -> String {
    format!("due/{due:016x}/{name}")
}

/// The name and time of an entry of the index.
pub(crate) fn parse_due(key: &str) -> Option<(u64, &str)> {
    let (at, name) = key.strip_prefix("due/")?.split_once('/')?;
    Some((u64::from_str_radix(at, 16).ok()?, name))
}

pub(crate) fn load(name: &str) -> Result<Option<StaticRole>> {
    storage::get_json(&key(name))
}

impl StaticRole {
    /// Stores it with its place in the index; `before` is what was stored.
    pub(crate) fn store(&self, name: &str, before: Option<&Self>) -> Result<()> {
        if let Some(before) = before {
            storage::delete(&due_key(name, before.due))?;
        }
        storage::put(&due_key(name, self.due), b"")?;
        storage::put_json(&key(name), self)
    }
}

fn read(request: &Request) -> Result<Response> {
    let Some(role) = load(&request.require(NAME)?)? else { return Ok(Response::empty()) };
    Ok(Response::data(json!({
        "credential_type": "password",
        "db_name": role.db_name,
        "last_vault_rotation": clock::rfc3339(role.rotated),
        "rotation_period": role.rotation_period,
        "rotation_statements": role.rotation_statements,
        "username": role.username,
    })))
}

fn write(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    if role::load(&name)?.is_some() {
        return Err(Error::invalid("Role and Static Role names must be unique"));
    }
    role::check_credential(request)?;
    if request.get(SCHEDULE)?.is_some_and(|schedule| !schedule.is_empty()) {
        return Err(Error::invalid("rotation_schedule is not supported; give a rotation_period"));
    }
    let before = load(&name)?;
    let mut role = before.clone().unwrap_or_default();
    if let Some(db_name) = request.get(DB_NAME)? {
        role.db_name = db_name;
    }
    if role.db_name.is_empty() {
        return Err(Error::invalid("database name is required"));
    }
    if let Some(username) = request.get(USERNAME)? {
        if before.as_ref().is_some_and(|before| before.username != username) {
            return Err(Error::invalid("cannot update static account username"));
        }
        role.username = username;
    }
    if role.username.is_empty() {
        return Err(Error::invalid("username is a required field to create a static account"));
    }
    if let Some(period) = request.get(PERIOD)? {
        role.rotation_period = period;
    }
    if role.rotation_period.0 < MIN_PERIOD {
        return Err(Error::invalid(format!("rotation_period must be {MIN_PERIOD} seconds or more")));
    }
    if let Some(given) = statements(request, ROTATION)? {
        role.rotation_statements = given;
    }
    connection::required(&role.db_name)?.check_role(&name)?;
    match before {
        Some(before) => {
            role.due = role.rotated + role.rotation_period.0 * 1000;
            role.store(&name, Some(&before))?;
        }
        // Nobody knows the password yet: the first rotation makes the role.
        None => rotation::rotate(&name, None, role)?,
    }
    Ok(Response::empty())
}

fn delete(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    if let Some(role) = load(&name)? {
        storage::delete(&due_key(&name, role.due))?;
        storage::delete(&key(&name))?;
        rotation::forget(&name)?;
    }
    Ok(Response::empty())
}

fn creds(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let role = load(&name)?.ok_or_else(|| Error::invalid(format!("unknown role: {name}")))?;
    connection::required(&role.db_name)?.check_role(&name)?;
    let next = role.rotated + role.rotation_period.0 * 1000;
    Ok(Response::data(json!({
        "last_vault_rotation": clock::rfc3339(role.rotated),
        "password": role.password,
        "rotation_period": role.rotation_period,
        "ttl": next.saturating_sub(clock::now()) / 1000,
        "username": role.username,
    })))
}
