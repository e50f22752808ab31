//! The settings of a role, each with a path of its own.

use coffer_sdk::prelude::*;
use coffer_sdk::token::{bare_cidrs, cidrs, count, kind, kind_warning, policies};
use serde_json::{Map, Value};

use crate::params as p;
use crate::role::{self, Role};

/// A setting: its path below the role, its field, and how it is read, written and reset.
pub(crate) struct Setting {
    path: &'static str,
    pub field: &'static str,
    /// An old name of another setting: not shown with the role.
    pub alias: bool,
    pub read: fn(&Role) -> Value,
    /// Whether it was given.
    pub write: fn(&mut Role, &Request) -> Result<bool>,
    reset: fn(&mut Role),
}

/// What null would make nonsense of: there it is as if nothing was given.
const NOT_NULL: [&str; 2] = [p::BIND_SECRET_ID.name(), p::TYPE.name()];

macro_rules! setting {
    ($path:literal, $field:expr, $member:ident, $alias:literal, $convert:expr) => {
        Setting {
            path: $path,
            field: $field.name(),
            alias: $alias,
            read: |role| json!(role.$member),
            write: |role, request| {
                if request.is_null($field) && NOT_NULL.contains(&$field.name()) {
                    return Ok(false);
                }
                let given = request.get($field)?;
                let is_given = given.is_some();
                if let Some(value) = given {
                    role.$member = $convert(value)?;
                }
                Ok(is_given)
            },
            reset: |role| role.$member = Role::new().$member,
        }
    };
}

fn same<T>(value: T) -> Result<T> {
    Ok(value)
}

/// An old name comes before the new one: where both are given the new one goes.
#[rustfmt::skip]
pub(crate) static SETTINGS: &[Setting] = &[
    setting!("bind-secret-id", p::BIND_SECRET_ID, bind_secret_id, false, same),
    setting!("bound-cidr-list", p::OLD_CIDRS, secret_id_bound_cidrs, true, cidrs),
    setting!("secret-id-bound-cidrs", p::SECRET_ID_CIDRS, secret_id_bound_cidrs, false, cidrs),
    setting!("secret-id-num-uses", p::SECRET_ID_NUM_USES, secret_id_num_uses, false, |n| count(p::SECRET_ID_NUM_USES, n)),
    setting!("secret-id-ttl", p::SECRET_ID_TTL, secret_id_ttl, false, same),
    setting!("policies", p::OLD_POLICIES, token_policies, true, policies),
    setting!("policies", p::POLICIES, token_policies, false, policies),
    setting!("token-ttl", p::TTL, token_ttl, false, same),
    setting!("token-max-ttl", p::MAX_TTL, token_max_ttl, false, same),
    setting!("token-explicit-max-ttl", p::EXPLICIT_MAX_TTL, token_explicit_max_ttl, false, same),
    setting!("period", p::OLD_PERIOD, token_period, true, same),
    setting!("period", p::PERIOD, token_period, false, same),
    setting!("token-num-uses", p::NUM_USES, token_num_uses, false, |n| count(p::NUM_USES, n)),
    setting!("token-no-default-policy", p::NO_DEFAULT, token_no_default_policy, false, same),
    setting!("token-type", p::TYPE, token_type, false, kind),
    setting!("token-bound-cidrs", p::TOKEN_CIDRS, token_bound_cidrs, false, bare_cidrs),
    setting!("token-strictly-bind-ip", p::STRICTLY_BIND_IP, token_strictly_bind_ip, false, same),
];

/// What a request's path, which ends in its name, is about.
fn named(request: &Request) -> Vec<&'static Setting> {
    let path = request.path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    SETTINGS
        .iter()
        .filter(|setting| setting.path == name)
        .collect()
}

pub(crate) fn read(request: &Request) -> Result<Response> {
    let Some(role) = role::load(&role::name(request)?)? else {
        return Ok(Response::empty());
    };
    let data: Map<String, Value> = named(request)
        .into_iter()
        .map(|setting| (setting.field.to_owned(), (setting.read)(&role)))
        .collect();
    Ok(Response::data(Value::Object(data)))
}

pub(crate) fn write(request: &Request) -> Result<Response> {
    let settings = named(request);
    let (name, before) = role::required(request)?;
    let mut role = before.clone();
    let mut given = false;
    for setting in &settings {
        given |= (setting.write)(&mut role, request)?;
    }
    // As in Vault, addresses may be left out, which changes nothing.
    let field = settings.last().map_or("", |setting| setting.field);
    if !given && !field.contains("cidr") {
        return Err(Error::invalid(format!("missing {field}")));
    }
    role::store(&name, Some(&before), &role)?;
    let mut response = Response::empty();
    response.warnings.extend(kind_warning(request)?);
    Ok(response)
}

pub(crate) fn delete(request: &Request) -> Result<Response> {
    let name = role::name(request)?;
    let Some(before) = role::load(&name)? else {
        return Ok(Response::empty());
    };
    let mut role = before.clone();
    for setting in named(request) {
        (setting.reset)(&mut role);
    }
    role::store(&name, Some(&before), &role)?;
    Ok(Response::empty())
}
