use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{ConfigError, Listener, ServerConfig, StorageConfig};

/// Parses one file's text; `place` names it in errors.
pub fn parse(place: &str, text: &str) -> Result<ServerConfig, ConfigError> {
    let refuse = |reason: String| ConfigError::Invalid { place: place.to_owned(), reason };
    let root: Map<String, Value> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?
    } else {
        hcl::from_str(text).map_err(|error| refuse(error.to_string()))?
    };
    let mut config = ServerConfig::default();
    for (key, value) in &root {
        read(&mut config, key, value).map_err(|reason| refuse(format!("{key}: {reason}")))?;
    }
    Ok(config)
}

fn read(config: &mut ServerConfig, key: &str, value: &Value) -> Result<(), String> {
    match key {
        "listener" => {
            for (kind, body) in blocks(value)? {
                if kind != "tcp" {
                    return Err(format!("there is no listener {kind:?}; there is \"tcp\""));
                }
                config.listeners.push(listener(&body)?);
            }
        }
        "storage" | "backend" => {
            let [(kind, body)] = <[_; 1]>::try_from(blocks(value)?).map_err(|_| "there can be one storage block".to_owned())?;
            config.storage = Some(storage(&kind, &body)?);
        }
        "api_addr" => config.api_addr = Some(text(value)?),
        "log_level" => config.log_level = Some(text(value)?),
        "log_format" => config.log_format = Some(text(value)?),
        "default_lease_ttl" => config.default_lease_ttl = Some(seconds(value)?),
        "max_lease_ttl" => config.max_lease_ttl = Some(seconds(value)?),
        "pid_file" => config.pid_file = Some(text(value)?.into()),
        "disable_mlock" | "disable_cache" | "cluster_name" => {}
        "ui" | "cluster_addr" | "disable_clustering" | "raw_storage_endpoint" | "telemetry" => {
            config.warnings.push(format!("{key} is accepted, and does nothing yet"));
        }
        _ => return Err("there is no such setting".to_owned()),
    }
    Ok(())
}

/// `name "label" { ... }`, once or several times.
fn blocks(value: &Value) -> Result<Vec<(String, Map<String, Value>)>, String> {
    let expected = || "expected a block with a name in quotes".to_owned();
    let mut found = Vec::new();
    let groups: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    for group in groups {
        for (label, body) in group.as_object().ok_or_else(expected)? {
            let bodies: Vec<&Value> = match body {
                Value::Array(list) => list.iter().collect(),
                one => vec![one],
            };
            for body in bodies {
                found.push((label.clone(), body.as_object().ok_or_else(expected)?.clone()));
            }
        }
    }
    Ok(found)
}

fn listener(body: &Map<String, Value>) -> Result<Listener, String> {
    let mut listener = Listener {
        address: "127.0.0.1:8200".to_owned(),
        tls: None,
        only_tls13: false,
        max_request_size: None,
        max_request_duration: None,
    };
    let (mut certificate, mut key_file, mut disabled) = (None, None, false);
    for (key, value) in body {
        let failed = |reason: String| format!("{key}: {reason}");
        match key.as_str() {
            "address" => listener.address = text(value).map_err(failed)?,
            "tls_cert_file" => certificate = Some(PathBuf::from(text(value).map_err(failed)?)),
            "tls_key_file" => key_file = Some(PathBuf::from(text(value).map_err(failed)?)),
            "tls_disable" => disabled = boolean(value).map_err(failed)?,
            "tls_min_version" => match text(value).map_err(failed)?.as_str() {
                "tls12" => {}
                "tls13" => listener.only_tls13 = true,
                other => return Err(format!("tls_min_version: {other:?} is not \"tls12\" or \"tls13\"")),
            },
            "max_request_size" => listener.max_request_size = Some(number(value).map_err(failed)?),
            "max_request_duration" => listener.max_request_duration = Some(seconds(value).map_err(failed)?),
            "cluster_address" => {}
            other => return Err(format!("{other}: there is no such setting")),
        }
    }
    listener.tls = match (disabled, certificate, key_file) {
        (true, _, _) => None,
        (false, Some(certificate), Some(key)) => Some((certificate, key)),
        (false, _, _) => return Err("tls_cert_file and tls_key_file must be given, or tls_disable = true".to_owned()),
    };
    Ok(listener)
}

fn storage(kind: &str, body: &Map<String, Value>) -> Result<StorageConfig, String> {
    let allowed: &[&str] = if kind == "redb" { &["path"] } else { &[] };
    match kind {
        "redb" | "inmem" => {}
        other => return Err(format!("there is no storage {other:?}; there are \"redb\" and \"inmem\"")),
    }
    if let Some(unknown) = body.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(format!("{unknown}: there is no such setting"));
    }
    if kind == "inmem" {
        return Ok(StorageConfig::Memory);
    }
    let path = body.get("path").ok_or("path is missing: the folder that the data goes to")?;
    Ok(StorageConfig::Redb { path: text(path)?.into() })
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "expected a text in quotes".to_owned())
}

fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::String(text) if text == "true" || text == "1" => Ok(true),
        Value::String(text) if text == "false" || text == "0" => Ok(false),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        _ => Err("expected true or false".to_owned()),
    }
}

fn number(value: &Value) -> Result<usize, String> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| "expected a number that is not negative".to_owned())
}

fn seconds(value: &Value) -> Result<u64, String> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => {
            text.parse().ok().or_else(|| humantime::parse_duration(text).ok().map(|duration| duration.as_secs()))
        }
        _ => None,
    }
    .ok_or_else(|| "expected a duration such as \"768h\"".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = r#"
        listener "tcp" {
          address         = "0.0.0.0:8200"
          tls_cert_file   = "/c.pem"
          tls_key_file    = "/k.pem"
          tls_min_version = "tls13"
        }
        listener "tcp" {
          address     = "127.0.0.1:8201"
          tls_disable = true
        }
        storage "redb" { path = "/var/lib/coffer" }
        api_addr = "https://coffer:8200"
        max_lease_ttl = "768h"
    "#;

    #[test]
    fn a_good_file() {
        let config = parse("f", GOOD).unwrap();
        assert_eq!(config.listeners.len(), 2);
        assert!(config.listeners.first().unwrap().only_tls13);
        assert_eq!(config.storage, Some(StorageConfig::Redb { path: "/var/lib/coffer".into() }));
        assert_eq!(config.max_lease_ttl, Some(768 * 3600));
        let json = r#"{"listener": [{"tcp": {"address": "a:1", "tls_disable": "true"}}], "storage": {"inmem": {}}}"#;
        assert_eq!(parse("f", json).unwrap().storage, Some(StorageConfig::Memory));
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        #[rustfmt::skip]
        let table = [
            ("nonsense = 1", "nonsense: there is no such setting"),
            (r#"storage "consul" {}"#, "there is no storage \"consul\""),
            (r#"storage "redb" {}"#, "path is missing"),
            (r#"storage "redb" { path = 3 }"#, "expected a text"),
            (r#"listener "unix" {}"#, "there is no listener"),
            (r#"listener "tcp" { address = "a" }"#, "tls_cert_file and tls_key_file"),
            (r#"listener "tcp" { port = 3 }"#, "port: there is no such setting"),
            (r#"listener "tcp" { tls_min_version = "ssl" }"#, "tls_min_version"),
            (r#"max_lease_ttl = "x""#, "expected a duration"),
            ("listener {", "f: "),
        ];
        for (text, reason) in table {
            let error = parse("f", text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
