//! `sys/internal/counters`. <https://developer.hashicorp.com/vault/api-docs/system/internal-counters>

use serde_json::json;

use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, stored};

/// How many service tokens there are.
pub async fn tokens(c: &mut Context<'_>) -> Result<Reply, Error> {
    let total = stored::count(c.txn, &Ns(c.ns).token("")).await?;
    Ok(Reply::data(
        json!({ "counters": { "service_tokens": { "total": total } } }),
    ))
}

/// How many entities there are.
pub async fn entities(c: &mut Context<'_>) -> Result<Reply, Error> {
    let total = stored::count(c.txn, &Ns(c.ns).entity("")).await?;
    Ok(Reply::data(
        json!({ "counters": { "entities": { "total": total } } }),
    ))
}

/// Vault has these no more.
pub async fn requests(_: &mut Context<'_>) -> Result<Reply, Error> {
    Err(Error::NotFound(
        "The functionality has been removed on this path".to_owned(),
    ))
}
