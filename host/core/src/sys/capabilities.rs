//! What a token may do, and why.

use std::sync::Arc;

use serde_json::{Map, json};
use zeroize::Zeroizing;

use crate::Error;
use crate::policy::{Access, Acl, Capability};
use crate::reply::Reply;
use crate::routes::Context;
use crate::token::{self, Held};

/// `sys/capabilities-self`.
pub async fn of_self(c: &mut Context<'_>) -> Result<Reply, Error> {
    let acl = c.caller()?.acl.clone();
    answer(c, &acl)
}

/// `sys/capabilities`: of the token that is given.
pub async fn of_token(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = Zeroizing::new(c.params.text("token")?.unwrap_or_default());
    if id.is_empty() {
        return Err(Error::invalid("missing token"));
    }
    let now = c.core.clock.now();
    let held = c.core.tokens.living(c.txn, c.ns, &id, now).await?;
    let acl = acl_of(c, held).await?;
    answer(c, &acl)
}

/// `sys/capabilities-accessor`: of the token with the accessor that is given.
pub async fn of_accessor(c: &mut Context<'_>) -> Result<Reply, Error> {
    let held = token::by_accessor(c).await?;
    let acl = acl_of(c, held).await?;
    answer(c, &acl)
}

async fn acl_of(c: &mut Context<'_>, held: Option<Held>) -> Result<Arc<Acl>, Error> {
    let held = held.ok_or_else(|| Error::invalid("invalid token"))?;
    let (entry, slot) = (&held.token.entry, &held.token.acl);
    let identity = c.core.holder(c.txn, entry).await?;
    let acl = c.core.policies.acl(c.txn, entry, identity.as_deref(), slot);
    acl.await
}

fn answer(c: &Context<'_>, acl: &Acl) -> Result<Reply, Error> {
    let paths = match c.params.list("paths")? {
        Some(paths) if !paths.is_empty() => paths,
        _ => c.params.list("path")?.unwrap_or_default(),
    };
    let Some(first) = paths.first() else {
        return Err(Error::invalid("paths must be supplied"));
    };
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
            let now = c.core.clock.now();
            let held = c.core.tokens.living(c.txn, c.ns, &id, now).await?;
            acl_of(c, held).await?
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
