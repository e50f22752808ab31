//! Rotation of static roles.
//!
//! The new password is stored before the database hears of it, and used again until the database has taken it: so a
//! rotation that is interrupted is finished by doing it once more. `due/` orders the roles by the time of their next
//! rotation, so that a tick looks at those which are due and at no other.

use std::collections::BTreeSet;

use coffer_sdk::ErrorKind;
use coffer_sdk::databases::{self, UserChange};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::static_roles::{self, Credential, StaticRole};
use crate::{input, limits, password, root};

const NAME: Field<String> = Field::text("name", "Name of the static role.");

pub(crate) const PATH: Path = Path::new(
    "rotate-role/{name}",
    "Gives a static role a new password now.",
)
.fields(&[NAME.decl()])
.write(rotate_now);

const DUE: &str = "due/";

fn due_key(at: u64, name: &str) -> String {
    format!("{DUE}{at:020}/{name}")
}

fn wal_key(name: &str) -> String {
    format!("wal/static-role/{name}")
}

/// A rotation that has begun.
#[derive(Serialize, Deserialize)]
struct Wal {
    new_password: String,
    /// Milliseconds; 0 once it is known that it failed.
    begun: u64,
}

impl Wal {
    fn is_in_flight(&self, now: u64) -> bool {
        now <= self.begun + limits::IN_FLIGHT * 1000
    }
}

/// Whether a rotation has begun that has not ended: it plans the next one itself.
pub(crate) fn is_begun(name: &str) -> Result<bool> {
    Ok(storage::get(&wal_key(name))?.is_some())
}

/// Moves a role in the order of what is due.
pub(crate) fn reschedule(name: &str, due: &mut u64, at: u64) -> Result<()> {
    storage::delete(&due_key(*due, name))?;
    *due = at;
    storage::put(&due_key(at, name), b"")
}

/// A role that is deleted is not rotated.
pub(crate) fn forget(name: &str, due: u64) -> Result<()> {
    storage::delete(&due_key(due, name))?;
    storage::delete(&wal_key(name))
}

/// Gives the role a new password, or the one of a rotation that did not end. The role is stored with it.
///
/// The role may be written while the database is at it, so it is not among what the new password is stored with. A failure
/// leaves the role, if it was there before, due again after a while that grows.
pub(crate) fn rotate(name: &str, role: &mut StaticRole) -> Result<()> {
    let config = Config::load_for(&role.db_name, name)?;
    let now = clock::now();
    let existing = static_roles::exists(name)?;
    let begun: Option<Wal> = storage::get_json(&wal_key(name))?;
    // A role that is not there yet gets the same password from both.
    if existing && begun.as_ref().is_some_and(|wal| wal.is_in_flight(now)) {
        return Err(Error::conflict("a rotation of this role is under way"));
    }
    let mut wal = Wal {
        new_password: match begun {
            Some(wal) => wal.new_password,
            None => password::generate(&config, &role.credential_config)?,
        },
        begun: now,
    };
    storage::put_json(&wal_key(name), &wal)?;
    // Should we not get to the end of it.
    reschedule(name, &mut role.due, now + limits::IN_FLIGHT * 1000 + 1)?;
    if existing {
        role.store(name)?;
    }
    effects::prepare()?;

    let change = UserChange {
        username: role.username.clone(),
        password: Some(wal.new_password.clone()),
        expires: None,
        statements: role.rotation_statements.clone(),
    };
    let changed = root::on(&role.db_name, &config, |on| {
        databases::update_user(on, &change)
    });
    if let Err(error) = changed {
        if existing {
            wal.begun = 0;
            storage::put_json(&wal_key(name), &wal)?;
            reload(name, role)?;
            postpone(name, role)?;
        } else if error.kind != ErrorKind::Unavailable {
            forget(name, role.due)?;
        }
        effects::prepare()?;
        return Err(Error {
            message: format!("error setting credentials: {}", error.message),
            ..error
        });
    }
    let credential = Credential {
        password: wal.new_password,
        last_rotation: clock::now(),
    };
    credential.store(name)?;
    if existing {
        // A condition: if the role was deleted meanwhile, this is nobody's.
        storage::get(&wal_key(name))?;
        storage::delete(&wal_key(name))?;
        reload(name, role)?;
    }
    storage::delete(&wal_key(name))?;
    role.plan(name, credential.last_rotation)?;
    role.store(name)
}

/// Commits what was put, and reads the role as it is now.
fn reload(name: &str, role: &mut StaticRole) -> Result<()> {
    effects::prepare()?;
    if let Some(found) = StaticRole::find(name)? {
        *role = found;
        return Ok(());
    }
    forget(name, role.due)?;
    effects::prepare()?;
    Err(Error::conflict("the static role was deleted"))
}

/// After a failure.
fn postpone(name: &str, role: &mut StaticRole) -> Result<()> {
    let wait = limits::BACKOFF
        .saturating_mul(1 << role.failures.min(16))
        .min(limits::BACKOFF_MAX);
    role.failures = role.failures.saturating_add(1);
    reschedule(name, &mut role.due, clock::now() + wait * 1000)?;
    role.store(name)
}

fn rotate_now(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    let mut role = StaticRole::find(&name)?
        .ok_or_else(|| Error::invalid("no static role found for role name"))?;
    rotate(&name, &mut role).map_err(|error| Error {
        message: format!(
            "unable to finish rotating credentials; retries will continue in the background but it is also safe to retry \
             manually: {}",
            error.message
        ),
        ..error
    })?;
    Ok(Response::empty())
}

/// Rotates what is due.
pub(crate) fn tick() -> Result<()> {
    let now = clock::now();
    let mut roles = Vec::new();
    for entry in storage::scan(DUE, None, limits::ROTATIONS)? {
        let parsed = entry
            .strip_prefix(DUE)
            .and_then(|rest| rest.split_once('/'));
        let Some((at, name)) = parsed.and_then(|(at, name)| Some((at.parse::<u64>().ok()?, name)))
        else {
            storage::delete(&entry)?;
            continue;
        };
        if at > now {
            break;
        }
        match StaticRole::find(name)? {
            Some(role) if role.due == at => roles.push((role.failures, name.to_owned())),
            Some(_) => storage::delete(&entry)?,
            // Deleted, or never made.
            None => forget(name, at)?,
        }
    }
    if roles.is_empty() {
        return Ok(());
    }
    effects::prepare()?;
    // What failed before comes last: a database that hangs takes all the time that there is.
    roles.sort_by_key(|(failures, _)| *failures);
    // Of these no further role is tried in this turn: it would only wait, too.
    let mut away = BTreeSet::new();
    for (_, name) in roles {
        if let Some(mut role) = StaticRole::find(&name)?.filter(|role| role.due <= now) {
            tick_role(&name, &mut role, now, &mut away)?;
            // Each by itself: what happens to the next does not undo it.
            effects::prepare()?;
        }
    }
    Ok(())
}

fn tick_role(
    name: &str,
    role: &mut StaticRole,
    now: u64,
    away: &mut BTreeSet<String>,
) -> Result<()> {
    if !is_begun(name)? && role.schedule.is_missed(role.planned, now) {
        log::warn(&format!(
            "static role {name:?} was not rotated in its window; it waits for the next one"
        ));
        role.planned = role.schedule.next(now)?;
        role.failures = 0;
        reschedule(name, &mut role.due, role.planned)?;
        return role.store(name);
    }
    if away.contains(&role.db_name) {
        return postpone(name, role);
    }
    match rotate(name, role) {
        Ok(()) => log::debug(&format!("static role {name:?} was rotated")),
        Err(error) => {
            if error.kind == ErrorKind::Unavailable {
                away.insert(role.db_name.clone());
            }
            log::error(&format!(
                "unable to rotate static role {name:?}: {}",
                error.message
            ));
            // Before anything was stored, so that it is not tried at every tick.
            if role.due <= now {
                postpone(name, role)?;
            }
        }
    }
    Ok(())
}
