//! `static-roles/` and `static-creds/`: users that are there already, and get a new password now and then.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::input::{self, CREDENTIAL_CONFIG, CREDENTIAL_TYPE, CredentialConfig};
use crate::schedule::{self, Schedule};
use crate::{limits, roles, rotation};

const NAME: Field<String> = Field::text("name", "Name of the static role.");
const DB_NAME: Field<String> = Field::text("db_name", "Name of the connection.").required();
const USERNAME: Field<String> = Field::text("username", "The database user.").required();
const PERIOD: Field<Seconds> =
    Field::duration("rotation_period", "How often its password changes.");
const SCHEDULE: Field<String> = Field::text(
    "rotation_schedule",
    "Or when: a cron pattern of five fields, in UTC.",
);
const WINDOW: Field<Seconds> = Field::duration(
    "rotation_window",
    "How late a scheduled change may be; else it waits for the next turn.",
);
const STATEMENTS: Field<Vec<String>> = Field::text_list(
    "rotation_statements",
    "Statements that change the password; empty means the database plugin's default.",
);

pub(crate) const LIST: Path =
    Path::new("static-roles", "Static roles.").list(|_| Ok(Response::list(storage::list(PREFIX)?)));

pub(crate) const PATH: Path = Path::new(
    "static-roles/{name}",
    "A static role: a user whose password is rotated.",
)
.fields(&[
    NAME.decl(),
    DB_NAME.decl(),
    USERNAME.decl(),
    PERIOD.decl(),
    SCHEDULE.decl(),
    WINDOW.decl(),
    STATEMENTS.decl(),
    CREDENTIAL_TYPE.decl(),
    CREDENTIAL_CONFIG.decl(),
])
.exists(|request| exists(&input::name(request, NAME)?))
.read(read)
.write(write)
.delete(delete);

pub(crate) const CREDS: Path = Path::new("static-creds/{name}", "The password of a static role.")
    .fields(&[NAME.decl()])
    .read(creds);

const PREFIX: &str = "static-role/";

fn credential_key(name: &str) -> String {
    format!("static-cred/{name}")
}

fn key(name: &str) -> String {
    [PREFIX, name].concat()
}

/// A static role. Times in milliseconds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StaticRole {
    pub db_name: String,
    pub username: String,
    pub schedule: Schedule,
    #[serde(default)]
    pub credential_config: CredentialConfig,
    pub rotation_statements: Vec<String>,
    /// When the next rotation should be.
    pub planned: u64,
    /// When it will be tried: later than planned, after a failure.
    pub due: u64,
    /// Of the next rotation, so far.
    pub failures: u32,
}

impl StaticRole {
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        storage::get_json(&key(name))
    }

    pub(crate) fn store(&self, name: &str) -> Result<()> {
        storage::put_json(&key(name), self)
    }

    /// Plans the next rotation anew.
    pub(crate) fn plan(&mut self, name: &str, last_rotation: u64) -> Result<()> {
        self.planned = self.schedule.next(last_rotation)?;
        self.failures = 0;
        rotation::reschedule(name, &mut self.due, self.planned)
    }
}

/// What the last rotation has left: under a key of its own, so that a role can be written while it is rotated.
#[derive(Serialize, Deserialize)]
pub(crate) struct Credential {
    pub password: String,
    /// Milliseconds.
    pub last_rotation: u64,
}

impl Credential {
    fn load(name: &str) -> Result<Self> {
        storage::get_json(&credential_key(name))?
            .ok_or_else(|| Error::internal(format!("static role {name:?} has no password")))
    }

    pub(crate) fn store(&self, name: &str) -> Result<()> {
        storage::put_json(&credential_key(name), self)
    }
}

pub(crate) fn exists(name: &str) -> Result<bool> {
    Ok(storage::get(&key(name))?.is_some())
}

fn read(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    let Some(role) = StaticRole::find(&name)? else {
        return Ok(Response::empty());
    };
    let mut data = common(&role, &Credential::load(&name)?);
    data.insert("db_name".to_owned(), role.db_name.into());
    data.insert(
        "rotation_statements".to_owned(),
        role.rotation_statements.into(),
    );
    data.insert("credential_type".to_owned(), "password".into());
    let mut data = Value::Object(data);
    role.credential_config.show_in(&mut data);
    Ok(Response::data(data))
}

/// What both the role and its credentials tell.
fn common(role: &StaticRole, credential: &Credential) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("username".to_owned(), role.username.clone().into());
    data.insert(
        "last_vault_rotation".to_owned(),
        clock::rfc3339(credential.last_rotation).into(),
    );
    match &role.schedule {
        Schedule::Period(seconds) => {
            data.insert("rotation_period".to_owned(), (*seconds).into());
        }
        Schedule::Cron { pattern, window } => {
            data.insert("rotation_schedule".to_owned(), pattern.clone().into());
            if *window > 0 {
                data.insert("rotation_window".to_owned(), (*window).into());
            }
        }
    }
    data
}

fn write(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    if roles::exists(&name)? {
        return Err(Error::invalid("Role and Static Role names must be unique"));
    }
    let credential_config = input::credential_config(request)?;
    for field in ["skip_import_rotation", "self_managed_password"] {
        input::refuse_if_true(request, field)?;
    }
    let statements = input::statements(request, STATEMENTS)?;
    let Some(mut role) = StaticRole::find(&name)? else {
        let config = credential_config.unwrap_or_default();
        return create(request, &name, config, statements.unwrap_or_default());
    };
    if request
        .get(USERNAME)?
        .is_some_and(|username| username != role.username)
    {
        return Err(Error::invalid("cannot update static account username"));
    }
    role.db_name = request.get(DB_NAME)?.unwrap_or(role.db_name);
    if role.db_name.is_empty() {
        return Err(Error::invalid("database name is a required field"));
    }
    role.credential_config = credential_config.unwrap_or(role.credential_config);
    role.rotation_statements = statements.unwrap_or(role.rotation_statements);
    if let Some(schedule) = read_schedule(request, Some(&role.schedule))? {
        role.schedule = schedule;
        let last = Credential::load(&name)?.last_rotation;
        if rotation::is_begun(&name)? {
            role.planned = role.schedule.next(last)?;
        } else {
            role.plan(&name, last)?;
        }
    }
    role.store(&name)?;
    Ok(Response::empty())
}

fn create(
    request: &Request,
    name: &str,
    credential_config: CredentialConfig,
    rotation_statements: Vec<String>,
) -> Result<Response> {
    let required = |field, message| match request.get(field)? {
        Some(value) if value != String::new() => Ok(value),
        _ => Err(Error::invalid(message)),
    };
    let mut role = StaticRole {
        db_name: required(DB_NAME, "database name is a required field")?,
        username: required(USERNAME, "username is a required field to create a static account")?,
        schedule: read_schedule(request, None)?
            .ok_or_else(|| Error::invalid("one of rotation_schedule or rotation_period must be provided to create a static account"))?,
        credential_config,
        rotation_statements,
        planned: 0,
        due: 0,
        failures: 0,
    };
    // It is kept only if we can change its password.
    rotation::rotate(name, &mut role)?;
    Ok(Response::empty())
}

/// The schedule that is asked for; None if nothing is said of it.
fn read_schedule(request: &Request, before: Option<&Schedule>) -> Result<Option<Schedule>> {
    let (period, pattern) = (
        request.get(PERIOD)?,
        request.get(SCHEDULE)?.filter(|pattern| !pattern.is_empty()),
    );
    let window = request.get(WINDOW)?.map(|window| window.0);
    if window.is_some_and(|window| window > 0 && window < limits::ROTATION_WINDOW) {
        return Err(Error::invalid(format!(
            "rotation_window must be {} seconds or more",
            limits::ROTATION_WINDOW
        )));
    }
    let no_window = || Error::invalid("rotation_window is invalid with use of rotation_period");
    match (period, pattern, window, before) {
        (Some(_), Some(_), ..) => Err(Error::invalid(
            "mutually exclusive fields rotation_period and rotation_schedule were both specified; only one of them can be \
             provided",
        )),
        (Some(Seconds(period)), None, ..) if period < limits::ROTATION_PERIOD => {
            Err(Error::invalid(format!(
                "rotation_period must be {} seconds or more",
                limits::ROTATION_PERIOD
            )))
        }
        (Some(_), None, Some(window), _) if window > 0 => Err(no_window()),
        (Some(Seconds(period)), None, ..) => Ok(Some(Schedule::Period(period))),
        (None, Some(pattern), window, _) => {
            schedule::check(&pattern, clock::now())?;
            let before = match before {
                Some(Schedule::Cron { window, .. }) => *window,
                _ => 0,
            };
            Ok(Some(Schedule::Cron {
                pattern,
                window: window.unwrap_or(before),
            }))
        }
        (None, None, Some(window), Some(Schedule::Cron { pattern, .. })) => {
            Ok(Some(Schedule::Cron {
                pattern: pattern.clone(),
                window,
            }))
        }
        (None, None, Some(window), Some(Schedule::Period(_))) if window > 0 => Err(no_window()),
        (None, None, ..) => Ok(None),
    }
}

/// The user stays, with the password that it has.
fn delete(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    if let Some(role) = StaticRole::find(&name)? {
        rotation::forget(&name, role.due)?;
    }
    storage::delete(&key(&name))?;
    storage::delete(&credential_key(&name))?;
    Ok(Response::empty())
}

fn creds(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    let role =
        StaticRole::find(&name)?.ok_or_else(|| Error::invalid(format!("unknown role: {name}")))?;
    Config::load_for(&role.db_name, &name)?;
    let left = role.planned.saturating_sub(clock::now());
    let credential = Credential::load(&name)?;
    let mut data = common(&role, &credential);
    data.insert("password".to_owned(), credential.password.into());
    data.insert("ttl".to_owned(), ((left + 500) / 1000).into());
    Ok(Response::data(Value::Object(data)))
}
