//! `config/`: connections to databases.

use coffer_sdk::databases::{self, Target, UserNaming};
use coffer_sdk::parse_duration;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::redact::Redacted;
use crate::{input, limits, root};

const NAME: Field<String> = Field::text("name", "Name of the connection.");
const PLUGIN_NAME: Field<String> =
    Field::text("plugin_name", "The database plugin that serves it.").required();
const PLUGIN_VERSION: Field<String> = Field::text(
    "plugin_version",
    "Its version; empty takes the one in force.",
);
const VERIFY: Field<bool> = Field::boolean(
    "verify_connection",
    "Whether to connect before it is stored.",
)
.default_json("true");
const ALLOWED_ROLES: Field<Vec<String>> = Field::text_list(
    "allowed_roles",
    "Roles that may use it: names, with `*` for any part. Empty: none.",
);
const ROOT_ROTATION: Field<Vec<String>> = Field::text_list(
    "root_rotation_statements",
    "Statements that change the password of the connection's own user.",
);
const PASSWORD_POLICY: Field<String> = Field::text(
    "password_policy",
    "The password policy that passwords are made by where a role names none; empty means 20 letters, digits and dashes.",
);
// What follows is the backend's; it is stored as it comes, and so is whatever else there is.
const URL: Field<String> = Field::text(
    "connection_url",
    "Where to connect to, with `{{username}}` and `{{password}}` for the next two.",
);
const USERNAME: Field<String> = Field::text("username", "The connection's own user.");
const PASSWORD: Field<String> = Field::text(
    "password",
    "Its password; `rotate-root` gives it one that nobody knows.",
);
const USERNAME_TEMPLATE: Field<String> =
    Field::text("username_template", "Template of the names of users.");
const MAX_OPEN: Field<i64> =
    Field::integer("max_open_connections", "Connections at a time; 0 means 4.");
const MAX_IDLE: Field<i64> = Field::integer(
    "max_idle_connections",
    "Accepted for compatibility: the host closes idle ones.",
);
const MAX_LIFETIME: Field<String> = Field::text(
    "max_connection_lifetime",
    "After this time a connection is made anew.",
);
const DISABLE_ESCAPING: Field<bool> = Field::boolean(
    "disable_escaping",
    "Put user and password into the URL as they are.",
);
const AUTHENTICATION: Field<String> = Field::text(
    "password_authentication",
    "`password`, or `scram-sha-256`: the database never sees the password.",
);
const TLS_CA: Field<String> = Field::text(
    "tls_ca",
    "Whom to trust, in PEM; empty means the public roots.",
);
const TLS_CERTIFICATE: Field<String> =
    Field::text("tls_certificate", "A client certificate, in PEM.");
const PRIVATE_KEY: Field<String> =
    Field::text("private_key", "The key that belongs to it, in PEM.");

/// Of the engine, not of the backend.
const OWN: [&str; 7] = [
    NAME.name(),
    PLUGIN_NAME.name(),
    PLUGIN_VERSION.name(),
    VERIFY.name(),
    ALLOWED_ROLES.name(),
    ROOT_ROTATION.name(),
    PASSWORD_POLICY.name(),
];
/// Never shown.
const SECRET: [&str; 2] = [PASSWORD.name(), PRIVATE_KEY.name()];

pub(crate) const LIST: Path = Path::new("config", "Connections to databases.")
    .list(|_| Ok(Response::list(storage::list(PREFIX)?)));

// No list of fields: the backend's own are unknown here, and no request is warned of them.
pub(crate) const PATH: Path = Path::new("config/{name}", "A connection to a database.")
    .fields(&[
        NAME.decl(),
        PLUGIN_NAME.decl(),
        PLUGIN_VERSION.decl(),
        VERIFY.decl(),
        ALLOWED_ROLES.decl(),
        ROOT_ROTATION.decl(),
        PASSWORD_POLICY.decl(),
        URL.decl(),
        USERNAME.decl(),
        PASSWORD.decl(),
        USERNAME_TEMPLATE.decl(),
        MAX_OPEN.decl(),
        MAX_IDLE.decl(),
        MAX_LIFETIME.decl(),
        DISABLE_ESCAPING.decl(),
        AUTHENTICATION.decl(),
        TLS_CA.decl(),
        TLS_CERTIFICATE.decl(),
        PRIVATE_KEY.decl(),
    ])
    .exists(|request| Ok(storage::get(&key(&input::name(request, NAME)?))?.is_some()))
    .read(read)
    .write(write)
    .delete(delete);

pub(crate) const RESET: Path = Path::new("reset/{name}", "Closes a connection, and makes it anew.")
    .fields(&[NAME.decl()])
    .write(reset);

const PREFIX: &str = "config/";

fn key(name: &str) -> String {
    [PREFIX, name].concat()
}

/// A connection.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    pub plugin_name: String,
    /// Empty takes the one in force.
    #[serde(default)]
    pub plugin_version: String,
    pub connection_details: Map<String, Value>,
    pub allowed_roles: Vec<String>,
    pub root_credentials_rotate_statements: Vec<String>,
    pub verify_connection: bool,
    /// Empty for passwords as they usually are.
    #[serde(default)]
    pub password_policy: String,
    /// The details that the backend says are secret.
    #[serde(default)]
    pub secret_fields: Vec<String>,
}

impl Config {
    /// As it was written.
    pub(crate) fn written(name: &str) -> Result<Option<Self>> {
        storage::get_json(&key(name))
    }

    /// With the password that holds now.
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        let Some(config) = Self::written(name)? else {
            return Ok(None);
        };
        Ok(Some(match root::password_of(name, &config)? {
            Some(password) => config.with_password(&password),
            None => config,
        }))
    }

    /// # Errors
    /// Invalid, if there is no such connection.
    pub(crate) fn load(name: &str) -> Result<Self> {
        Self::find(name)?.ok_or_else(|| {
            Error::invalid(format!(
                "failed to find entry for connection with name: {name:?}"
            ))
        })
    }

    /// The same, for a role.
    ///
    /// # Errors
    /// Invalid, if the role may not use it.
    pub(crate) fn load_for(name: &str, role: &str) -> Result<Self> {
        let config = Self::load(name)?;
        if config
            .allowed_roles
            .iter()
            .any(|pattern| matches(pattern, role))
        {
            return Ok(config);
        }
        Err(Error::invalid(format!("{role:?} is not an allowed role")))
    }

    /// What the host needs to reach it.
    pub(crate) fn target(&self, name: &str) -> Result<Target> {
        let number = |field: Field<i64>| match self.connection_details.get(field.name()) {
            Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
            Some(Value::String(text)) => text.trim().parse().unwrap_or(0),
            _ => 0,
        };
        let lifetime = match self.connection_details.get(MAX_LIFETIME.name()) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => parse_duration(text),
            _ => Some(0),
        };
        let max_connections = match number(MAX_OPEN) {
            // As in Vault: no limit; but there is one.
            n if n < 0 => limits::CONNECTIONS,
            n => u32::try_from(n).unwrap_or(limits::CONNECTIONS),
        };
        Ok(Target {
            name: name.to_owned(),
            plugin: self.plugin_name.clone(),
            version: self.plugin_version.clone(),
            config: serde_json::to_string(&self.connection_details)?,
            max_connections,
            max_lifetime: lifetime
                .and_then(|seconds| u32::try_from(seconds).ok())
                .unwrap_or(0),
        })
    }

    /// A detail that is text.
    pub(crate) fn detail(&self, name: &str) -> &str {
        self.connection_details
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The connection's own user.
    pub(crate) fn username(&self) -> &str {
        self.detail(USERNAME.name())
    }

    /// Its password.
    pub(crate) fn password(&self) -> &str {
        self.detail(PASSWORD.name())
    }

    /// The same connection with another password.
    pub(crate) fn with_password(&self, password: &str) -> Self {
        let mut config = self.clone();
        config
            .connection_details
            .insert(PASSWORD.name().to_owned(), Value::from(password));
        config
    }

    /// The template of user names; empty means the backend's default.
    pub(crate) fn username_template(&self) -> &str {
        self.detail(USERNAME_TEMPLATE.name())
    }

    /// Whether no user name is made twice: chance has a part in it, as it has in the backend's default.
    pub(crate) fn makes_unique_names(&self) -> bool {
        let template = self.username_template();
        template.is_empty()
            || ["random", "uuid"]
                .iter()
                .any(|chance| template.contains(chance))
    }

    /// Whether there is a password in the URL itself, where no rotation reaches it.
    pub(crate) fn has_fixed_password(&self) -> bool {
        Redacted::of(self.detail(URL.name())).has_password
    }
}

/// `*` stands for any text, as in Vault's globs.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = name.split_once(part) else {
            return false;
        };
        name = after;
    }
    name.ends_with(end)
}

fn write(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    let mut config = Config::written(&name)?.unwrap_or_default();
    if let Some(plugin) = request.get(PLUGIN_NAME)? {
        config.plugin_name = plugin;
    }
    if config.plugin_name.is_empty() {
        return Err(Error::invalid("empty plugin name"));
    }
    if let Some(version) = request.get(PLUGIN_VERSION)? {
        config.plugin_version = version;
    }
    config.password_policy = request
        .get(PASSWORD_POLICY)?
        .unwrap_or(config.password_policy);
    input::refuse_if_true(request, "self_managed_password")?;
    config.allowed_roles = request.get(ALLOWED_ROLES)?.unwrap_or(config.allowed_roles);
    let rotation = input::statements(request, ROOT_ROTATION)?;
    config.root_credentials_rotate_statements =
        rotation.unwrap_or(config.root_credentials_rotate_statements);
    config.verify_connection = request.get(VERIFY)?.unwrap_or(true);
    let given = request
        .data()?
        .into_iter()
        .filter(|(field, _)| !OWN.contains(&field.as_str()));
    config.connection_details.extend(given);
    check_types(request)?;
    if request.get(PASSWORD)?.is_some() {
        // The operator knows better.
        root::forget(&name)?;
    }
    let used = match root::password_of(&name, &config)? {
        Some(password) => config.with_password(&password),
        None => config.clone(),
    };
    config.secret_fields = check(&name, &used)?;
    storage::put_json(&key(&name), &config)?;
    let warning = "Password found in connection_url, use a templated url to enable root rotation and prevent read access to \
                   password information.";
    Ok(if config.has_fixed_password() {
        Response::empty().warning(warning)
    } else {
        Response::empty()
    })
}

fn check_types(request: &Request) -> Result<()> {
    request.get(MAX_OPEN)?;
    request.get(MAX_IDLE)?;
    match request.get(MAX_LIFETIME)?.as_deref().map(parse_duration) {
        Some(None) => Err(Error::invalid(
            "invalid max_connection_lifetime: it is not a duration",
        )),
        _ => Ok(()),
    }
}

/// Lets the backend look at it, and, if that is wished, connect. Returns the details that the backend says are secret.
fn check(name: &str, config: &Config) -> Result<Vec<String>> {
    let target = config.target(name)?;
    let failed = |what: &str, error: Error| {
        // It is what the operator wrote that leads nowhere.
        databases::close(name);
        Error::invalid(format!(
            "error creating database object: {what}{}",
            error.message
        ))
    };
    let naming = UserNaming {
        display_name: "name".to_owned(),
        role_name: "name".to_owned(),
        template: config.username_template().to_owned(),
    };
    let secret = databases::secret_fields(&target).map_err(|error| failed("", error))?;
    databases::username(&target, &naming).map_err(|error| failed("", error))?;
    if config.verify_connection {
        databases::ping(&target).map_err(|error| failed("error verifying connection: ", error))?;
    }
    Ok(secret)
}

fn read(request: &Request) -> Result<Response> {
    let Some(mut config) = Config::written(&input::name(request, NAME)?)? else {
        return Ok(Response::empty());
    };
    let secret = config.secret_fields.iter().map(String::as_str);
    for field in SECRET.into_iter().chain(secret) {
        config.connection_details.remove(field);
    }
    if let Some(url) = config.connection_details.get_mut(URL.name()) {
        *url = match url.as_str() {
            Some(text) => Redacted::of(text).text.into(),
            None => Value::Null,
        };
    }
    Ok(Response::data(json!({
        "plugin_name": config.plugin_name,
        "plugin_version": config.plugin_version,
        "connection_details": config.connection_details,
        "allowed_roles": config.allowed_roles,
        "root_credentials_rotate_statements": config.root_credentials_rotate_statements,
        "password_policy": config.password_policy,
        "verify_connection": config.verify_connection,
    })))
}

/// Its roles stay, and say that it is gone.
fn delete(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    storage::delete(&key(&name))?;
    root::forget(&name)?;
    databases::close(&name);
    Ok(Response::empty())
}

fn reset(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    let config = Config::load(&name)?;
    databases::close(&name);
    root::on(&name, &config, databases::ping)?;
    Ok(Response::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        #[rustfmt::skip]
        let table = [
            ("app", "app", true), ("app", "apps", false), ("*", "app", true), ("app-*", "app-ro", true), ("app-*", "app", false),
            ("*-ro", "app-ro", true), ("*-ro", "app-rw", false), ("a*b*c", "a1b2c", true), ("a*b*c", "acb", false),
            ("a**c", "abc", true), ("a*a", "a", false), ("", "app", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
