//! Roles, whole and setting by setting.

use std::net::IpAddr;

use coffer_sdk::prelude::*;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::params as p;
use crate::secret_id;

/// What is stored of a role. Times in seconds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    pub role_id: String,
    /// What its secret ids are hashed with.
    pub hmac_key: String,
    pub bind_secret_id: bool,
    pub secret_id_bound_cidrs: Vec<String>,
    pub secret_id_num_uses: u32,
    pub secret_id_ttl: Seconds,
    pub local_secret_ids: bool,
    pub token_policies: Vec<String>,
    pub token_ttl: Seconds,
    pub token_max_ttl: Seconds,
    pub token_explicit_max_ttl: Seconds,
    pub token_period: Seconds,
    pub token_num_uses: u32,
    pub token_no_default_policy: bool,
    pub token_type: String,
    pub token_bound_cidrs: Vec<String>,
}

impl Role {
    fn new() -> Self {
        Self {
            role_id: random::uuid(),
            hmac_key: random::base62(43),
            bind_secret_id: true,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl: Seconds(0),
            local_secret_ids: false,
            token_policies: Vec::new(),
            token_ttl: Seconds(0),
            token_max_ttl: Seconds(0),
            token_explicit_max_ttl: Seconds(0),
            token_period: Seconds(0),
            token_num_uses: 0,
            token_no_default_policy: false,
            token_type: "default".to_owned(),
            token_bound_cidrs: Vec::new(),
        }
    }

    /// What must hold of a role as a whole.
    fn check(&self) -> Result<()> {
        if !self.bind_secret_id
            && self.secret_id_bound_cidrs.is_empty()
            && self.token_bound_cidrs.is_empty()
        {
            return Err(Error::invalid(
                "at least one constraint should be enabled on the role",
            ));
        }
        let max = mount::info().max_lease_ttl;
        if self.token_ttl.0 > 0 && self.token_max_ttl.0 > 0 && self.token_ttl > self.token_max_ttl {
            return Err(Error::invalid(
                "'token_ttl' cannot be greater than 'token_max_ttl'",
            ));
        }
        if self.token_period.0 > max {
            return Err(Error::invalid(format!(
                "token period {}s is greater than the backend's maximum lease TTL of {max}s",
                self.token_period.0
            )));
        }
        if self.token_type == "batch" && (self.token_period.0 > 0 || self.token_num_uses > 0) {
            return Err(Error::invalid(
                "'token_type' cannot be 'batch' when 'token_period' or 'token_num_uses' is set",
            ));
        }
        Ok(())
    }
}

pub(crate) fn name(request: &Request) -> Result<String> {
    Ok(request.require(p::ROLE)?.to_lowercase())
}

fn key(name: &str) -> String {
    format!("role/{name}")
}

/// Where a role id leads to its role.
fn index(role_id: &str) -> String {
    format!("role-id/{}", secret_id::digest(role_id))
}

pub(crate) fn load(name: &str) -> Result<Option<Role>> {
    storage::get_json(&key(name))
}

/// The role that a path is about, with its name.
pub(crate) fn required(request: &Request) -> Result<(String, Role)> {
    let name = name(request)?;
    let role =
        load(&name)?.ok_or_else(|| Error::not_found(format!("role {name:?} does not exist")))?;
    Ok((name, role))
}

/// The name of the role with this id.
pub(crate) fn by_id(role_id: &str) -> Result<Option<String>> {
    Ok(storage::get(&index(role_id))?.and_then(|name| String::from_utf8(name).ok()))
}

pub(crate) fn list(_: &Request) -> Result<Response> {
    Ok(Response::list(storage::list("role/")?))
}

pub(crate) fn exists(request: &Request) -> Result<bool> {
    Ok(storage::get(&key(&name(request)?))?.is_some())
}

pub(crate) fn read(request: &Request) -> Result<Response> {
    let Some(role) = load(&name(request)?)? else {
        return Ok(Response::empty());
    };
    let mut data: Map<String, Value> = SETTINGS
        .iter()
        .filter(|s| !s.alias)
        .map(|s| (s.field.to_owned(), (s.read)(&role)))
        .collect();
    data.insert("local_secret_ids".to_owned(), role.local_secret_ids.into());
    Ok(Response::data(Value::Object(data)))
}

pub(crate) fn write(request: &Request) -> Result<Response> {
    let name = name(request)?;
    let before = load(&name)?;
    let mut role = before.clone().unwrap_or_else(Role::new);
    // Old names first: where both are given the new one goes.
    for setting in SETTINGS
        .iter()
        .filter(|s| s.alias)
        .chain(SETTINGS.iter().filter(|s| !s.alias))
    {
        (setting.write)(&mut role, request)?;
    }
    if let Some(local) = request.get(p::LOCAL)? {
        if before
            .as_ref()
            .is_some_and(|before| before.local_secret_ids != local)
        {
            return Err(Error::invalid(
                "local_secret_ids can only be modified during role creation",
            ));
        }
        role.local_secret_ids = local;
    }
    if let Some(id) = request.get(p::ROLE_ID)?.filter(|id| !id.is_empty()) {
        role.role_id = id;
    }
    let max = mount::info().max_lease_ttl;
    let warning = (role.token_max_ttl.0 > max)
        .then(|| format!("token_max_ttl is greater than the backend mount's maximum TTL value of {max}s; issued tokens' max TTL value will be truncated"));
    store(&name, before.as_ref(), &role)?;
    let mut response = Response::empty();
    response.warnings.extend(warning);
    Ok(response)
}

fn store(name: &str, before: Option<&Role>, role: &Role) -> Result<()> {
    role.check()?;
    if before.is_none_or(|before| before.role_id != role.role_id) {
        if let Some(other) = by_id(&role.role_id)? {
            return Err(Error::invalid(format!(
                "role_id already in use by role {other:?}"
            )));
        }
        if let Some(before) = before {
            storage::delete(&index(&before.role_id))?;
        }
        storage::put(&index(&role.role_id), name.as_bytes())?;
    }
    storage::put_json(&key(name), role)
}

pub(crate) fn delete(request: &Request) -> Result<Response> {
    let name = name(request)?;
    if let Some(role) = load(&name)? {
        secret_id::remove_all(&name)?;
        storage::delete(&index(&role.role_id))?;
        storage::delete(&key(&name))?;
    }
    Ok(Response::empty())
}

pub(crate) fn read_role_id(request: &Request) -> Result<Response> {
    let role = load(&name(request)?)?;
    Ok(role.map_or_else(Response::empty, |role| {
        Response::data(json!({ "role_id": role.role_id }))
    }))
}

pub(crate) fn write_role_id(request: &Request) -> Result<Response> {
    let (name, before) = required(request)?;
    let role = Role {
        role_id: request.require(p::ROLE_ID)?,
        ..before.clone()
    };
    store(&name, Some(&before), &role)?;
    Ok(Response::empty())
}

pub(crate) fn read_local_secret_ids(request: &Request) -> Result<Response> {
    let role = load(&name(request)?)?;
    Ok(role.map_or_else(Response::empty, |role| {
        Response::data(json!({ "local_secret_ids": role.local_secret_ids }))
    }))
}

/// A setting: its path below the role, its field, and how it is read, written and reset.
struct Setting {
    path: &'static str,
    field: &'static str,
    /// An old name of another setting: not shown with the role.
    alias: bool,
    read: fn(&Role) -> Value,
    write: fn(&mut Role, &Request) -> Result<()>,
    reset: fn(&mut Role),
}

macro_rules! setting {
    ($path:literal, $field:expr, $member:ident, $alias:literal, $convert:expr) => {
        Setting {
            path: $path,
            field: $field.name(),
            alias: $alias,
            read: |role| json!(role.$member),
            write: |role, request| {
                if let Some(value) = request.get($field)? {
                    role.$member = $convert(value)?;
                }
                Ok(())
            },
            reset: |role| role.$member = Role::new().$member,
        }
    };
}

fn same<T>(value: T) -> Result<T> {
    Ok(value)
}

fn count(value: i64) -> Result<u32> {
    u32::try_from(value).map_err(|_| Error::invalid("a number of uses cannot be negative"))
}

fn policies(value: Vec<String>) -> Result<Vec<String>> {
    let mut policies: Vec<String> = value
        .into_iter()
        .map(|policy| policy.to_lowercase())
        .collect();
    policies.sort();
    policies.dedup();
    Ok(policies)
}

fn token_type(value: String) -> Result<String> {
    match value.as_str() {
        "" | "default" | "default-service" | "default-batch" => Ok(if value.is_empty() {
            "default".to_owned()
        } else {
            value
        }),
        "service" | "batch" => Ok(value),
        other => Err(Error::invalid(format!(
            "invalid 'token_type' value {other:?}"
        ))),
    }
}

/// One address stands for itself.
pub(crate) fn cidrs(value: Vec<String>) -> Result<Vec<String>> {
    for text in &value {
        if text.parse::<IpNet>().is_err() && text.parse::<IpAddr>().is_err() {
            return Err(Error::invalid(format!("invalid CIDR blocks: {text:?}")));
        }
    }
    Ok(value)
}

/// As Vault shows them: one address without its length.
fn token_cidrs(value: Vec<String>) -> Result<Vec<String>> {
    let bare = |text: String| match text
        .strip_suffix("/32")
        .or_else(|| text.strip_suffix("/128"))
    {
        Some(address) if address.parse::<IpAddr>().is_ok() => address.to_owned(),
        _ => text,
    };
    Ok(cidrs(value)?.into_iter().map(bare).collect())
}

#[rustfmt::skip]
static SETTINGS: &[Setting] = &[
    setting!("bind-secret-id", p::BIND_SECRET_ID, bind_secret_id, false, same),
    setting!("secret-id-bound-cidrs", p::SECRET_ID_CIDRS, secret_id_bound_cidrs, false, cidrs),
    setting!("bound-cidr-list", p::OLD_CIDRS, secret_id_bound_cidrs, true, cidrs),
    setting!("secret-id-num-uses", p::SECRET_ID_NUM_USES, secret_id_num_uses, false, count),
    setting!("secret-id-ttl", p::SECRET_ID_TTL, secret_id_ttl, false, same),
    setting!("policies", p::POLICIES, token_policies, false, policies),
    setting!("policies", p::OLD_POLICIES, token_policies, true, policies),
    setting!("token-ttl", p::TTL, token_ttl, false, same),
    setting!("token-max-ttl", p::MAX_TTL, token_max_ttl, false, same),
    setting!("token-explicit-max-ttl", p::EXPLICIT_MAX_TTL, token_explicit_max_ttl, false, same),
    setting!("period", p::PERIOD, token_period, false, same),
    setting!("period", p::OLD_PERIOD, token_period, true, same),
    setting!("token-num-uses", p::NUM_USES, token_num_uses, false, count),
    setting!("token-no-default-policy", p::NO_DEFAULT, token_no_default_policy, false, same),
    setting!("token-type", p::TYPE, token_type, false, token_type),
    setting!("token-bound-cidrs", p::TOKEN_CIDRS, token_bound_cidrs, false, token_cidrs),
];

fn settings(request: &Request) -> Result<Vec<&'static Setting>> {
    let path = request.require(p::SETTING)?;
    let found: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| setting.path == path)
        .collect();
    if found.is_empty() {
        Err(Error::not_found("unsupported path"))
    } else {
        Ok(found)
    }
}

pub(crate) fn read_setting(request: &Request) -> Result<Response> {
    let settings = settings(request)?;
    let Some(role) = load(&name(request)?)? else {
        return Ok(Response::empty());
    };
    let data: Map<String, Value> = settings
        .iter()
        .map(|setting| (setting.field.to_owned(), (setting.read)(&role)))
        .collect();
    Ok(Response::data(Value::Object(data)))
}

pub(crate) fn write_setting(request: &Request) -> Result<Response> {
    let settings = settings(request)?;
    let (name, before) = required(request)?;
    let given = request.data()?;
    if !settings
        .iter()
        .any(|setting| given.contains_key(setting.field))
    {
        let field = settings.first().map_or("", |setting| setting.field);
        return Err(Error::invalid(format!("missing {field}")));
    }
    let mut role = before.clone();
    for setting in settings {
        (setting.write)(&mut role, request)?;
    }
    store(&name, Some(&before), &role)?;
    Ok(Response::empty())
}

pub(crate) fn delete_setting(request: &Request) -> Result<Response> {
    let settings = settings(request)?;
    let name = name(request)?;
    let Some(before) = load(&name)? else {
        return Ok(Response::empty());
    };
    let mut role = before.clone();
    for setting in settings {
        (setting.reset)(&mut role);
    }
    store(&name, Some(&before), &role)?;
    Ok(Response::empty())
}
