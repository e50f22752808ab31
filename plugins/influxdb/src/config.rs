//! A connection's configuration, as the operator wrote it, checked.

use coffer_sdk::network::{TlsOptions, Verification};
use coffer_sdk::{Error, Result};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Where servers of this family listen.
pub const PORT: u16 = 8086;

/// Where and how to connect.
pub struct Config {
    /// The server: `https://host:port`.
    pub url: String,
    /// Who asks.
    pub username: String,
    /// With this.
    pub password: Zeroizing<String>,
    /// None: in the clear.
    pub tls: Option<TlsOptions>,
    /// Names of users to come; empty means [`crate::users::USERNAME_TEMPLATE`].
    pub username_template: String,
}

impl Config {
    /// From JSON, with numbers and booleans also as text, as clients send them.
    ///
    /// # Errors
    /// Invalid, with the name of a field that cannot be used. It never quotes a secret one.
    pub fn read(fields: &Map<String, Value>) -> Result<Self> {
        let host = required(fields, "host")?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&host);
        let in_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let address = match host.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
            Ok(v4) => v4.to_string(),
            Err(_) if host.chars().all(in_names) => host.to_owned(),
            Err(_) => {
                return Err(Error::invalid(
                    "host is not a name or an address: the port stands in `port`, and TLS in `tls`",
                ));
            }
        };
        let port = match text(fields, "port")?.trim() {
            "" => PORT,
            text => {
                let port = text.parse().ok().filter(|port| *port != 0);
                port.ok_or_else(|| Error::invalid("port is not a number from 1 to 65535"))?
            }
        };
        let tls = tls(fields, host)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok(Self {
            url: format!("{scheme}://{address}:{port}"),
            username: required(fields, "username")?,
            password: Zeroizing::new(required(fields, "password")?),
            tls,
            username_template: text(fields, "username_template")?,
        })
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(boolean)) => Ok(boolean.to_string()),
        Some(_) => Err(Error::invalid(format!("{name} is not a string"))),
    }
}

fn required(fields: &Map<String, Value>, name: &str) -> Result<String> {
    match text(fields, name)? {
        text if text.is_empty() => Err(Error::invalid(format!("{name} cannot be empty"))),
        text => Ok(text),
    }
}

fn boolean(fields: &Map<String, Value>, name: &str) -> Result<bool> {
    match text(fields, name)?.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" | "" => Ok(false),
        _ => Err(Error::invalid(format!("{name} is not a boolean"))),
    }
}

fn tls(fields: &Map<String, Value>, host: &str) -> Result<Option<TlsOptions>> {
    let (insecure, bundle) = (
        boolean(fields, "insecure_tls")?,
        text(fields, "pem_bundle")?,
    );
    if !boolean(fields, "tls")? {
        // Whoever gave certificates does not expect the password to go out in the clear.
        if insecure || !bundle.is_empty() {
            return Err(Error::invalid("insecure_tls and pem_bundle need tls=true"));
        }
        return Ok(None);
    }
    let (certificates, keys) = blocks(&bundle)?;
    let (client_certificate, roots) = match (keys.as_slice(), certificates.split_first()) {
        ([], _) => (String::new(), certificates.concat()),
        ([_], Some((own, roots))) => (own.clone(), roots.concat()),
        _ => {
            return Err(Error::invalid(
                "pem_bundle has a key without a certificate, or several keys",
            ));
        }
    };
    Ok(Some(TlsOptions {
        server_name: host.to_owned(),
        verification: if insecure {
            Verification::None
        } else {
            Verification::Full
        },
        root_certificates: roots,
        client_certificate,
        client_key: keys.concat(),
    }))
}

/// The certificates of a bundle, in their order, and its private keys.
fn blocks(bundle: &str) -> Result<(Vec<String>, Vec<String>)> {
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    let mut rest = bundle;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let block = rest.get(begin..).unwrap_or_default();
        let end = block
            .find("-----END ")
            .ok_or_else(|| Error::invalid("pem_bundle has a block without an end"))?;
        let last = block.get(end..).unwrap_or_default();
        let end = end + last.find('\n').map_or(last.len(), |line| line + 1);
        let (this, after) = block.split_at(end);
        if this.starts_with("-----BEGIN CERTIFICATE-----") {
            certificates.push(format!("{}\n", this.trim_end()));
        } else if this
            .lines()
            .next()
            .is_some_and(|line| line.contains("PRIVATE KEY"))
        {
            keys.push(format!("{}\n", this.trim_end()));
        } else {
            return Err(Error::invalid(
                "pem_bundle has something besides certificates and private keys",
            ));
        }
        rest = after;
    }
    if certificates.is_empty() && keys.is_empty() && !bundle.trim().is_empty() {
        return Err(Error::invalid("pem_bundle is not PEM"));
    }
    Ok((certificates, keys))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIC\n-----END PRIVATE KEY-----\n";

    fn read(more: Value) -> Result<Config> {
        let mut config =
            json!({ "host": "db.example", "username": "coffer", "password": "hunter22" });
        let fields = config.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        Config::read(fields)
    }

    #[test]
    fn as_clients_write_it() {
        assert_eq!(read(json!({})).unwrap().url, "http://db.example:8086");
        let config = read(json!({"host": "::1", "port": "9", "tls": "true"})).unwrap();
        assert_eq!(config.url, "https://[::1]:9");
        assert!(config.tls.unwrap().root_certificates.is_empty());
        for (bundle, client, roots) in [
            (CERTIFICATE.repeat(2), 0, 2),
            ([KEY, CERTIFICATE, CERTIFICATE].concat(), 1, 1),
            ([CERTIFICATE, KEY].concat().trim_end().to_owned(), 1, 0),
        ] {
            let tls = read(json!({"tls": true, "pem_bundle": bundle}))
                .unwrap()
                .tls
                .unwrap();
            assert_eq!(tls.client_certificate, CERTIFICATE.repeat(client));
            assert_eq!(tls.client_key, KEY.repeat(client));
            assert_eq!(tls.root_certificates, CERTIFICATE.repeat(roots));
        }
    }

    #[test]
    fn what_cannot_be_used() {
        #[rustfmt::skip]
        let table = [
            (json!({"host": ""}), "host cannot be empty"),
            (json!({"host": "db:1"}), "host is not a name"),
            (json!({"host": "http://db"}), "host is not a name"),
            (json!({"port": 0}), "port is not a number"),
            (json!({"password": null}), "password cannot be empty"),
            (json!({"tls": "perhaps"}), "tls is not a boolean"),
            (json!({"pem_bundle": CERTIFICATE}), "need tls=true"),
            (json!({"tls": true, "pem_bundle": "x"}), "pem_bundle is not PEM"),
            (json!({"tls": true, "pem_bundle": KEY}), "a key without a certificate"),
            (json!({"tls": true, "pem_bundle": "-----BEGIN CERTIFICATE-----\n"}), "a block without an end"),
        ];
        for (more, expected) in table {
            let error = read(more.clone()).err().unwrap().message;
            assert!(error.contains(expected), "{more}: {error}");
            assert!(!error.contains("hunter22"));
        }
    }
}
