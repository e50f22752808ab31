//! Changing passwords. The new one is stored before the database knows it, and stays in the write-ahead entry until it is
//! the role's: whenever the host dies, one of the two that are stored is the right one, and the next tick finishes the work.

use coffer_sdk::databases::{self, UserChange};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::{self, Connection, NAME};
use crate::password;
use crate::static_role::{self, StaticRole};

pub(crate) const ROLE: Path =
    Path::new("rotate-role/{name}", "Rotates the password of a static role now.").fields(&[NAME.decl()]).write(rotate_role);

pub(crate) const ROOT: Path = Path::new("rotate-root/{name}", "Rotates the password that Coffer connects with. Nobody sees the new one.")
    .fields(&[NAME.decl()])
    .write(rotate_root);

/// Rotations of one tick: it has a deadline.
const PER_TICK: u32 = 20;
/// Longest wait after failures, in seconds.
const MAX_BACKOFF: u64 = 600;

#[derive(Serialize, Deserialize)]
struct Pending {
    password: String,
}

fn wal(name: &str) -> String {
    format!("wal/role/{name}")
}

fn root_wal(name: &str) -> String {
    format!("wal/root/{name}")
}

/// Drops what is left of an unfinished rotation.
pub(crate) fn forget(name: &str) -> Result<()> {
    storage::delete(&wal(name))
}

/// Rotates a role's password; `before` is what is stored of it, if anything is.
pub(crate) fn rotate(name: &str, before: Option<&StaticRole>, mut role: StaticRole) -> Result<()> {
    let target = connection::required(&role.db_name)?.target(&role.db_name)?;
    // An unfinished rotation is finished with the same password: the database may know it already.
    let pending: Option<Pending> = if before.is_some() { storage::get_json(&wal(name))? } else { None };
    let password = pending.map_or_else(password::generate, |pending| pending.password);
    storage::put_json(&wal(name), &Pending { password: password.clone() })?;
    effects::prepare()?;
    let change = UserChange {
        username: role.username.clone(),
        password: Some(password.clone()),
        expires: None,
        statements: role.rotation_statements.clone(),
    };
    if let Err(error) = databases::update_user(&target, &change) {
        if before.is_none() {
            storage::delete(&wal(name))?;
            effects::prepare()?;
        }
        return Err(error);
    }
    storage::delete(&wal(name))?;
    role.password = password;
    role.rotated = clock::now();
    role.due = role.rotated + role.rotation_period.0 * 1000;
    role.failures = 0;
    role.store(name, before)
}

fn rotate_role(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let role = static_role::load(&name)?.ok_or_else(|| Error::invalid(format!("no static role found for role name {name:?}")))?;
    rotate(&name, Some(&role), role.clone())?;
    Ok(Response::empty())
}

fn rotate_root(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let connection = connection::required(&name)?;
    let username = connection.text("username").to_owned();
    if username.is_empty() {
        return Err(Error::invalid("unable to rotate root credentials: no username in configuration"));
    }
    let password = password::generate();
    storage::put_json(&root_wal(&name), &Pending { password: password.clone() })?;
    effects::prepare()?;
    let change = UserChange {
        username,
        password: Some(password.clone()),
        expires: None,
        statements: connection.root_rotation_statements.clone(),
    };
    if let Err(error) = databases::update_user(&connection.target(&name)?, &change) {
        // What is stored of the new password may still be the right one: the tick finds out.
        return Err(error);
    }
    adopt(&name, connection, password)?;
    Ok(Response::empty())
}

/// Connects with this password from now on.
fn adopt(name: &str, mut connection: Connection, password: String) -> Result<()> {
    connection.details.insert("password".to_owned(), Value::String(password));
    connection.store(name)?;
    storage::delete(&root_wal(name))?;
    databases::close(name);
    Ok(())
}

/// Rotates what is due, and finishes what was cut short.
pub(crate) fn tick() -> Result<()> {
    for name in storage::children("wal/root/", None, PER_TICK)? {
        if let Err(error) = recover_root(&name) {
            log::warn(&format!("an unfinished rotation of connection {name:?} waits: {}", error.message));
        }
    }
    let now = clock::now();
    for key in storage::scan("due/", None, PER_TICK)? {
        let Some((due, name)) = static_role::parse_due(&key) else { continue };
        if due > now {
            break;
        }
        let Some(role) = static_role::load(name)?.filter(|role| role.due == due) else {
            storage::delete(&key)?;
            continue;
        };
        if let Err(error) = rotate(name, Some(&role), role.clone()) {
            log::warn(&format!("rotating static role {name:?} failed: {}", error.message));
            let failures = role.failures.saturating_add(1);
            let wait = (5u64 << failures.min(10)).min(MAX_BACKOFF);
            let later = StaticRole { failures, due: now + wait * 1000, ..role.clone() };
            later.store(name, Some(&role))?;
        }
    }
    Ok(())
}

/// Finds out which password the database knows.
fn recover_root(name: &str) -> Result<()> {
    let Some(pending) = storage::get_json::<Pending>(&root_wal(name))? else { return Ok(()) };
    let Some(connection) = connection::load(name)? else { return storage::delete(&root_wal(name)) };
    let mut probe = connection.clone();
    probe.details.insert("password".to_owned(), Value::String(pending.password.clone()));
    if databases::ping(&probe.target(name)?).is_ok() {
        return adopt(name, connection, pending.password);
    }
    // Not the new one. If the old one works the rotation never happened; else nothing is decided yet.
    databases::ping(&connection.target(name)?)?;
    storage::delete(&root_wal(name))
}
