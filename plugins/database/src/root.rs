//! Rotation of a connection's own password: afterwards nobody knows it but this engine.
//!
//! The new password is stored before the database hears of it. If a rotation is interrupted, the next tick, or the next login
//! that is refused, tries which of the two the database takes.

use coffer_sdk::ErrorKind;
use coffer_sdk::databases::{self, Target, UserChange};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::input::CredentialConfig;
use crate::{input, limits, password};

const NAME: Field<String> = Field::text("name", "Name of the connection.");

pub(crate) const PATH: Path = Path::new(
    "rotate-root/{name}",
    "Gives the connection's own user a new password.",
)
.fields(&[NAME.decl()])
.write(rotate);

const WAL: &str = "wal/root/";

fn wal_key(name: &str) -> String {
    [WAL, name].concat()
}

/// What a rotation has left: the password that holds in the place of the one that was written.
///
/// It has a key of its own, and none that a rotation ends with is read before: so nothing that is written meanwhile keeps
/// the new password from being stored.
#[derive(Serialize, Deserialize)]
struct Rotated {
    username: String,
    instead_of: String,
    password: String,
}

fn rotated_key(name: &str) -> String {
    format!("root/{name}")
}

/// The password that holds instead of the one that is written in this configuration.
pub(crate) fn password_of(name: &str, written: &Config) -> Result<Option<String>> {
    let rotated = storage::get_json::<Rotated>(&rotated_key(name))?.filter(|rotated| {
        rotated.username == written.username() && rotated.instead_of == written.password()
    });
    Ok(rotated.map(|rotated| rotated.password))
}

/// What is written holds.
pub(crate) fn forget(name: &str) -> Result<()> {
    storage::delete(&rotated_key(name))
}

/// Makes a call on a connection. If its login is refused and a rotation was interrupted, the password may be that
/// rotation's: which of them holds is settled for the next call.
pub(crate) fn on<R>(
    name: &str,
    config: &Config,
    call: impl FnOnce(&Target) -> Result<R>,
) -> Result<R> {
    let result = call(&config.target(name)?);
    if let Err(error) = &result
        && error.kind == ErrorKind::Unavailable
        && error.message.contains(REFUSED_LOGIN)
        && let Err(reason) = recover(name)
    {
        // The caller is to learn why its own call failed.
        log::warn(&format!(
            "which password connection {name:?} has is not known yet: {}",
            reason.message
        ));
    }
    result
}

/// What can be said after a refused login. While a rotation is under way what would undo it stays.
fn recover(name: &str) -> Result<()> {
    let Some(wal) = storage::get_json::<Wal>(&wal_key(name))? else {
        return Ok(());
    };
    if wal.is_in_flight(clock::now()) {
        adopt_if_it_holds(name, &wal)?;
    } else {
        settle(name, wal)?;
    }
    effects::prepare()
}

/// How backends say that the password is wrong: with this SQLSTATE.
const REFUSED_LOGIN: &str = "28P01";

/// A rotation that has begun.
#[derive(Serialize, Deserialize)]
struct Wal {
    username: String,
    new_password: String,
    /// Milliseconds.
    begun: u64,
}

impl Wal {
    fn is_in_flight(&self, now: u64) -> bool {
        now <= self.begun + limits::IN_FLIGHT * 1000
    }
}

fn rotate(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    if let Some(wal) = storage::get_json::<Wal>(&wal_key(&name))? {
        if wal.is_in_flight(clock::now()) {
            return Err(Error::conflict(
                "a rotation of this connection's password is under way",
            ));
        }
        settle(&name, wal)?;
    }
    let written = Config::written(&name)?.unwrap_or_default();
    let config = Config::load(&name)?;
    let missing = |what| {
        Error::invalid(format!(
            "unable to rotate root credentials: no {what} in configuration"
        ))
    };
    if config.username().is_empty() {
        return Err(missing("username"));
    }
    if config.password().is_empty() {
        return Err(missing("password"));
    }
    if config.has_fixed_password() {
        return Err(Error::invalid(
            "unable to rotate root credentials: the password stands in connection_url itself; write {{password}} there",
        ));
    }
    let failed = |error: Error| Error {
        message: format!("failed to update user: {}", error.message),
        ..error
    };
    // What cannot be reached is not asked to change anything, and nothing is in doubt.
    databases::ping(&config.target(&name)?).map_err(failed)?;
    let new_password = password::generate(&config, &CredentialConfig::default())?;
    let username = config.username().to_owned();
    let wal = Wal {
        username: username.clone(),
        new_password: new_password.clone(),
        begun: clock::now(),
    };
    storage::put_json(&wal_key(&name), &wal)?;
    effects::prepare()?;

    let change = UserChange {
        username,
        password: Some(new_password.clone()),
        expires: None,
        statements: config.root_credentials_rotate_statements.clone(),
    };
    match databases::update_user(&config.target(&name)?, &change) {
        Ok(()) => adopt(&name, &written, &new_password)?,
        Err(error) => {
            // Unless it was cut off, the database has refused, and nothing has changed.
            if error.kind != ErrorKind::Unavailable {
                storage::delete(&wal_key(&name))?;
                effects::prepare()?;
            }
            return Err(failed(error));
        }
    }
    Ok(Response::empty())
}

fn adopt(name: &str, written: &Config, password: &str) -> Result<()> {
    let rotated = Rotated {
        username: written.username().to_owned(),
        instead_of: written.password().to_owned(),
        password: password.to_owned(),
    };
    storage::put_json(&rotated_key(name), &rotated)?;
    storage::delete(&wal_key(name))?;
    databases::close(name);
    Ok(())
}

/// Finds out which password holds.
fn settle(name: &str, mut wal: Wal) -> Result<()> {
    match Config::written(name)? {
        Some(config) if config.username() == wal.username => {}
        // Deleted, or written anew: what was there before concerns nobody.
        _ => return storage::delete(&wal_key(name)),
    }
    // Not again for a while, whatever comes of it.
    wal.begun = clock::now();
    storage::put_json(&wal_key(name), &wal)?;
    effects::prepare()?;
    if adopt_if_it_holds(name, &wal)? {
        return Ok(());
    }
    databases::ping(&Config::load(name)?.target(name)?)?;
    storage::delete(&wal_key(name))
}

/// Takes the rotation's password for the connection's if the database does.
fn adopt_if_it_holds(name: &str, wal: &Wal) -> Result<bool> {
    let Some(written) = Config::written(name)?.filter(|config| config.username() == wal.username)
    else {
        return Ok(false);
    };
    let config = Config::load(name)?.with_password(&wal.new_password);
    let holds = databases::ping(&config.target(name)?).is_ok();
    if holds {
        adopt(name, &written, &wal.new_password)?;
    }
    Ok(holds)
}

/// Finishes rotations that were interrupted.
pub(crate) fn tick() -> Result<()> {
    let now = clock::now();
    for key in storage::scan(WAL, None, limits::ROOT_ROTATIONS)? {
        let Some(wal) = storage::get_json::<Wal>(&key)?.filter(|wal| !wal.is_in_flight(now)) else {
            continue;
        };
        let name = key.strip_prefix(WAL).unwrap_or_default();
        if let Err(error) = settle(name, wal) {
            log::error(&format!(
                "which password connection {name:?} has is not known yet: {}",
                error.message
            ));
        }
        effects::prepare()?;
    }
    Ok(())
}
