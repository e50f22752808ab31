//! A connection's configuration, as the operator wrote it, checked.

use std::fmt;

use coffer_sdk::network::{TlsOptions, Verification};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::Error;

/// Where servers of this family listen.
pub const PORT: u16 = 6379;

/// How the server keeps its users over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// It does not, or somebody else sees to it.
    #[default]
    None,
    /// In its `aclfile`.
    AclFile,
    /// In its configuration file.
    Rewrite,
}

impl Persistence {
    /// What makes it keep them.
    pub fn command(self) -> Option<&'static [&'static str]> {
        match self {
            Self::None => None,
            Self::AclFile => Some(&["ACL", "SAVE"]),
            Self::Rewrite => Some(&["CONFIG", "REWRITE"]),
        }
    }
}

/// Where and how to connect.
pub struct Config {
    /// A name or an address; also what its certificate must be for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in.
    pub username: String,
    /// With this.
    pub password: Zeroizing<String>,
    /// None: in the clear.
    pub tls: Option<TlsOptions>,
    /// What is done after every change.
    pub persistence: Persistence,
    /// Names of users to come; empty means [`crate::users::USERNAME_TEMPLATE`].
    pub username_template: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("tls", &self.tls.is_some())
            .field("persistence", &self.persistence)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// From JSON, with numbers and booleans also as text, as clients send them.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of a field that cannot be used. It never quotes a secret one.
    pub fn read(fields: &Map<String, Value>) -> Result<Self, Error> {
        let fields = Fields(fields);
        let host = fields.required("host")?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&host);
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let in_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !is_address && !host.chars().all(in_names) {
            return Err(Error::Invalid(
                "host is not a name or an address: the port stands in `port`, and TLS in `tls`"
                    .to_owned(),
            ));
        }
        Ok(Self {
            host: host.to_owned(),
            port: fields.port()?,
            username: fields.required("username")?,
            password: Zeroizing::new(fields.required("password")?),
            tls: fields.tls(host)?,
            persistence: fields.persistence()?,
            username_template: fields.text("username_template")?,
        })
    }
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, name: &str) -> Result<String, Error> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Bool(boolean)) => Ok(boolean.to_string()),
            Some(_) => Err(Error::Invalid(format!("{name} is not a string"))),
        }
    }

    fn required(&self, name: &str) -> Result<String, Error> {
        match self.text(name)? {
            text if text.is_empty() => Err(Error::Invalid(format!("{name} cannot be empty"))),
            text => Ok(text),
        }
    }

    fn boolean(&self, name: &str) -> Result<bool, Error> {
        match self.text(name)?.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(true),
            "false" | "f" | "0" | "" => Ok(false),
            _ => Err(Error::Invalid(format!("{name} is not a boolean"))),
        }
    }

    fn port(&self) -> Result<u16, Error> {
        match self.text("port")?.trim() {
            "" => Ok(PORT),
            text => {
                text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                    Error::Invalid("port is not a number from 1 to 65535".to_owned())
                })
            }
        }
    }

    fn persistence(&self) -> Result<Persistence, Error> {
        match self.text("persistence_mode")?.to_ascii_uppercase().as_str() {
            "" | "NONE" => Ok(Persistence::None),
            "ACLFILE" => Ok(Persistence::AclFile),
            "REWRITE" => Ok(Persistence::Rewrite),
            _ => Err(Error::Invalid(
                "persistence_mode is none of NONE, ACLFILE, REWRITE".to_owned(),
            )),
        }
    }

    /// Vault wants a root certificate with `tls`; here the public roots will do.
    fn tls(&self, host: &str) -> Result<Option<TlsOptions>, Error> {
        let insecure = self.boolean("insecure_tls")?;
        let options = TlsOptions {
            server_name: host.to_owned(),
            verification: if insecure {
                Verification::None
            } else {
                Verification::Full
            },
            root_certificates: self.text("ca_cert")?,
            client_certificate: self.text("tls_certificate")?,
            client_key: self.text("private_key")?,
        };
        if options.client_certificate.is_empty() != options.client_key.is_empty() {
            return Err(Error::Invalid(
                "tls_certificate and private_key go together".to_owned(),
            ));
        }
        let meant =
            insecure || options.root_certificates.len() + options.client_certificate.len() > 0;
        match self.boolean("tls")? {
            true => Ok(Some(options)),
            // Whoever gave certificates does not expect the password to go out in the clear.
            false if meant => Err(Error::Invalid(
                "insecure_tls, ca_cert and tls_certificate need tls=true".to_owned(),
            )),
            false => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(more: Value) -> Result<Config, Error> {
        let mut config =
            json!({ "host": "db.example", "username": "coffer", "password": "hunter22" });
        let fields = config.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        Config::read(fields)
    }

    #[test]
    fn defaults() {
        let config = read(json!({})).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("db.example", 6379));
        assert!(config.tls.is_none() && config.persistence == Persistence::None);
        assert!(!format!("{config:?}").contains("hunter22"));
    }

    #[test]
    fn as_clients_write_it() {
        let written = json!({ "host": "[::1]", "port": "6380", "tls": "true", "insecure_tls": "1", "persistence_mode": "AclFile" });
        let config = read(written).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("::1", 6380));
        let tls = config.tls.unwrap();
        assert_eq!(tls.server_name, "::1");
        assert!(matches!(tls.verification, Verification::None));
        assert_eq!(config.persistence, Persistence::AclFile);
        let config = read(json!({ "port": 1, "tls": true, "ca_cert": "PEM" })).unwrap();
        let tls = config.tls.unwrap();
        assert!(matches!(tls.verification, Verification::Full));
        assert_eq!(tls.root_certificates, "PEM");
    }

    #[test]
    fn what_cannot_be_used() {
        #[rustfmt::skip]
        let table = [
            (json!({ "host": "" }), "host cannot be empty"),
            (json!({ "host": "db:1" }), "host is not a name"),
            (json!({ "host": "redis://db" }), "host is not a name"),
            (json!({ "host": ["db"] }), "host is not a string"),
            (json!({ "port": 0 }), "port is not"), (json!({ "port": 65536 }), "port is not"), (json!({ "port": "x" }), "port is not"),
            (json!({ "username": "" }), "username cannot be empty"),
            (json!({ "password": null }), "password cannot be empty"),
            (json!({ "tls": "perhaps" }), "tls is not a boolean"),
            (json!({ "ca_cert": "PEM" }), "need tls=true"),
            (json!({ "insecure_tls": true }), "need tls=true"),
            (json!({ "tls": true, "private_key": "PEM" }), "go together"),
            (json!({ "persistence_mode": "always" }), "persistence_mode is none of"),
        ];
        for (more, expected) in table {
            let error = read(more.clone()).unwrap_err().to_string();
            assert!(
                error.starts_with(expected) || error.ends_with(expected),
                "{more}: {error}"
            );
            assert!(!error.contains("hunter22"));
        }
    }
}
