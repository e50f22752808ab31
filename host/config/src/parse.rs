//! From a file's [tree](super::tree) to a configuration. What is not known is refused, with its place: a setting that is
//! silently ignored is one that somebody relies on.

use std::net::{IpAddr, SocketAddr};

use coffer_core::{DeviceConfig, LockoutConfig, SignatureRule};
use coffer_duration::parse_duration;

use crate::listener;
use crate::tree::{self, Fault, Node, Value};
use crate::{ConfigError, LogFormat, LogLevel, ServerConfig, StorageConfig};

const DEFAULT_PORT: u16 = 8200;

/// All settings of a file. What is not here is not known, and the nearest of these is what was meant.
const SETTINGS: &[&str] = &[
    "api_addr",
    "audit",
    "audit_directory",
    "backend",
    "cluster_addr",
    "cluster_name",
    "default_lease_ttl",
    "disable_cache",
    "disable_clustering",
    "disable_mlock",
    "ha_storage",
    "introspection_endpoint",
    "listener",
    "log_format",
    "log_level",
    "max_lease_ttl",
    "pid_file",
    "plugin_compile_timeout",
    "plugin_directory",
    "plugin_keys",
    "plugin_signatures",
    "raw_storage_endpoint",
    "seal",
    "service_account_directory",
    "service_registration",
    "storage",
    "telemetry",
    "ui",
    "unsafe_allow_api_audit_creation",
    "user_lockout",
];
/// What Vault's `telemetry` block has of how metrics are told to whoever asks.
const TELEMETRY: &[&str] = &[
    "add_lease_metrics_namespace_labels",
    "disable_hostname",
    "enable_hostname_label",
    "filter_default",
    "lease_metrics_epsilon",
    "maximum_gauge_cardinality",
    "metrics_prefix",
    "num_lease_metrics_buckets",
    "prefix_filter",
    "prometheus_retention_time",
    "usage_gauge_period",
];

/// Parses one file's text; `place` names it in errors.
///
/// # Errors
/// If it is not HCL or JSON, or does not say what a server could be made of.
pub fn parse(place: &str, text: &str) -> Result<ServerConfig, ConfigError> {
    let mut config = ServerConfig::default();
    tree::read(text)
        .and_then(|settings| {
            settings
                .iter()
                .try_for_each(|(key, node)| read(&mut config, key, node))
        })
        .map_err(|fault| ConfigError::Invalid {
            place: format!("{place}:{}", fault.place),
            reason: fault.reason,
        })?;
    Ok(config)
}

fn read(config: &mut ServerConfig, key: &str, node: &Node) -> Result<(), Fault> {
    if !SETTINGS.contains(&key) {
        return Err(unknown(key, node, SETTINGS));
    }
    setting(config, key, node).map_err(|fault| named(key, fault))
}

fn setting(config: &mut ServerConfig, key: &str, node: &Node) -> Result<(), Fault> {
    match key {
        "listener" => {
            for (kind, body) in blocks(node)? {
                let listener = listener::read(kind, body, &mut config.warnings)?;
                config.listeners.push(listener);
            }
        }
        "storage" | "backend" => {
            for (kind, body) in blocks(node)? {
                if config.storage.is_some() {
                    return Err(Fault::new(
                        body.place,
                        "there can be one storage block only",
                    ));
                }
                config.storage = Some(storage(kind, body)?);
            }
        }
        "api_addr" => config.api_addr = Some(text(node)?),
        "log_level" => config.log_level = Some(word(node, LogLevel::parse)?),
        "log_format" => config.log_format = Some(word(node, LogFormat::parse)?),
        "default_lease_ttl" => config.default_lease_ttl = Some(seconds(node)?),
        "max_lease_ttl" => config.max_lease_ttl = Some(seconds(node)?),
        "audit" => config.audit.extend(audit(node)?),
        "unsafe_allow_api_audit_creation" => config.audit_sockets = boolean(node)?,
        "user_lockout" => {
            for (kind, body) in blocks(node)? {
                config.user_lockout.insert(kind.to_owned(), lockout(body)?);
            }
        }
        "cluster_name" => config.cluster_name = Some(text(node)?),
        "raw_storage_endpoint" => config.raw_storage = boolean(node)?,
        "introspection_endpoint" => config.introspection = boolean(node)?,
        "telemetry" => telemetry(node)?,
        "pid_file" => config.pid_file = Some(text(node)?.into()),
        "audit_directory" => config.audit_directory = Some(text(node)?.into()),
        "plugin_directory" => config.plugin_directory = Some(text(node)?.into()),
        "plugin_compile_timeout" => config.plugin_compile_timeout = Some(seconds(node)?),
        "plugin_signatures" => config.plugin_signatures = Some(word(node, signature_rule)?),
        "plugin_keys" => config.plugin_keys = texts(node)?.into_iter().map(Into::into).collect(),
        "service_account_directory" => {
            config.service_account_directory = Some(text(node)?.into());
        }
        // There is nothing to switch off: memory is locked, and caches are small, whatever these say.
        "disable_mlock" | "disable_cache" => {}
        "seal" => seal(node)?,
        "ui" | "cluster_addr" | "disable_clustering" => {
            config.warnings.push(format!(
                "line {}: {key} is accepted, and does nothing",
                node.place.line
            ));
        }
        "ha_storage" | "service_registration" => {
            return Err(Fault::new(node.place, "is not supported yet; remove it"));
        }
        _ => return Err(unknown(key, node, SETTINGS)),
    }
    Ok(())
}

/// That there is no such setting, and what was meant.
pub(crate) fn unknown(key: &str, node: &Node, known: &[&str]) -> Fault {
    let distance = |known: &&&str| strsim::damerau_levenshtein(key, known);
    let nearest = known.iter().min_by_key(distance);
    let meant = nearest
        .filter(|nearest| distance(nearest) <= key.len().max(3) / 3)
        .map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
    Fault::new(
        node.place,
        format!("{key}: there is no such setting{meant}"),
    )
}

/// The same, in the setting that it is in.
pub(crate) fn named(key: &str, fault: Fault) -> Fault {
    Fault::new(fault.place, format!("{key}: {}", fault.reason))
}

/// `audit "file" "path" { ... }`; without a path it is the type's name.
fn audit(node: &Node) -> Result<Vec<DeviceConfig>, Fault> {
    let mut devices = Vec::new();
    for (kind, body) in blocks(node)? {
        // One level more, if there is a path.
        let devices_of: Vec<(&str, &Node)> = match &body.value {
            Value::Block(inner) if inner.iter().any(|(key, node)| is_path(key, node)) => {
                let each_of = |(path, node)| each(node).iter().map(move |body| (path, body));
                let named = inner.iter().map(|(path, node)| (path.as_str(), node));
                named.flat_map(each_of).collect()
            }
            _ => vec![(kind, body)],
        };
        for (path, body) in devices_of {
            devices.push(device(kind, path, body)?);
        }
    }
    Ok(devices)
}

const DEVICE: &[&str] = &["description", "local", "options"];

/// Whether this is a device by its path, and not one of a device's settings.
fn is_path(key: &str, node: &Node) -> bool {
    let is_block = |node: &Node| matches!(node.value, Value::Block(_));
    !DEVICE.contains(&key) && each(node).iter().all(is_block)
}

fn device(kind: &str, path: &str, body: &Node) -> Result<DeviceConfig, Fault> {
    let mut device = DeviceConfig {
        path: format!("{}/", path.trim_matches('/')),
        kind: kind.to_owned(),
        ..DeviceConfig::default()
    };
    for (key, node) in block(body)? {
        match key.as_str() {
            "description" => device.description = text(node)?,
            "local" => device.local = boolean(node)?,
            "options" => {
                for (name, node) in each(node)
                    .iter()
                    .map(block)
                    .collect::<Result<Vec<_>, _>>()?
                    .concat()
                {
                    let value = match &node.value {
                        Value::Bool(yes) => yes.to_string(),
                        Value::Number(number) => number.to_string(),
                        _ => text(&node)?,
                    };
                    device.options.insert(name, value);
                }
            }
            _ => return Err(unknown(key, node, DEVICE)),
        }
    }
    Ok(device)
}

fn lockout(body: &Node) -> Result<LockoutConfig, Fault> {
    let mut config = LockoutConfig::default();
    for (key, node) in block(body)? {
        match key.as_str() {
            "lockout_threshold" => {
                config.threshold = Some(number(node)?).filter(|threshold| *threshold > 0)
            }
            "lockout_duration" => {
                config.duration = Some(seconds(node)?).filter(|seconds| *seconds > 0)
            }
            "lockout_counter_reset" => {
                config.counter_reset = Some(seconds(node)?).filter(|seconds| *seconds > 0)
            }
            "disable_lockout" => config.disable = Some(boolean(node)?),
            _ => {
                let known = [
                    "lockout_threshold",
                    "lockout_duration",
                    "lockout_counter_reset",
                    "disable_lockout",
                ];
                return Err(unknown(key, node, &known));
            }
        }
    }
    Ok(config)
}

/// Metrics are there for whoever asks for them, `sys/metrics`; they are sent nowhere.
fn telemetry(node: &Node) -> Result<(), Fault> {
    for (key, node) in each(node)
        .iter()
        .map(block)
        .collect::<Result<Vec<_>, _>>()?
        .concat()
    {
        let sends = [
            "statsd_",
            "statsite_",
            "dogstatsd_",
            "circonus_",
            "stackdriver_",
        ];
        if sends.iter().any(|start| key.starts_with(start)) {
            let reason = format!(
                "{key}: metrics are not sent; have them read at sys/metrics, and remove it"
            );
            return Err(Fault::new(node.place, reason));
        }
        if !TELEMETRY.contains(&key.as_str()) {
            return Err(unknown(&key, &node, TELEMETRY));
        }
    }
    Ok(())
}

fn seal(node: &Node) -> Result<(), Fault> {
    for (kind, body) in blocks(node)? {
        if kind != "shamir" {
            let reason = format!("there is no seal {kind:?} yet; there is \"shamir\"");
            return Err(Fault::new(body.place, reason));
        }
        if let Some((key, node)) = block(body)?.first() {
            return Err(unknown(key, node, &[]));
        }
    }
    Ok(())
}

/// Where to listen: `host:port`. Without a host that is at all addresses of this machine, without a port at Vault's.
///
/// # Errors
/// If it is neither an address nor a name.
pub fn address(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, DEFAULT_PORT).to_string());
    }
    let default = DEFAULT_PORT.to_string();
    let (host, port) = text.rsplit_once(':').unwrap_or((text, &default));
    let is_name = |host: &str| {
        let mut bytes = host.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let is_address = format!("{host}:{port}").parse::<SocketAddr>().is_ok();
    if port.parse::<u16>().is_ok() && (is_address || is_name(host)) && !text.is_empty() {
        return Ok(format!("{host}:{port}"));
    }
    Err(format!(
        "{text:?} is not where one can listen; write for instance \"127.0.0.1:8200\", \"[::1]:8200\" or \":8200\""
    ))
}

fn signature_rule(rule: &str) -> Result<SignatureRule, String> {
    match rule {
        "require" => Ok(SignatureRule::Require),
        "warn" => Ok(SignatureRule::Warn),
        "off" => Ok(SignatureRule::Off),
        other => Err(format!("{other:?} is not \"require\", \"warn\" or \"off\"")),
    }
}

fn storage(kind: &str, body: &Node) -> Result<StorageConfig, Fault> {
    let allowed: &[&str] = match kind {
        "redb" => &["path"],
        "inmem" => &[],
        other => {
            let reason = format!(
                "there is no storage {other:?}; there are \"redb\" (a folder) and \"inmem\" (nothing is kept)"
            );
            return Err(Fault::new(body.place, reason));
        }
    };
    let settings = block(body)?;
    if let Some((unknown, node)) = settings
        .iter()
        .find(|(key, _)| !allowed.contains(&key.as_str()))
    {
        return Err(self::unknown(unknown, node, allowed));
    }
    match settings.iter().find(|(key, _)| key == "path") {
        None if kind == "inmem" => Ok(StorageConfig::Memory),
        None => Err(Fault::new(
            body.place,
            "path is missing: the folder that the data goes to",
        )),
        Some((_, path)) => Ok(StorageConfig::Redb {
            path: text(path)?.into(),
        }),
    }
}

pub(crate) fn block(node: &Node) -> Result<&[(String, Node)], Fault> {
    match &node.value {
        Value::Block(settings) => Ok(settings),
        _ => Err(Fault::new(node.place, "expected a block")),
    }
}

/// `key "name" { ... }`, once or, in JSON, several times.
fn blocks(node: &Node) -> Result<Vec<(&str, &Node)>, Fault> {
    let mut found = Vec::new();
    for group in each(node) {
        let Value::Block(named) = &group.value else {
            return Err(Fault::new(
                group.place,
                "expected a block with a name in quotes",
            ));
        };
        for (name, bodies) in named {
            for body in each(bodies) {
                if !matches!(body.value, Value::Block(_)) {
                    return Err(Fault::new(
                        body.place,
                        "expected a block with a name in quotes",
                    ));
                }
                found.push((name.as_str(), body));
            }
        }
    }
    Ok(found)
}

fn each(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(nodes) => nodes,
        _ => std::slice::from_ref(node),
    }
}

pub(crate) fn text(node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(Fault::new(node.place, "expected a text in quotes")),
    }
}

pub(crate) fn texts(node: &Node) -> Result<Vec<String>, Fault> {
    match &node.value {
        Value::List(all) => all.iter().map(text).collect(),
        _ => Err(Fault::new(node.place, "expected a list of texts in quotes")),
    }
}

pub(crate) fn word<T>(
    node: &Node,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Fault> {
    parse(&text(node)?).map_err(|reason| Fault::new(node.place, reason))
}

pub(crate) fn boolean(node: &Node) -> Result<bool, Fault> {
    match &node.value {
        Value::Bool(yes) => Ok(*yes),
        Value::Number(number @ 0..=1) => Ok(*number == 1),
        Value::Text(text) if ["true", "1"].contains(&text.as_str()) => Ok(true),
        Value::Text(text) if ["false", "0"].contains(&text.as_str()) => Ok(false),
        _ => Err(Fault::new(node.place, "expected true or false")),
    }
}

pub(crate) fn number(node: &Node) -> Result<u64, Fault> {
    match &node.value {
        Value::Number(number) => Ok(*number),
        _ => Err(Fault::new(node.place, "expected a number")),
    }
}

pub(crate) fn seconds(node: &Node) -> Result<u64, Fault> {
    match &node.value {
        Value::Number(number) => Some(*number),
        Value::Text(text) => parse_duration(text),
        _ => None,
    }
    .ok_or_else(|| Fault::new(node.place, "expected a duration such as \"768h\""))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
