//! Where a guest may connect to: what the operator granted by name, or named in the configuration, and no more.
//!
//! The component's description says which fields of a configuration name servers. A host that stands in one of them
//! is granted, at the ports that stand there too and at the backend's default port: of a connection string that is where
//! servers are named, and not its user, its password, its database or its options. What the name resolves to is checked
//! again: a name must not lead to this machine, to the link or to where clouds keep their metadata, unless it is written
//! as an address or as `localhost`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use coffer_manifest::{Destination, Needs};
use serde_json::{Value, json};

// Where clouds keep their metadata besides the link.
const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const AMAZON_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The destinations of one mount or connection.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Grants {
    fixed: BTreeSet<(String, u16)>,
    named: Vec<Named>,
}

/// What one configuration names: any of these hosts at any of these ports.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Named {
    hosts: BTreeSet<String>,
    ports: BTreeSet<u16>,
}

impl Grants {
    /// Adds what a component asked for by name.
    pub fn fix(&mut self, granted: &Needs) {
        let fixed = granted
            .network
            .iter()
            .filter_map(|destination| match destination {
                Destination::Fixed(host, port) => Some((canonical(host), *port)),
                Destination::Configuration => None,
            });
        self.fixed.extend(fixed);
    }

    /// Adds what a value names: a URL, a server, or a list of them. A URL without a port is at its scheme's.
    pub fn name(&mut self, value: &Value) {
        let of_scheme = match value.as_str() {
            Some(text) if text.starts_with("http://") => 80,
            _ => 443,
        };
        let fields = ["named".to_owned()];
        self.configure(&json!({ "named": value }), &fields, of_scheme);
    }

    /// Adds what these fields of this configuration name.
    pub fn configure(&mut self, config: &Value, fields: &[String], default_port: u16) {
        let mut named = Named {
            hosts: BTreeSet::new(),
            ports: BTreeSet::from([default_port]),
        };
        for value in fields.iter().filter_map(|field| config.get(field)) {
            match value {
                Value::String(text) => named.add(text),
                Value::Number(port) => named.add(&port.to_string()),
                Value::Array(all) => all
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|text| named.add(text)),
                _ => {}
            }
        }
        self.named.push(named);
    }

    /// Whether the operator granted this destination.
    pub fn check(&self, host: &str, port: u16) -> Result<(), String> {
        let name = canonical(host);
        let named = |named: &Named| named.hosts.contains(&name) && named.ports.contains(&port);
        if self.named.iter().any(named) || self.fixed.contains(&(name.clone(), port)) {
            return Ok(());
        }
        Err(format!(
            "destination \"{host}:{port}\" is not granted: no configuration names it, and the plugin was not granted it by name"
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
                    || v4 == ALIBABA_METADATA
            }
            IpAddr::V6(v6) => {
                v6.is_loopback()
                    || v6.is_unicast_link_local()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6 == AMAZON_METADATA
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

fn canonical(host: &str) -> String {
    let name = host.trim_matches(['[', ']']);
    name.parse::<IpAddr>()
        .map_or_else(|_| name.to_ascii_lowercase(), |address| address.to_string())
}

impl Named {
    /// A URL, Go's `user@tcp(host:port)/`, a list of `key=value`, or a list of servers.
    fn add(&mut self, text: &str) {
        let text = text.trim();
        let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        match text.split_once("://") {
            Some((name, rest)) if name.chars().all(scheme) => self.add_url(rest),
            _ => match tcp(text) {
                Some(server) => self.add_servers(server),
                None if text.contains('=') => self.add_pairs(text),
                None => self.add_servers(text),
            },
        }
    }

    /// What stands behind the scheme.
    fn add_url(&mut self, text: &str) {
        let (text, query) = text.split_once('?').unwrap_or((text, ""));
        let authority = text
            .split_once('/')
            .map_or(text, |(authority, _)| authority);
        self.add_servers(
            authority
                .rsplit_once('@')
                .map_or(authority, |(_, servers)| servers),
        );
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.for_each(|(key, value)| self.add_pair(key, value));
    }

    fn add_pairs(&mut self, mut text: &str) {
        while let Some((key, rest)) = text.split_once('=') {
            let Some((value, rest)) = value(rest.trim_start()) else {
                return;
            };
            self.add_pair(key.trim(), &value);
            text = rest;
        }
    }

    /// What libpq takes for servers, in its own notation and in a URL's query.
    fn add_pair(&mut self, key: &str, value: &str) {
        if matches!(key, "host" | "hostaddr" | "port") {
            self.add_servers(value);
        }
    }

    /// `host`, `host:port` or `port`, separated by commas or blanks.
    fn add_servers(&mut self, text: &str) {
        let separator = |c: char| c == ',' || c.is_whitespace();
        text.split(separator).for_each(|text| self.add_server(text));
    }

    fn add_server(&mut self, text: &str) {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
            self.hosts.insert(address.to_string());
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            self.hosts.insert(address.ip().to_string());
            self.ports.insert(address.port());
        } else if let Ok(port) = text.parse() {
            self.ports.insert(port);
        } else {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || !name.chars().all(good) {
                return;
            }
            self.hosts.insert(name.to_ascii_lowercase());
            self.ports.extend(port.parse::<u16>());
        }
    }
}

/// The server in `user:password@tcp(server)/database`.
fn tcp(text: &str) -> Option<&str> {
    let text = text.rsplit_once('/').map_or(text, |(before, _)| before);
    let address = text.rsplit_once('@').map_or(text, |(_, address)| address);
    address.strip_prefix("tcp(")?.strip_suffix(')')
}

/// The first value of a list of `key=value`, and what comes after it. It may stand in quotes, and `\` takes the meaning
/// from what follows. None if a quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Some((value, text.get(at + 1..)?)),
            c if !quoted && c.is_ascii_whitespace() => return Some((value, text.get(at..)?)),
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_the_configuration_names() {
        let fields = ["connection_url".to_owned()];
        let url = |text: &str| {
            let mut grants = Grants::default();
            let config = json!({"connection_url": text, "other": "evil.example"});
            grants.configure(&config, &fields, 5432);
            grants
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
            // Only what stands where servers do.
            ("postgresql://u:evil.com@db/app?connect_timeout=10", "db", 5432, true),
            ("postgresql://u:evil.com@db/app?connect_timeout=10", "evil.com", 5432, false),
            ("postgresql://u:evil.com@db/app?connect_timeout=10", "u", 5432, false),
            ("postgresql://u:evil.com@db/app?connect_timeout=10", "app", 5432, false),
            ("postgresql://u:evil.com@db/app?connect_timeout=10", "db", 10, false),
            ("postgresql://u:evil.com@db/app?application_name=evil.com", "evil.com", 5432, false),
            ("postgresql://u:p@evil.com@db:1/app", "evil.com", 1, false),
            ("postgresql://u:p@evil.com@db:1/app", "db", 1, true),
            ("postgresql://u@/app?host=x,y&port=7", "y", 7, true),
            ("postgresql://db/app#evil.com", "evil.com", 5432, false),
            ("user=u password='x host=evil.com' host=db", "evil.com", 5432, false),
            ("user=u password='x host=evil.com' host=db", "db", 5432, true),
            (r"password=x\ host=evil.com host = 'db'", "evil.com", 5432, false),
            (r"password=x\ host=evil.com host = 'db'", "db", 5432, true),
            ("host=a,b hostaddr=10.0.0.1,::1 port=1,2", "::1", 2, true),
            ("host=db options=-cport=9", "db", 9, false),
            ("host=db password='open host=evil.com", "evil.com", 5432, false),
            ("u:evil.com=x@tcp(db:3306)/app?timeout=10s", "db", 3306, true),
            ("u:evil.com=x@tcp(db:3306)/app?timeout=10s", "evil.com", 3306, false),
            ("u:evil.com=x@tcp(db:3306)/app?timeout=10s", "app", 3306, false),
            ("a.example, b.example:7\tc.example", "b.example", 7, true),
            ("a.example, b.example:7\tc.example", "c.example", 7, true),
            ("u@evil.com", "evil.com", 5432, false),
            ("db.example/evil.com", "evil.com", 5432, false),
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
        let mut grants = Grants::default();
        grants.configure(&config, &fields, 1);
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
    fn what_was_granted_by_name_and_what_was_named() {
        let needs = Needs {
            network: ["configuration", "api.example:8443", "[::1]:1"]
                .map(|text| text.parse().unwrap())
                .into(),
            ..Needs::default()
        };
        let mut grants = Grants::default();
        grants.fix(&needs);
        grants.name(&json!("https://a.example/path"));
        grants.name(&json!("http://b.example"));
        grants.name(&json!(["c.example:9", "d.example"]));
        #[rustfmt::skip]
        let table = [
            ("api.example", 8443, true), ("API.example", 8443, true), ("api.example", 443, false), ("::1", 1, true),
            ("a.example", 443, true), ("a.example", 80, false), ("b.example", 80, true), ("b.example", 443, false),
            ("c.example", 9, true), ("d.example", 443, true), ("a.example", 9, false), ("configuration", 443, false),
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
            ("db.example", "100.100.100.200", false),
            ("db.example", "fd00:ec2::254", false),
            ("db.example", "fd00:ec2::255", true),
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
