//! `sys/wrapping`: what can be done with wrapped answers.
//! <https://developer.hashicorp.com/vault/api-docs/system/wrapping-unwrap>

use serde_json::json;
use zeroize::Zeroizing;

use crate::Error;
use crate::params::Params;
use crate::reply::Reply;
use crate::routes::Context;
use crate::token::Held;
use crate::wrapping::{self, Wrapped};
use crate::wrapping_jwt;

/// The token that is meant, and whether it is the caller's, whose use is counted already.
async fn token(c: &mut Context<'_>) -> Result<(Held, bool), Error> {
    let id = Zeroizing::new(c.params.text("token")?.unwrap_or_default());
    if id.is_empty() {
        let caller = c.caller.as_ref();
        let missing = || Error::invalid("missing \"token\" value in input");
        return Ok((caller.ok_or_else(missing)?.held.clone(), true));
    }
    let id = wrapping_jwt::token_in(c.txn, id).await?;
    let now = c.core.clock.now();
    let held = c.core.tokens.living(c.txn, c.ns, &id, now).await?;
    Ok((held.ok_or_else(wrapping::unknown)?, false))
}

/// `sys/wrapping/wrap`: what was sent, to be wrapped.
pub async fn wrap(c: &mut Context<'_>) -> Result<Reply, Error> {
    if wrapping::asked(c.request)?.is_none() {
        return Err(Error::invalid(
            "endpoint requires response wrapping to be used: send X-Vault-Wrap-TTL",
        ));
    }
    Ok(Reply::data(Params::of(c.request)?.into_map().into()))
}

/// `sys/wrapping/unwrap`: the answer, as it would have been.
pub async fn unwrap(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (held, used) = token(c).await?;
    let mut wrapped = Wrapped::open(c.core, c.txn, &held, used).await?;
    let response = std::mem::take(&mut *wrapped.response);
    Ok(Reply::text("application/json", response))
}

/// `sys/wrapping/rewrap`: the same answer, for another token and as long again.
pub async fn rewrap(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (held, used) = token(c).await?;
    let wrapped = Wrapped::open(c.core, c.txn, &held, used).await?;
    wrapped.seal(c.core, c.txn, c.ns, c.request).await
}

/// `sys/wrapping/lookup`: where the answer comes from and how long it is to be had. That is no use of the token.
pub async fn lookup(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (held, _) = token(c).await?;
    let info = wrapping::info(c.txn, &held).await?;
    let info = info.ok_or_else(wrapping::unknown)?;
    Ok(Reply::data(json!({
        "creation_ttl": info.creation_ttl,
        "creation_time": info.creation_time,
        "creation_path": info.creation_path,
    })))
}
