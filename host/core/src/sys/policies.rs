//! `sys/policies/acl` and its old form `sys/policy`.

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use serde_json::{Map, Value, json};

use crate::keys::Ns;
use crate::lease::Job;
use crate::policy::Policy;
use crate::policy_store::{Policies, StoredPolicy};
use crate::reply::Reply;
use crate::routes::Context;
use crate::time::{parse_rfc3339, rfc3339};
use crate::{Error, limits, wrapping};

pub(super) fn store_policy(txn: &mut Transaction, ns: &str, name: &str, policy: &StoredPolicy) {
    txn.put(
        Ns(ns).policy(name),
        serde_json::to_vec(policy).unwrap_or_default(),
    );
}

/// The names of policies are in lower case, whatever the caller writes: made so before it is decided whether the caller may
/// have that policy, so that a rule on its path has no way round it.
pub fn fold_policy_name(path: &mut String) {
    for prefix in ["sys/policies/acl/", "sys/policy/"] {
        if let Some(name) = path.strip_prefix(prefix) {
            *path = format!("{prefix}{}", name.to_lowercase().trim_end_matches('/'));
        }
    }
}

fn name(c: &Context<'_>) -> Result<String, Error> {
    let name = c.params.require("name")?;
    if name.len() > limits::MAX_POLICY_NAME {
        return Err(Error::invalid(format!(
            "a policy's name can have {} bytes",
            limits::MAX_POLICY_NAME
        )));
    }
    Ok(name)
}

pub async fn list(c: &mut Context<'_>, old: bool) -> Result<Reply, Error> {
    let prefix = Ns(c.ns).policy("");
    let mut names: Vec<String> = c
        .txn
        .list(&prefix, None, limits::MAX_LIST)
        .await?
        .into_iter()
        .filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned))
        .collect();
    names.push("root".to_owned());
    names.sort();
    Ok(if old {
        Reply::flat(json!({ "keys": names, "policies": names }))
    } else {
        Reply::data(json!({ "keys": names }))
    })
}

/// A policy, with its text in this field.
async fn describe(c: &mut Context<'_>, name: &str, field: &str) -> Result<Option<Value>, Error> {
    if name == "root" {
        return Ok(Some(
            json!({ "name": name, field: "", "version": 0, "cas_required": false, "modified": null }),
        ));
    }
    let Some(stored) = Policies::load(c.txn, c.ns, name).await? else {
        return Ok(None);
    };
    let mut told = json!({
        "name": name,
        field: stored.text,
        "version": stored.version,
        "cas_required": stored.cas_required,
        "modified": rfc3339(stored.modified),
    });
    if let (Some(expires), Value::Object(told)) = (stored.expires, &mut told) {
        told.insert("expiration".to_owned(), rfc3339(expires).into());
    }
    Ok(Some(told))
}

/// The policies below a prefix, with their texts.
pub async fn list_detailed(c: &mut Context<'_>) -> Result<Reply, Error> {
    let prefix = Ns(c.ns).policy("");
    let below = c.params.text("name")?.unwrap_or_default();
    let below = Ns(c.ns).policy(&below);
    let mut info = Map::new();
    for key in c.txn.list(&below, None, limits::DETAILED_POLICIES).await? {
        let name = key.strip_prefix(&prefix).unwrap_or_default();
        if let Some(told) = describe(c, name, "policy").await? {
            info.insert(name.to_owned(), told);
        }
    }
    if info.is_empty() {
        return Err(Error::Nothing);
    }
    let names: Vec<_> = info.keys().cloned().collect();
    Ok(Reply::data(json!({ "keys": names, "key_info": info })))
}

pub async fn read(c: &mut Context<'_>, old: bool) -> Result<Reply, Error> {
    let name = name(c)?;
    let field = if old { "rules" } else { "policy" };
    let data = describe(c, &name, field).await?.ok_or(Error::Nothing)?;
    Ok(if old {
        Reply::flat(data)
    } else {
        Reply::data(data)
    })
}

pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = name(c)?;
    let given = match c.params.text("policy")? {
        Some(text) if !text.is_empty() => text,
        _ => c.params.text("rules")?.unwrap_or_default(),
    };
    if given.is_empty() {
        return Err(Error::invalid("'policy' parameter not supplied or empty"));
    }
    if ["root", wrapping::POLICY].contains(&name.as_str()) {
        return Err(Error::invalid(format!("cannot update {name:?} policy")));
    }
    // Clients may send the text in base64.
    let text = match base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &given)
        .map(String::from_utf8)
    {
        Ok(Ok(decoded)) => decoded,
        _ => given,
    };
    Policy::parse(&name, &text).map_err(|error| Error::invalid(error.to_string()))?;
    let expires = expiration(c)?;
    if expires.is_some() && name == "default" {
        return Err(Error::invalid("the default policy cannot expire"));
    }
    let before = Policies::load(c.txn, c.ns, &name).await?;
    let version = before.as_ref().map_or(0, |before| before.version);
    let cas_required = match c.params.boolean("cas_required")? {
        Some(required) => required,
        None => before.as_ref().is_some_and(|before| before.cas_required),
    };
    match cas(c)? {
        Some(cas)
            if cas != i64::try_from(version).unwrap_or(i64::MAX)
                && !(cas == -1 && version == 0) =>
        {
            return Err(Error::invalid(format!(
                "check-and-set parameter did not match the current version: the policy is at {version}"
            )));
        }
        None if cas_required && before.is_some() => {
            return Err(Error::invalid(
                "check-and-set parameter required for this call",
            ));
        }
        _ => {}
    }
    let policy = StoredPolicy {
        text,
        version: version + 1,
        cas_required,
        modified: c.core.clock.now(),
        expires,
    };
    if let Some(expires) = expires {
        let key = Ns(c.ns).policy(&name);
        Job::Expire { key }.schedule(c.txn, c.ns, &c.core.random.uuid(), expires)?;
    }
    store_policy(c.txn, c.ns, &name, &policy);
    Ok(Reply::empty())
}

/// When the policy is to end: after so many seconds, or then.
fn expiration(c: &Context<'_>) -> Result<Option<UnixMillis>, Error> {
    let now = c.core.clock.now();
    let ttl = c.params.seconds("ttl")?.filter(|ttl| *ttl > 0);
    let given = c.params.text("expiration")?.filter(|at| !at.is_empty());
    match (ttl, given) {
        (Some(_), Some(_)) => Err(Error::invalid(
            "cannot supply both 'expiration' and 'ttl' for policies",
        )),
        (Some(ttl), None) => Ok(Some(now.plus_seconds(ttl))),
        (None, None) => Ok(None),
        (None, Some(text)) => {
            let at = parse_rfc3339(&text).ok_or_else(|| {
                Error::invalid("expiration is a time such as 2030-01-31T12:00:00Z")
            })?;
            if at <= now {
                return Err(Error::invalid(
                    "refusing to update policy as expiration time has already elapsed",
                ));
            }
            Ok(Some(at))
        }
    }
}

/// The version that the caller means to change; -1 for a policy that is not there.
fn cas(c: &Context<'_>) -> Result<Option<i64>, Error> {
    match c.params.text("cas")? {
        Some(text) if !text.is_empty() => text
            .parse()
            .map(Some)
            .map_err(|_| Error::invalid("cas must be a version's number")),
        _ => Ok(None),
    }
}

pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = name(c)?;
    match name.as_str() {
        "root" | wrapping::POLICY => Err(Error::invalid(format!("cannot delete {name:?} policy"))),
        "default" => Err(Error::invalid("cannot delete default policy")),
        _ => {
            c.txn.delete(Ns(c.ns).policy(&name));
            Ok(Reply::empty())
        }
    }
}
