//! `sys/policies/acl` and its old form `sys/policy`.

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use serde_json::json;

use crate::keys::Ns;
use crate::policy::Policy;
use crate::policy_store::{Policies, StoredPolicy};
use crate::reply::Reply;
use crate::routes::Context;
use crate::time::rfc3339;
use crate::{Error, limits};

pub(super) fn store_policy(
    txn: &mut Transaction,
    ns: &str,
    name: &str,
    text: &str,
    version: u64,
    now: UnixMillis,
) {
    let stored = StoredPolicy {
        text: text.to_owned(),
        version,
        modified: now,
    };
    txn.put(
        Ns(ns).policy(name),
        serde_json::to_vec(&stored).unwrap_or_default(),
    );
}

fn name(c: &Context<'_>) -> Result<String, Error> {
    let name = c.params.require("name")?.to_lowercase();
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

pub async fn read(c: &mut Context<'_>, old: bool) -> Result<Reply, Error> {
    let name = name(c)?;
    let (text, version, modified) = if name == "root" {
        (String::new(), 0, None)
    } else {
        let stored = Policies::load(c.txn, c.ns, &name)
            .await?
            .ok_or(Error::Nothing)?;
        (stored.text, stored.version, Some(rfc3339(stored.modified)))
    };
    let field = if old { "rules" } else { "policy" };
    let data = json!({ "name": name, field: text, "version": version, "cas_required": false, "modified": modified });
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
    if name == "root" {
        return Err(Error::invalid("cannot update \"root\" policy"));
    }
    // Clients may send the text in base64.
    let text = match base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &given)
        .map(String::from_utf8)
    {
        Ok(Ok(decoded)) => decoded,
        _ => given,
    };
    Policy::parse(&name, &text).map_err(|error| Error::invalid(error.to_string()))?;
    let version = Policies::load(c.txn, c.ns, &name)
        .await?
        .map_or(0, |stored| stored.version)
        + 1;
    store_policy(c.txn, c.ns, &name, &text, version, c.core.clock.now());
    Ok(Reply::empty())
}

pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = name(c)?;
    match name.as_str() {
        "root" => Err(Error::invalid("cannot delete \"root\" policy")),
        "default" => Err(Error::invalid("cannot delete default policy")),
        _ => {
            c.txn.delete(Ns(c.ns).policy(&name));
            Ok(Reply::empty())
        }
    }
}
