//! What a token may do, and why.

use serde_json::{Map, json};

use crate::Error;
use crate::policy::{Access, Capability};
use crate::reply::Reply;
use crate::routes::Context;

/// `sys/capabilities-self`.
pub async fn of_self(c: &mut Context<'_>) -> Result<Reply, Error> {
    let paths = match c.params.list("paths")? {
        Some(paths) if !paths.is_empty() => paths,
        _ => c.params.list("path")?.unwrap_or_default(),
    };
    let Some(first) = paths.first() else {
        return Err(Error::invalid("paths must be supplied"));
    };
    let acl = &c.caller()?.acl;
    let mut data = Map::new();
    for path in &paths {
        data.insert(path.clone(), json!(acl.capabilities(path)));
    }
    if paths.len() == 1 {
        data.insert("capabilities".to_owned(), json!(acl.capabilities(first)));
    }
    Ok(Reply::flat(data.into()))
}

/// `sys/policies/explain`, Coffer's own: the dry run of one access, with the rule that decides.
///
/// Takes `path`, `capability` and optionally `parameters`, `sudo`, and a `token` to ask for (the caller's otherwise).
pub async fn explain(c: &mut Context<'_>) -> Result<Reply, Error> {
    let path = c.params.require("path")?;
    let name = c.params.require("capability")?;
    let capability = Capability::parse(&name)
        .ok_or_else(|| Error::invalid(format!("invalid capability {name:?}")))?;
    let sudo = c.params.boolean("sudo")?.unwrap_or(false);
    let acl = match c.params.text("token")? {
        Some(id) => {
            let held = c
                .core
                .tokens
                .by_id(c.txn, c.ns, &id)
                .await?
                .ok_or_else(|| Error::invalid("token not found"))?;
            c.core
                .policies
                .acl(c.txn, &held.token.entry, &held.token.acl)
                .await?
        }
        None => c.caller()?.acl.clone(),
    };
    let parameters = c.params.object("parameters")?;
    let parameters = parameters.as_ref().map(crate::params::Params::map);
    let decision = acl.decide(&Access {
        path: &path,
        capability,
        sudo,
        parameters,
        wrap_ttl: None,
    });
    Ok(Reply::data(
        serde_json::to_value(decision).unwrap_or_default(),
    ))
}
