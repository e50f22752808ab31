//! Where a database backend may connect to: what the operator named in the connection's configuration, and no more.
//!
//! The component's description says which fields of the configuration name servers. A host that stands in one of them
//! is granted, at the ports that stand there too and at the backend's default port. What the name resolves to is checked
//! again: a name must not lead to this machine or to the link (where clouds keep their metadata), unless it is written
//! as an address or as `localhost`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// The destinations of one connection.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Grants {
    hosts: BTreeSet<String>,
    ports: BTreeSet<u16>,
}

impl Grants {
    /// What these fields of this configuration grant.
    pub fn of(config: &Value, fields: &[String], default_port: u16) -> Self {
        let mut grants = Self {
            hosts: BTreeSet::new(),
            ports: BTreeSet::from([default_port]),
        };
        for value in fields.iter().filter_map(|field| config.get(field)) {
            match value {
                Value::String(text) => grants.add(text),
                Value::Number(port) => grants.add(&port.to_string()),
                Value::Array(all) => all
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|text| grants.add(text)),
                _ => {}
            }
        }
        grants
    }

    fn add(&mut self, text: &str) {
        let part = |c: char| {
            !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
        };
        for token in text.split(part).filter(|token| !token.is_empty()) {
            if let Ok(address) = token.trim_matches(['[', ']']).parse::<IpAddr>() {
                self.hosts.insert(address.to_string());
                continue;
            }
            if let Ok(address) = token.parse::<SocketAddr>() {
                self.hosts.insert(address.ip().to_string());
                self.ports.insert(address.port());
                continue;
            }
            for piece in token.split(':').filter(|piece| !piece.is_empty()) {
                match piece.parse() {
                    Ok(port) => {
                        self.ports.insert(port);
                    }
                    Err(_) => {
                        self.hosts
                            .insert(piece.trim_matches(['[', ']']).to_ascii_lowercase());
                    }
                }
            }
        }
    }

    /// Whether the operator named this destination.
    pub fn check(&self, host: &str, port: u16) -> Result<(), String> {
        let name = host.trim_matches(['[', ']']);
        let name = name
            .parse::<IpAddr>()
            .map_or_else(|_| name.to_ascii_lowercase(), |address| address.to_string());
        if self.hosts.contains(&name) && self.ports.contains(&port) {
            return Ok(());
        }
        Err(format!(
            "destination \"{host}:{port}\" is not granted: the connection's configuration does not name it"
        ))
    }

    /// Whether a granted name may lead to this address.
    pub fn check_resolved(host: &str, address: IpAddr) -> Result<(), String> {
        let written_out = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if written_out
            || (host.eq_ignore_ascii_case("localhost") && address.to_canonical().is_loopback())
        {
            return Ok(());
        }
        let local = match address.to_canonical() {
            IpAddr::V4(v4) => {
                v4.is_loopback()
                    || v4.is_link_local()
                    || v4.is_unspecified()
                    || v4.is_multicast()
                    || v4.is_broadcast()
            }
            IpAddr::V6(v6) => {
                v6.is_loopback()
                    || v6.is_unicast_link_local()
                    || v6.is_unspecified()
                    || v6.is_multicast()
            }
        };
        if local {
            return Err(format!(
                "destination {host:?} resolves to {address}, which is not allowed for a name"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_the_configuration_names() {
        let fields = ["connection_url".to_owned()];
        let url = |text: &str| {
            Grants::of(
                &json!({"connection_url": text, "other": "evil.example"}),
                &fields,
                5432,
            )
        };
        #[rustfmt::skip]
        let table = [
            ("postgresql://{{username}}:{{password}}@db.example:5433/app", "db.example", 5433, true),
            ("postgresql://{{username}}:{{password}}@db.example:5433/app", "DB.example", 5432, true),
            ("postgresql://{{username}}:{{password}}@db.example/app", "db.example", 5433, false),
            ("postgresql://{{username}}:{{password}}@db.example/app", "evil.example", 5432, false),
            ("postgresql://u@db.example/app", "example", 5432, false),
            ("postgresql://u@a:1,b:2/app", "b", 1, true),
            ("host=db port=6000 dbname=x", "db", 6000, true),
            ("postgresql://u@127.0.0.1:5432/app", "127.0.0.1", 5432, true),
            ("postgresql://u@127.0.0.1:5432/app", "127.0.0.2", 5432, false),
            ("postgresql://u@127.0.0.1:5432/app", "localhost", 5432, false),
            ("postgresql://u@[::1]:5432/app", "::1", 5432, true),
            ("postgresql://u@[::1]:5432/app", "[::1]", 5432, true),
            ("postgresql://u@[fe80::1]/app", "fe80::2", 5432, false),
            ("tcp(10.0.0.1:3306)/", "10.0.0.1", 3306, true),
            ("", "db", 5432, false),
        ];
        for (text, host, port, granted) in table {
            assert_eq!(
                url(text).check(host, port).is_ok(),
                granted,
                "{text} {host}:{port}"
            );
        }
    }

    #[test]
    fn servers_may_stand_in_several_fields() {
        let fields = ["hosts".to_owned(), "port".to_owned(), "missing".to_owned()];
        let config = json!({"hosts": ["a.example", "b.example:9142"], "port": 9042, "password": "c.example"});
        let grants = Grants::of(&config, &fields, 1);
        #[rustfmt::skip]
        let table = [
            ("a.example", 9042, true), ("b.example", 9042, true), ("b.example", 9142, true), ("b.example", 1, true),
            ("c.example", 9042, false), ("a.example", 2, false), ("9042", 9042, false),
        ];
        for (host, port, granted) in table {
            assert_eq!(grants.check(host, port).is_ok(), granted, "{host}:{port}");
        }
    }

    #[test]
    fn a_name_does_not_lead_home() {
        #[rustfmt::skip]
        let table = [
            ("db.example", "10.0.0.1", true),
            ("db.example", "127.0.0.1", false),
            ("db.example", "::ffff:127.0.0.1", false),
            ("db.example", "169.254.169.254", false),
            ("db.example", "fe80::1", false),
            ("db.example", "0.0.0.0", false),
            ("localhost", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("localhost", "169.254.169.254", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("[::1]", "::1", true),
        ];
        for (host, address, allowed) in table {
            let address = address.parse().unwrap();
            assert_eq!(
                Grants::check_resolved(host, address).is_ok(),
                allowed,
                "{host} -> {address}"
            );
        }
    }
}
