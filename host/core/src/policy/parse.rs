//! Policies as people write them: HCL, or the same in JSON.

use std::collections::BTreeMap;

use coffer_duration::parse_duration;
use serde_json::{Map, Value};

use super::capability::{Capabilities, Capability};
use super::plain::plain_hcl;
use super::spread::spread;

/// The longest policy, in bytes.
pub const MAX_POLICY: usize = 256 << 10;
const MAX_RULES: usize = 5_000;

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse policy: {0}")]
pub struct PolicyError(pub String);

/// Parameter names (lower case) to the values that are meant; none means any.
pub type Parameters = BTreeMap<String, Vec<Value>>;

/// One `path` of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As written, without a leading slash.
    pub path: String,
    pub capabilities: Capabilities,
    pub allowed: Option<Parameters>,
    pub denied: Option<Parameters>,
    pub required: Vec<String>,
    /// Seconds; 0 for none.
    pub min_wrapping_ttl: u64,
    /// Seconds; 0 for none.
    pub max_wrapping_ttl: u64,
}

/// A parsed policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub name: String,
    pub rules: Vec<Rule>,
}

impl Policy {
    /// Parses a policy's text.
    ///
    /// # Errors
    /// If it is neither HCL nor JSON, or says something that no policy says: what, and where.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        check(text)?;
        let paths = if text.trim_start().starts_with('{') {
            json_paths(text)?
        } else {
            hcl_paths(text)?
        };
        if paths.len() > MAX_RULES {
            return Err(PolicyError(format!(
                "it has {} paths; {MAX_RULES} are allowed",
                paths.len()
            )));
        }
        let rules = paths
            .into_iter()
            .map(|(path, body)| {
                rule(&path, &body).map_err(|reason| PolicyError(format!("path {path:?}: {reason}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            rules,
        })
    }
}

/// What people write in HCL, of either version.
///
/// # Errors
/// If it is none, or too much of it.
pub fn body(text: &str) -> Result<hcl::Body, PolicyError> {
    check(text)?;
    let text = spread(text);
    plain_hcl(&text).map_err(|error| PolicyError(error.to_string()))?;
    hcl::parse(&text).map_err(|error| PolicyError(error.to_string()))
}

fn check(text: &str) -> Result<(), PolicyError> {
    if text.len() > MAX_POLICY {
        return Err(PolicyError(format!(
            "it has {} bytes; {MAX_POLICY} are allowed",
            text.len()
        )));
    }
    Ok(())
}

type Paths = Vec<(String, Map<String, Value>)>;

fn json_paths(text: &str) -> Result<Paths, PolicyError> {
    let fail = |message: &str| Err(PolicyError(message.to_owned()));
    let value: Value =
        serde_json::from_str(text).map_err(|error| PolicyError(error.to_string()))?;
    let Value::Object(root) = value else {
        return fail("expected an object");
    };
    let mut paths = Vec::new();
    for (key, value) in root {
        match (key.as_str(), value) {
            ("path", Value::Object(map)) => collect(&mut paths, map)?,
            ("path", Value::Array(list)) => {
                for item in list {
                    let Value::Object(map) = item else {
                        return fail("\"path\" must hold objects");
                    };
                    collect(&mut paths, map)?;
                }
            }
            ("name", Value::String(_)) => {}
            (other, _) => return Err(PolicyError(format!("invalid key {other:?}"))),
        }
    }
    Ok(paths)
}

fn collect(paths: &mut Paths, map: Map<String, Value>) -> Result<(), PolicyError> {
    for (path, body) in map {
        match body {
            Value::Object(body) => paths.push((path, body)),
            Value::Array(list) => {
                for item in list {
                    let Value::Object(body) = item else {
                        return Err(PolicyError(format!("path {path:?}: expected an object")));
                    };
                    paths.push((path.clone(), body));
                }
            }
            _ => return Err(PolicyError(format!("path {path:?}: expected an object"))),
        }
    }
    Ok(())
}

fn hcl_paths(text: &str) -> Result<Paths, PolicyError> {
    let mut paths = Vec::new();
    for structure in body(text)? {
        match structure {
            hcl::Structure::Block(block) if block.identifier.as_str() == "path" => {
                let [label] = block.labels.as_slice() else {
                    return Err(PolicyError("\"path\" takes one path in quotes".to_owned()));
                };
                let path = label.as_str().to_owned();
                let body = hcl::from_body::<Map<String, Value>>(block.body)
                    .map_err(|error| PolicyError(format!("path {path:?}: {error}")))?;
                paths.push((path, body));
            }
            hcl::Structure::Attribute(attribute) if attribute.key.as_str() == "name" => {}
            hcl::Structure::Block(block) => {
                return Err(PolicyError(format!(
                    "invalid key {:?}",
                    block.identifier.as_str()
                )));
            }
            hcl::Structure::Attribute(attribute) => {
                return Err(PolicyError(format!(
                    "invalid key {:?}",
                    attribute.key.as_str()
                )));
            }
        }
    }
    Ok(paths)
}

fn rule(path: &str, body: &Map<String, Value>) -> Result<Rule, String> {
    let path = path.trim_start_matches('/');
    if path.matches("{{").count() != path.matches("}}").count() {
        return Err(
            "failed to validate policy templating: unbalanced templating characters".to_owned(),
        );
    }
    if path.contains("+*") {
        return Err("invalid use of wildcards: \"+*\" is forbidden".to_owned());
    }
    let mut rule = Rule {
        path: path.to_owned(),
        capabilities: Capabilities::default(),
        allowed: None,
        denied: None,
        required: Vec::new(),
        min_wrapping_ttl: 0,
        max_wrapping_ttl: 0,
    };
    for (key, value) in body {
        match key.as_str() {
            "capabilities" => capabilities(&mut rule.capabilities, value)?,
            "policy" => old_policy(&mut rule.capabilities, value)?,
            "allowed_parameters" => rule.allowed = Some(parameters(key, value)?),
            "denied_parameters" => rule.denied = Some(parameters(key, value)?),
            "required_parameters" => rule.required = texts(key, value)?,
            "min_wrapping_ttl" => rule.min_wrapping_ttl = duration(key, value)?,
            "max_wrapping_ttl" => rule.max_wrapping_ttl = duration(key, value)?,
            "comment" => {}
            other => return Err(format!("invalid key {other:?}")),
        }
    }
    if rule.max_wrapping_ttl > 0 && rule.max_wrapping_ttl < rule.min_wrapping_ttl {
        return Err("max_wrapping_ttl cannot be less than min_wrapping_ttl".to_owned());
    }
    rule.capabilities = rule.capabilities.union(Capabilities::default());
    Ok(rule)
}

fn capabilities(set: &mut Capabilities, value: &Value) -> Result<(), String> {
    for name in texts("capabilities", value)? {
        set.insert(Capability::parse(&name).ok_or_else(|| format!("invalid capability {name:?}"))?);
    }
    Ok(())
}

/// The form from before capabilities.
fn old_policy(set: &mut Capabilities, value: &Value) -> Result<(), String> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    let granted: &[Capability] = match value.as_str() {
        Some("deny") => &[Deny],
        Some("read") => &[Read, List],
        Some("write") => &[Create, Read, Update, Delete, List],
        Some("sudo") => &[Create, Read, Update, Delete, List, Sudo],
        _ => return Err(format!("invalid policy {value}")),
    };
    granted
        .iter()
        .for_each(|capability| set.insert(*capability));
    Ok(())
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let Value::Array(items) = value else {
        return Err(format!("{key} must be a list of strings"));
    };
    items
        .iter()
        .map(|item| {
            item.as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{key} must be a list of strings"))
        })
        .collect()
}

fn parameters(key: &str, value: &Value) -> Result<Parameters, String> {
    let Value::Object(map) = value else {
        return Err(format!("{key} must be an object of lists"));
    };
    map.iter()
        .map(|(name, values)| match values {
            Value::Array(values) => Ok((name.to_lowercase(), values.clone())),
            _ => Err(format!("{key}: the values of {name:?} must be a list")),
        })
        .collect()
}

fn duration(key: &str, value: &Value) -> Result<u64, String> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => parse_duration(text),
        _ => None,
    }
    .ok_or_else(|| format!("{key} must be a duration"))
}
