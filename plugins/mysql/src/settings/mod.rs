//! A connection's configuration, as the operator wrote it, checked.

mod dsn;

use std::fmt;

use coffer_sdk::network::{TlsOptions, Verification};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::protocol::capability;

/// Where servers listen that are not said to listen elsewhere.
pub const PORT: u16 = 3306;

/// What the operator configured, as far as it concerns us. Everything else (pool sizes) is the host's.
#[derive(Default)]
pub struct Config {
    /// A data source name as Go's driver has it, with `{{username}}` and `{{password}}`.
    pub connection_url: String,
    /// Replaces `{{username}}`.
    pub username: String,
    /// Replaces `{{password}}`.
    pub password: Zeroizing<String>,
    /// Names of users to come; empty means [`crate::users::USERNAME_TEMPLATE`].
    pub username_template: String,
    /// A client's certificate and its key, in PEM.
    pub tls_certificate_key: Zeroizing<String>,
    /// Whom to trust, in PEM.
    pub tls_ca: String,
    /// What the server's certificate is for, if not for the host that we connect to.
    pub tls_server_name: String,
    /// Trust anybody.
    pub tls_skip_verify: bool,
    /// Other ways of logging in, which are not supported.
    pub auth_type: String,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// In the clear.
    #[default]
    No,
    /// If the server can.
    Preferred,
    /// Always.
    Required,
}

/// Where and how to connect.
pub struct Settings {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// May be empty.
    pub password: Zeroizing<String>,
    /// The default database; may be empty.
    pub database: String,
    /// Whether the connection is encrypted.
    pub encryption: Encryption,
    /// And with what.
    pub tls: TlsOptions,
    /// An entry of the operator's statements may hold several.
    pub multi_statements: bool,
    /// What is set at the start of a session, as it is written in SQL.
    pub variables: Vec<(String, String)>,
}

impl Drop for Settings {
    fn drop(&mut self) {
        self.tls.client_certificate.zeroize();
        self.tls.client_key.zeroize();
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

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
        let tls_skip_verify = match text("tls_skip_verify")?.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => true,
            "false" | "f" | "0" | "" => false,
            _ => {
                return Err(Error::Invalid(
                    "tls_skip_verify is not a boolean".to_owned(),
                ));
            }
        };
        Ok(Self {
            connection_url: text("connection_url")?,
            username: text("username")?,
            password: Zeroizing::new(text("password")?),
            username_template: text("username_template")?,
            tls_certificate_key: Zeroizing::new(text("tls_certificate_key")?),
            tls_ca: text("tls_ca")?,
            tls_server_name: text("tls_server_name")?,
            tls_skip_verify,
            auth_type: text("auth_type")?,
        })
    }

    /// Works it out.
    ///
    /// # Errors
    /// [`Error::Invalid`] that says which part cannot be used. It never quotes the URL: there may be a password in it.
    pub fn settings(&self) -> Result<Settings, Error> {
        if self.connection_url.trim().is_empty() {
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
        let name = dsn::parse(self.connection_url.trim())?;
        // Put in after it was taken apart: a password may have any character in it.
        let fill = |text: &str| {
            Zeroizing::new(
                text.replace("{{username}}", &self.username)
                    .replace("{{password}}", &self.password),
            )
        };
        let user = fill(&name.user).to_string();
        if user.is_empty() {
            return Err(Error::Invalid(
                "connection_url: no user is given".to_owned(),
            ));
        }
        let password = fill(&name.password);
        if user.contains('\0') || password.contains('\0') || name.database.contains('\0') {
            return Err(Error::Invalid("connection_url: has a NUL in it".to_owned()));
        }
        let mut settings = Settings {
            user,
            password,
            database: fill(&name.database).to_string(),
            encryption: Encryption::No,
            tls: TlsOptions {
                server_name: name.host.clone(),
                verification: Verification::Full,
                root_certificates: self.tls_ca.clone(),
                client_certificate: self.tls_certificate_key.to_string(),
                client_key: self.tls_certificate_key.to_string(),
            },
            multi_statements: false,
            variables: Vec::new(),
            host: name.host,
            port: name.port,
        };
        for (key, value) in name.parameters {
            settings.set(&key, &value)?;
        }
        self.encrypt(&mut settings);
        Ok(settings)
    }

    /// A root or a client's certificate asks for TLS, whatever the URL says; and as Vault has it, nothing else here does.
    fn encrypt(&self, settings: &mut Settings) {
        if !self.tls_ca.trim().is_empty() || !self.tls_certificate_key.trim().is_empty() {
            settings.encryption = Encryption::Required;
            settings.tls.verification = Verification::Full;
        }
        if self.tls_skip_verify {
            settings.tls.verification = Verification::None;
        }
        if !self.tls_server_name.is_empty() {
            settings.tls.server_name = self.tls_server_name.clone();
        }
    }
}

impl Settings {
    /// What we can.
    pub fn capabilities(&self) -> u32 {
        use capability::*;
        let mut all = LONG_PASSWORD
            | PROTOCOL_41
            | TRANSACTIONS
            | SECURE_CONNECTION
            | MULTI_RESULTS
            | PLUGIN_AUTH;
        if !self.database.is_empty() {
            all |= CONNECT_WITH_DB;
        }
        if self.multi_statements {
            all |= MULTI_STATEMENTS;
        }
        all
    }

    /// What a session starts with. Without `autocommit` what we look at would be as it was when we looked first.
    pub fn first_statement(&self) -> String {
        let variables = self.variables.iter();
        let own = variables.map(|(name, value)| format!(", {name} = {value}"));
        format!("SET autocommit = 1{}", own.collect::<String>())
    }

    /// One of the URL's parameters.
    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "tls" => match value.to_ascii_lowercase().as_str() {
                "false" | "0" => self.encryption = Encryption::No,
                "true" | "1" => self.encryption = Encryption::Required,
                "skip-verify" => {
                    self.encryption = Encryption::Required;
                    self.tls.verification = Verification::None;
                }
                "preferred" => {
                    self.encryption = Encryption::Preferred;
                    self.tls.verification = Verification::None;
                }
                _ => {
                    return Err(Error::Invalid(
                        "connection_url: tls is none of true, false, skip-verify, preferred"
                            .to_owned(),
                    ));
                }
            },
            "multiStatements" => self.multi_statements = matches!(value, "true" | "1"),
            // About what we do not do, or do in one way only: these change nothing that matters to users.
            "allowAllFiles"
            | "allowCleartextPasswords"
            | "allowFallbackToPlaintext"
            | "allowNativePasswords"
            | "allowOldPasswords"
            | "charset"
            | "checkConnLiveness"
            | "clientFoundRows"
            | "collation"
            | "columnsWithAlias"
            | "compress"
            | "connectionAttributes"
            | "interpolateParams"
            | "loc"
            | "maxAllowedPacket"
            | "parseTime"
            | "readTimeout"
            | "rejectReadOnly"
            | "serverPubKey"
            | "timeTruncate"
            | "timeout"
            | "writeTimeout" => {}
            "autocommit" => {}
            variable => {
                let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@');
                if variable.is_empty() || !variable.chars().all(good) {
                    return Err(Error::Invalid(
                        "connection_url: a parameter's name is none".to_owned(),
                    ));
                }
                self.variables.push((variable.to_owned(), value.to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
