//! A connection's configuration, as the operator wrote it, checked.

mod dsn;
mod url;

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::limits;

/// What the operator configured, as far as it concerns us. Everything else (pool sizes) is the host's.
#[derive(Default)]
pub struct Config {
    /// A URL or a list of `key=value`, with `{{username}}` and `{{password}}`.
    pub connection_url: String,
    /// Replaces `{{username}}`.
    pub username: String,
    /// Replaces `{{password}}`.
    pub password: Zeroizing<String>,
    /// Put both into the URL as they are.
    pub disable_escaping: bool,
    /// Names of users to come; empty means [`crate::users::USERNAME_TEMPLATE`].
    pub username_template: String,
    /// `password` or `scram-sha-256`: what the server is told of a new password.
    pub password_authentication: String,
    /// Whom to trust, and who we are.
    pub certificates: Certificates,
    /// Other ways of logging in, which are not supported.
    pub auth_type: String,
}

/// A server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name: also what its certificate must be for.
    pub name: String,
    /// Where to connect to, if not by its name.
    pub address: Option<String>,
    /// Its port.
    pub port: u16,
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// In the clear.
    Disable,
    /// In the clear; encrypted if the server wants it so.
    Allow,
    /// Encrypted; in the clear if the server cannot.
    Prefer,
    /// Encrypted, with whomever.
    Require,
    /// Encrypted, with whomever a trusted root vouches for.
    VerifyCa,
    /// And whose certificate is for this host.
    VerifyFull,
}

/// Certificates, in PEM.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Whom to trust; empty means the public roots.
    pub roots: String,
    /// Who we are; may be empty.
    pub certificate: String,
    /// The key that belongs to it.
    pub key: Zeroizing<String>,
}

/// Where and how to connect.
pub struct Settings {
    /// Tried in this order.
    pub hosts: Vec<Host>,
    /// Who logs in.
    pub user: String,
    /// May be empty.
    pub password: Zeroizing<String>,
    /// To which database.
    pub database: String,
    /// Whether the connection is encrypted.
    pub ssl: SslMode,
    /// And with what.
    pub certificates: Certificates,
    /// Only a server that takes writes will do.
    pub writable: bool,
    /// What the server is told about the session.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("hosts", &self.hosts)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("ssl", &self.ssl)
            .field("writable", &self.writable)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// Everything that could end a component of a URL is encoded.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl Config {
    /// From JSON, with numbers and booleans also as text, as clients send them.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of a field that is of another type. It never quotes a value.
    pub fn read(fields: &Map<String, Value>) -> Result<Self, Error> {
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Bool(boolean)) => Ok(boolean.to_string()),
            Some(_) => Err(Error::Invalid(format!("{name} is not a string"))),
        };
        let disable_escaping = match text("disable_escaping")?.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => true,
            "false" | "f" | "0" | "" => false,
            _ => {
                return Err(Error::Invalid(
                    "disable_escaping is not a boolean".to_owned(),
                ));
            }
        };
        Ok(Self {
            connection_url: text("connection_url")?,
            username: text("username")?,
            password: Zeroizing::new(text("password")?),
            disable_escaping,
            username_template: text("username_template")?,
            password_authentication: text("password_authentication")?,
            certificates: Certificates {
                roots: text("tls_ca")?,
                certificate: text("tls_certificate")?,
                key: Zeroizing::new(text("private_key")?),
            },
            auth_type: text("auth_type")?,
        })
    }

    /// Works it out.
    ///
    /// # Errors
    /// [`Error::Invalid`] that says which part cannot be used. It never quotes the URL: there may be a password in it.
    pub fn settings(&self) -> Result<Settings, Error> {
        let template = self.connection_url.trim();
        if template.is_empty() {
            return Err(Error::Invalid("connection_url cannot be empty".to_owned()));
        }
        for variable in ["{{username}}", "{{password}}"] {
            if self.username.contains(variable) || self.password.contains(variable) {
                return Err(Error::Invalid(
                    "username and/or password cannot contain the template variables".to_owned(),
                ));
            }
        }
        if !self.auth_type.is_empty() {
            return Err(Error::Invalid(format!(
                "auth_type {:?} is not supported",
                self.auth_type
            )));
        }
        let rest = template
            .strip_prefix("postgresql://")
            .or_else(|| template.strip_prefix("postgres://"));
        let escape = |text: &str| {
            Zeroizing::new(match rest {
                _ if self.disable_escaping => text.to_owned(),
                Some(_) => utf8_percent_encode(text, COMPONENT).to_string(),
                None => dsn::escape(text),
            })
        };
        let fill = |text: &str| {
            let named = text.replace("{{username}}", &escape(&self.username));
            Zeroizing::new(named.replace("{{password}}", &escape(&self.password)))
        };
        let pairs = match rest {
            Some(rest) => url::pairs(&fill(rest))?,
            None => dsn::pairs(&fill(template))?,
        };
        self.build(pairs)
    }

    fn build(&self, pairs: Pairs) -> Result<Settings, Error> {
        let mut build = Builder {
            user: self.username.clone(),
            password: self.password.clone(),
            certificates: self.certificates.clone(),
            ..Builder::default()
        };
        for (key, value) in pairs {
            build.set(&key, value)?;
        }
        build.finish()
    }
}

/// Keys and values of either notation, in order.
type Pairs = Vec<(String, Zeroizing<String>)>;

#[derive(Default)]
struct Builder {
    hosts: String,
    addresses: String,
    ports: String,
    user: String,
    password: Zeroizing<String>,
    database: String,
    ssl: String,
    certificates: Certificates,
    writable: bool,
    parameters: Vec<(String, String)>,
}

impl Builder {
    fn set(&mut self, key: &str, value: Zeroizing<String>) -> Result<(), Error> {
        let text = || value.to_string();
        match key {
            "host" => self.hosts = text(),
            "hostaddr" => self.addresses = text(),
            "port" => self.ports = text(),
            "user" => self.user = text(),
            "password" => self.password = value,
            "dbname" | "database" => self.database = text(),
            "sslmode" => self.ssl = text(),
            "sslrootcert" if *value == "system" => self.certificates.roots.clear(),
            "sslrootcert" => self.certificates.roots = pem(key, &value)?,
            "sslcert" => self.certificates.certificate = pem(key, &value)?,
            "sslkey" => self.certificates.key = Zeroizing::new(pem(key, &value)?),
            "sslpassword" | "service" | "servicefile" | "passfile" | "requirepeer" => {
                return Err(Error::Invalid(format!(
                    "connection_url: {key} is not supported"
                )));
            }
            "channel_binding" | "gssencmode" if *value == "require" => {
                return Err(Error::Invalid(format!(
                    "connection_url: {key}=require is not supported"
                )));
            }
            "target_session_attrs" => {
                self.writable = match value.as_str() {
                    "any" => false,
                    "read-write" | "primary" => true,
                    _ => {
                        return Err(Error::Invalid(
                            "connection_url: this target_session_attrs is not supported: users are made on a server that \
                             takes writes"
                                .to_owned(),
                        ));
                    }
                };
            }
            // Of the transport, which is the host's; of other drivers; or about what we do not do.
            "connect_timeout"
            | "tcp_user_timeout"
            | "keepalives"
            | "keepalives_idle"
            | "keepalives_interval"
            | "keepalives_count"
            | "channel_binding"
            | "gssencmode"
            | "gsslib"
            | "gssdelegation"
            | "krbsrvname"
            | "sslcompression"
            | "sslsni"
            | "sslcrl"
            | "sslcrldir"
            | "sslcertmode"
            | "sslnegotiation"
            | "ssl_min_protocol_version"
            | "ssl_max_protocol_version"
            | "require_auth"
            | "load_balance_hosts"
            | "fallback_application_name"
            | "client_encoding"
            | "binary_parameters"
            | "default_query_exec_mode"
            | "statement_cache_capacity"
            | "description_cache_capacity"
            | "pool_max_conns" => {}
            // The server's own: `application_name`, `options`, `search_path`, `statement_timeout`...
            _ => self.parameters.push((key.to_owned(), text())),
        }
        Ok(())
    }

    fn finish(self) -> Result<Settings, Error> {
        let ssl = match self.ssl.as_str() {
            "disable" => SslMode::Disable,
            "allow" => SslMode::Allow,
            "" | "prefer" => SslMode::Prefer,
            // As in libpq: with a root certificate at hand, "require" checks it.
            "require" if self.certificates.roots.trim().is_empty() => SslMode::Require,
            "require" | "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            _ => {
                return Err(Error::Invalid(
                    "connection_url: sslmode is none of disable, allow, prefer, require, verify-ca, verify-full"
                        .to_owned(),
                ));
            }
        };
        if self.certificates.certificate.is_empty() != self.certificates.key.is_empty() {
            return Err(Error::Invalid(
                "tls_certificate and private_key go together".to_owned(),
            ));
        }
        if self.user.is_empty() {
            return Err(Error::Invalid(
                "connection_url: no user is given".to_owned(),
            ));
        }
        let hosts = hosts(&self.hosts, &self.addresses, &self.ports)?;
        let mut parameters = self.parameters;
        for (key, value) in [("application_name", "coffer"), ("TimeZone", "UTC")] {
            if !parameters
                .iter()
                .any(|(have, _)| have.eq_ignore_ascii_case(key))
            {
                parameters.push((key.to_owned(), value.to_owned()));
            }
        }
        let database = if self.database.is_empty() {
            self.user.clone()
        } else {
            self.database
        };
        Ok(Settings {
            hosts,
            user: self.user,
            password: self.password,
            database,
            ssl,
            certificates: self.certificates,
            writable: self.writable,
            parameters,
        })
    }
}

/// Certificates may stand in the URL, but not as files: we have none.
fn pem(key: &str, value: &str) -> Result<String, Error> {
    if value.contains("-----BEGIN ") {
        return Ok(value.to_owned());
    }
    Err(Error::Invalid(format!(
        "connection_url: {key} names a file, which a plugin cannot read: put the PEM itself into tls_ca, tls_certificate and \
         private_key"
    )))
}

/// Lists separated by commas; one port may stand for all hosts.
fn hosts(names: &str, addresses: &str, ports: &str) -> Result<Vec<Host>, Error> {
    let list = |text: &str| {
        text.split(',')
            .map(|part| part.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let (names, addresses, ports) = (list(names), list(addresses), list(ports));
    let count = names.len().max(addresses.len());
    if count > limits::HOSTS {
        return Err(Error::Invalid(format!(
            "connection_url: {count} hosts; {} are allowed",
            limits::HOSTS
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::Invalid(format!(
            "connection_url: {} ports for {count} hosts",
            ports.len()
        )));
    }
    (0..count)
        .map(|i| {
            let pick = |list: &[String]| list.get(i).filter(|text| !text.is_empty()).cloned();
            let address = pick(&addresses);
            let name = pick(&names)
                .or_else(|| address.clone())
                .ok_or_else(|| Error::Invalid("connection_url: no host is given".to_owned()))?;
            if name.starts_with('/') || name.starts_with('@') {
                return Err(Error::Invalid(
                    "connection_url: a Unix socket cannot be reached from a plugin".to_owned(),
                ));
            }
            let port = pick(&ports)
                .or_else(|| ports.first().filter(|_| ports.len() == 1).cloned())
                .unwrap_or_default();
            let port = match port.as_str() {
                "" => 5432,
                port => match port.parse() {
                    Ok(0) | Err(_) => {
                        return Err(Error::Invalid(
                            "connection_url: a port is no number from 1 to 65535; characters such as / ? # @ : in a user or \
                             password must be percent-encoded"
                                .to_owned(),
                        ));
                    }
                    Ok(port) => port,
                },
            };
            Ok(Host {
                name,
                address,
                port,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
