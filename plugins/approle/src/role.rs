//! Roles, whole and setting by setting.

use coffer_sdk::{paging, prelude::*, token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::params as p;
use crate::secret_id;
use crate::setting::SETTINGS;

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
    /// Tokens may only be used from where their login came.
    #[serde(default)]
    pub token_strictly_bind_ip: bool,
}

impl Role {
    pub(crate) fn new() -> Self {
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
            token_strictly_bind_ip: false,
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
        token::check(
            &self.token_type,
            self.token_ttl,
            self.token_max_ttl,
            self.token_period,
            self.token_num_uses,
            self.token_strictly_bind_ip,
            &self.token_bound_cidrs,
        )
    }
}

/// The role's name in the path: as in Vault, anything else is no path of this method.
pub(crate) fn name(request: &Request) -> Result<String> {
    let name = request.require(p::ROLE)?.to_lowercase();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = name.chars().all(|c| word(c) || c == '-' || c == '.');
    if plain && name.starts_with(word) && name.ends_with(word) {
        Ok(name)
    } else {
        Err(Error::not_found("unsupported path"))
    }
}

pub(crate) fn unknown(name: &str) -> String {
    format!("role {name:?} does not exist")
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
    let role = load(&name)?.ok_or_else(|| Error::not_found(unknown(&name)))?;
    Ok((name, role))
}

/// The name of the role with this id.
pub(crate) fn by_id(role_id: &str) -> Result<Option<String>> {
    Ok(storage::get(&index(role_id))?.and_then(|name| String::from_utf8(name).ok()))
}

pub(crate) fn list(request: &Request) -> Result<Response> {
    Ok(Response::list(paging::list(request, "role/")?))
}

pub(crate) fn exists(request: &Request) -> Result<bool> {
    match name(request) {
        Ok(name) => Ok(storage::get(&key(&name))?.is_some()),
        Err(_) => Ok(false),
    }
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
    for setting in SETTINGS {
        (setting.write)(&mut role, request)?;
    }
    if request.has(p::LOCAL) {
        let local = request.get(p::LOCAL)?.unwrap_or_default();
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
    response.warnings.extend(token::kind_warning(request)?);
    Ok(response)
}

pub(crate) fn store(name: &str, before: Option<&Role>, role: &Role) -> Result<()> {
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
