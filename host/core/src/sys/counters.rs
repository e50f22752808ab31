//! `sys/internal/counters`. <https://developer.hashicorp.com/vault/api-docs/system/internal-counters>

use serde_json::json;

use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, limits};

/// How many service tokens there are.
pub async fn tokens(c: &mut Context<'_>) -> Result<Reply, Error> {
    let prefix = Ns(c.ns).token("");
    let (mut total, mut after) = (0, None::<String>);
    loop {
        let page = c
            .txn
            .list(&prefix, after.as_deref(), limits::COUNT_PAGE)
            .await?;
        total += page.len();
        if page.len() < limits::COUNT_PAGE {
            break;
        }
        after = page.last().cloned();
    }
    Ok(Reply::data(
        json!({ "counters": { "service_tokens": { "total": total } } }),
    ))
}

/// How many entities there are: none, as nothing makes them yet.
pub async fn entities(_: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::data(
        json!({ "counters": { "entities": { "total": 0 } } }),
    ))
}

/// Vault has these no more.
pub async fn requests(_: &mut Context<'_>) -> Result<Reply, Error> {
    Err(Error::NotFound(
        "The functionality has been removed on this path".to_owned(),
    ))
}
