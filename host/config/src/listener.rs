//! A `listener "tcp"` or `listener "unix"` block. <https://developer.hashicorp.com/vault/docs/configuration/listener/tcp>

use std::net::IpAddr;
use std::path::PathBuf;

use coffer_api::{
    Address, ForwardedFor, ProxyProtocol, TlsFiles, TlsVersion, UnixSocket, cipher_suites,
};
use coffer_core::Gate;
use ipnet::IpNet;

use crate::Listener;
use crate::parse::{address, block, boolean, named, number, seconds, text, texts, unknown, word};
use crate::tree::{Fault, Node, Value};

/// What the block says, before it is clear what that makes.
struct Said {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    disabled: bool,
    oldest: TlsVersion,
    newest: TlsVersion,
    cipher_suites: Option<Vec<String>>,
    client_ca: Option<PathBuf>,
    require_client_certificate: bool,
    forwarded: ForwardedFor,
    /// Something that only counts together with the proxies.
    of_proxies: Option<Node>,
    balancers: Option<Vec<IpNet>>,
    behavior: Option<Node>,
}

/// What every listener has.
const COMMON: &[&str] = &[
    "address",
    "disable_unauthed_generate_root_endpoints",
    "disable_unauthed_rekey_endpoints",
    "http_idle_timeout",
    "http_read_header_timeout",
    "http_read_timeout",
    "http_write_timeout",
    "inflight_requests_logging",
    "max_request_duration",
    "max_request_size",
    "require_request_header",
    "telemetry",
];
/// What one on TCP has besides.
const TCP: &[&str] = &[
    "cluster_address",
    "proxy_protocol_authorized_addrs",
    "proxy_protocol_behavior",
    "tls_cert_file",
    "tls_cipher_suites",
    "tls_client_ca_file",
    "tls_disable",
    "tls_disable_client_certs",
    "tls_key_file",
    "tls_max_version",
    "tls_min_version",
    "tls_prefer_server_cipher_suites",
    "tls_require_and_verify_client_cert",
    "x_forwarded_for_authorized_addrs",
    "x_forwarded_for_hop_skips",
    "x_forwarded_for_reject_not_authorized",
    "x_forwarded_for_reject_not_present",
];
/// What one in the file system has besides.
const UNIX: &[&str] = &["socket_group", "socket_mode", "socket_user"];

/// Reads one.
///
/// # Errors
/// If something of it is unknown, or makes no sense together.
pub(crate) fn read(kind: &str, body: &Node, warnings: &mut Vec<String>) -> Result<Listener, Fault> {
    let own = match kind {
        "tcp" => TCP,
        "unix" => UNIX,
        _ => {
            let reason = format!("there is no listener {kind:?}; there are \"tcp\" and \"unix\"");
            return Err(Fault::new(body.place, reason));
        }
    };
    let known = [COMMON, own].concat();
    for (key, node) in block(body)? {
        if !known.contains(&key.as_str()) {
            return Err(unknown(key, node, &known));
        }
    }
    if kind == "unix" {
        return unix(body, warnings);
    }
    let mut listener = Listener::default();
    let mut said = Said {
        certificate: None,
        key: None,
        disabled: false,
        oldest: TlsVersion::Tls12,
        newest: TlsVersion::Tls13,
        cipher_suites: None,
        client_ca: None,
        require_client_certificate: false,
        forwarded: ForwardedFor {
            authorized: Vec::new(),
            hop_skips: 0,
            reject_not_authorized: true,
            reject_not_present: true,
        },
        of_proxies: None,
        balancers: None,
        behavior: None,
    };
    for (key, node) in block(body)? {
        let read = match COMMON.contains(&key.as_str()) && key != "address" {
            true => common(&mut listener, key, node, warnings),
            false => setting(&mut listener, &mut said, key, node, warnings),
        };
        read.map_err(|fault| named(key, fault))?;
    }
    listener.tls = said.tls(body)?;
    listener.proxied = said.proxied(body)?;
    listener.forwarded = said.forwarded()?;
    Ok(listener)
}

/// What every listener has.
fn common(
    listener: &mut Listener,
    key: &str,
    node: &Node,
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    match key {
        "max_request_size" => {
            let bytes = number(node)?;
            listener.max_request_size = Some(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        "max_request_duration" => listener.max_request_duration = Some(seconds(node)?),
        "http_read_header_timeout" => listener.header_timeout = Some(seconds(node)?),
        "http_read_timeout" => listener.read_timeout = Some(seconds(node)?),
        "require_request_header" => listener.require_header = boolean(node)?,
        "disable_unauthed_rekey_endpoints" => listener.gates.rekey = open_unless(boolean(node)?),
        "disable_unauthed_generate_root_endpoints" => {
            listener.gates.generate_root = open_unless(boolean(node)?);
        }
        "telemetry" => {
            let name = "unauthenticated_metrics_access";
            if let Some(yes) = only(node, name)? {
                listener.gates.metrics = open_unless(!yes);
            }
        }
        "inflight_requests_logging" => {
            let name = "unauthenticated_in_flight_requests_access";
            if let Some(yes) = only(node, name)? {
                listener.gates.in_flight = open_unless(!yes);
            }
        }
        _ => does_nothing(key, node, warnings),
    }
    Ok(())
}

fn open_unless(closed: bool) -> Gate {
    if closed { Gate::Closed } else { Gate::Open }
}

/// The one setting, true or false, that a block can have.
fn only(node: &Node, name: &str) -> Result<Option<bool>, Fault> {
    match block(node)? {
        [] => Ok(None),
        [(key, node)] if key == name => boolean(node).map(Some),
        [(key, node), ..] => Err(unknown(key, node, &[name])),
    }
}

fn does_nothing(key: &str, node: &Node, warnings: &mut Vec<String>) {
    warnings.push(format!(
        "line {}: listener: {key} is accepted, and does nothing",
        node.place.line
    ));
}

/// A socket in the file system. <https://developer.hashicorp.com/vault/docs/configuration/listener/unix>
fn unix(body: &Node, warnings: &mut Vec<String>) -> Result<Listener, Fault> {
    let mut listener = Listener::default();
    let mut socket = UnixSocket::default();
    for (key, node) in block(body)? {
        let read = match key.as_str() {
            "address" => text(node).map(|path| socket.path = path.into()),
            "socket_mode" => word(node, mode).map(|mode| socket.mode = Some(mode)),
            "socket_user" => id(node).map(|user| socket.user = Some(user)),
            "socket_group" => id(node).map(|group| socket.group = Some(group)),
            _ => common(&mut listener, key, node, warnings),
        };
        read.map_err(|fault| named(key, fault))?;
    }
    if socket.path.as_os_str().is_empty() {
        return Err(Fault::new(
            body.place,
            "address is missing: the path of the socket",
        ));
    }
    listener.address = Address::Unix(socket);
    Ok(listener)
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok();
    let mode = mode.filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("{text:?} is not permissions in octal, such as \"660\""))
}

/// A user's or a group's number.
fn id(node: &Node) -> Result<u32, Fault> {
    let number = match &node.value {
        Value::Number(number) => u32::try_from(*number).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Fault::new(node.place, "expected the number of a user or group"))
}

fn setting(
    listener: &mut Listener,
    said: &mut Said,
    key: &str,
    node: &Node,
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    match key {
        "address" => listener.address = Address::Tcp(word(node, address)?),
        "tls_cert_file" => said.certificate = Some(text(node)?.into()),
        "tls_key_file" => said.key = Some(text(node)?.into()),
        "tls_disable" => said.disabled = boolean(node)?,
        "tls_min_version" => said.oldest = word(node, version)?,
        "tls_max_version" => said.newest = word(node, version)?,
        "tls_cipher_suites" => said.cipher_suites = Some(suites(node)?),
        "tls_client_ca_file" => said.client_ca = Some(text(node)?.into()),
        "tls_require_and_verify_client_cert" => {
            said.require_client_certificate = boolean(node)?;
        }
        "x_forwarded_for_authorized_addrs" => said.forwarded.authorized = networks(node)?,
        "x_forwarded_for_hop_skips" => {
            said.forwarded.hop_skips = usize::try_from(number(node)?).unwrap_or(usize::MAX);
            said.of_proxies = Some(node.clone());
        }
        "x_forwarded_for_reject_not_authorized" => {
            said.forwarded.reject_not_authorized = boolean(node)?;
            said.of_proxies = Some(node.clone());
        }
        "x_forwarded_for_reject_not_present" => {
            said.forwarded.reject_not_present = boolean(node)?;
            said.of_proxies = Some(node.clone());
        }
        "proxy_protocol_behavior" => said.behavior = Some(node.clone()),
        "proxy_protocol_authorized_addrs" => said.balancers = Some(networks(node)?),
        _ => does_nothing(key, node, warnings),
    }
    Ok(())
}

impl Said {
    fn tls(&self, body: &Node) -> Result<Option<TlsFiles>, Fault> {
        let wrong = |reason: &str| Err(Fault::new(body.place, reason));
        let wants_certificates = self.require_client_certificate || self.client_ca.is_some();
        let (certificate, key) = match (&self.certificate, &self.key) {
            // Who asks for certificates relies on being protected by them.
            _ if self.disabled && wants_certificates => {
                return wrong("clients show certificates over TLS only, and tls_disable is true");
            }
            _ if self.disabled => return Ok(None),
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ => {
                return wrong(
                    "tls_cert_file and tls_key_file must be given, or tls_disable = true",
                );
            }
        };
        if self.oldest > self.newest {
            return wrong("tls_min_version is newer than tls_max_version");
        }
        if self.require_client_certificate && self.client_ca.is_none() {
            return wrong(
                "tls_require_and_verify_client_cert needs tls_client_ca_file: whose certificates are good",
            );
        }
        Ok(Some(TlsFiles {
            certificate,
            key,
            oldest: self.oldest,
            newest: self.newest,
            cipher_suites: self.cipher_suites.clone(),
            client_ca: self.client_ca.clone(),
            require_client_certificate: self.require_client_certificate,
        }))
    }

    fn proxied(&mut self, body: &Node) -> Result<Option<ProxyProtocol>, Fault> {
        const MISSING: &str =
            "proxy_protocol_authorized_addrs is missing: which load balancers are believed";
        let Some(node) = &self.behavior else {
            return match self.balancers {
                Some(_) => Err(Fault::new(body.place, "proxy_protocol_behavior is missing")),
                None => Ok(None),
            };
        };
        let balancers = self.balancers.take();
        let listed = || balancers.filter(|nets| !nets.is_empty());
        let behavior = match text(node)?.as_str() {
            "use_always" => return Ok(Some(ProxyProtocol::UseAlways)),
            "allow_authorized" => listed().map(ProxyProtocol::AllowAuthorized),
            "deny_unauthorized" => listed().map(ProxyProtocol::DenyUnauthorized),
            other => {
                let reason = format!(
                    "proxy_protocol_behavior: {other:?} is not \"use_always\", \"allow_authorized\" or \"deny_unauthorized\""
                );
                return Err(Fault::new(node.place, reason));
            }
        };
        behavior
            .map(Some)
            .ok_or_else(|| Fault::new(node.place, MISSING))
    }

    fn forwarded(self) -> Result<Option<ForwardedFor>, Fault> {
        match self.of_proxies {
            Some(node) if self.forwarded.authorized.is_empty() => Err(Fault::new(
                node.place,
                "x_forwarded_for_authorized_addrs is missing: which proxies are believed",
            )),
            _ => Ok((!self.forwarded.authorized.is_empty()).then_some(self.forwarded)),
        }
    }
}

fn version(name: &str) -> Result<TlsVersion, String> {
    match name {
        "tls12" => Ok(TlsVersion::Tls12),
        "tls13" => Ok(TlsVersion::Tls13),
        other => Err(format!("{other:?} is not \"tls12\" or \"tls13\"")),
    }
}

/// A list, or one text with commas.
fn list(node: &Node) -> Result<Vec<String>, Fault> {
    Ok(match &node.value {
        Value::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        _ => texts(node)?,
    })
}

fn suites(node: &Node) -> Result<Vec<String>, Fault> {
    let (wanted, known) = (list(node)?, cipher_suites());
    match wanted.iter().find(|suite| !known.contains(suite)) {
        None => Ok(wanted),
        Some(unknown) => {
            let reason = format!("there is no {unknown:?}; there are {}", known.join(", "));
            Err(Fault::new(node.place, reason))
        }
    }
}

/// Networks, or single addresses.
fn networks(node: &Node) -> Result<Vec<IpNet>, Fault> {
    let network = |text: &String| {
        let single = || text.parse::<IpAddr>().map(IpNet::from).ok();
        text.parse().ok().or_else(single).ok_or_else(|| {
            Fault::new(
                node.place,
                format!("{text:?} is neither an address nor a network such as \"10.0.0.0/8\""),
            )
        })
    };
    list(node)?.iter().map(network).collect()
}
