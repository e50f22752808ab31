//! A `listener "tcp"` block. <https://developer.hashicorp.com/vault/docs/configuration/listener/tcp>

use std::net::IpAddr;
use std::path::PathBuf;

use coffer_api::{ForwardedFor, TlsFiles, TlsVersion, cipher_suites};
use ipnet::IpNet;

use super::Listener;
use super::parse::{UNKNOWN, address, block, boolean, number, seconds, text, texts, word};
use super::tree::{Fault, Node, Value};

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
}

/// Reads one.
///
/// # Errors
/// If something of it is unknown, or makes no sense together.
pub(super) fn read(body: &Node, warnings: &mut Vec<String>) -> Result<Listener, Fault> {
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
    };
    for (key, node) in block(body)? {
        setting(&mut listener, &mut said, key, node, warnings)
            .map_err(|fault| Fault::new(fault.place, format!("{key}: {}", fault.reason)))?;
    }
    listener.tls = said.tls(body)?;
    listener.forwarded = said.forwarded()?;
    Ok(listener)
}

fn setting(
    listener: &mut Listener,
    said: &mut Said,
    key: &str,
    node: &Node,
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    match key {
        "address" => listener.address = word(node, address)?,
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
        "max_request_size" => {
            let bytes = number(node)?;
            listener.max_request_size = Some(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        "max_request_duration" => listener.max_request_duration = Some(seconds(node)?),
        "http_read_header_timeout" => listener.header_timeout = Some(seconds(node)?),
        "http_read_timeout" => listener.read_timeout = Some(seconds(node)?),
        "require_request_header" => listener.require_header = boolean(node)?,
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
        "cluster_address"
        | "http_idle_timeout"
        | "http_write_timeout"
        | "tls_disable_client_certs"
        | "tls_prefer_server_cipher_suites" => {
            warnings.push(format!(
                "line {}: listener: {key} is accepted, and does nothing",
                node.place.line
            ));
        }
        // Who sets these relies on being protected by them.
        "proxy_protocol_behavior" | "proxy_protocol_authorized_addrs" => {
            return Err(Fault::new(node.place, "is not supported yet; remove it"));
        }
        _ => return Err(Fault::new(node.place, UNKNOWN)),
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
