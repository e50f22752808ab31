//! `sys/generate-root` and, for those with a token, `sys/generate-root-token`.
//! <https://developer.hashicorp.com/vault/api-docs/system/generate-root>

use serde_json::{Value, json};

use crate::Error;
use crate::reply::Reply;
use crate::root_generation::{self, Progress};
use crate::routes::Context;
use crate::shares;

async fn status(c: &Context<'_>, progress: Option<Progress>) -> Result<Value, Error> {
    let required = c.core.seal_status().await?.threshold;
    let started = progress.is_some();
    let (nonce, given) = progress.map_or_else(Default::default, |p| (p.nonce, p.progress));
    Ok(json!({
        "nonce": nonce,
        "started": started,
        "progress": given,
        "required": required,
        "complete": false,
        "encoded_token": "",
        "encoded_root_token": "",
        "pgp_fingerprint": "",
        "otp": "",
        "otp_length": c.core.otp_length(),
    }))
}

/// How far it is.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let progress = c.core.root_generation_progress();
    Ok(Reply::flat(status(c, progress).await?))
}

/// Begins it.
pub async fn begin(c: &mut Context<'_>) -> Result<Reply, Error> {
    if c.params.text("pgp_key")?.is_some_and(|key| !key.is_empty()) {
        return Err(Error::invalid(
            "pgp_key is not available; nothing was begun",
        ));
    }
    let given = c.params.text("otp")?.filter(|otp| !otp.is_empty());
    let made = given.is_none();
    let (progress, otp) = c.core.begin_root_generation(given)?;
    let mut status = status(c, Some(progress)).await?;
    if made {
        status["otp"] = otp.as_str().into();
    }
    Ok(Reply::flat(status))
}

/// Forgets it.
pub async fn cancel(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.core.cancel_root_generation(c.may_always(), &c.nonce()?)?;
    Ok(Reply::empty())
}

/// Takes a share.
pub async fn update(c: &mut Context<'_>) -> Result<Reply, Error> {
    let share = shares::share(&c.params)?;
    let nonce = c.nonce()?;
    let Some(encoded) = c.core.give_to_root_generation(&nonce, &share).await? else {
        let progress = c.core.root_generation_progress();
        return Ok(Reply::flat(status(c, progress).await?));
    };
    let required = c.core.seal_status().await?.threshold;
    Ok(Reply::flat(json!({
        "nonce": nonce,
        "started": true,
        "progress": required,
        "required": required,
        "complete": true,
        "encoded_token": encoded,
        "encoded_root_token": encoded,
        "pgp_fingerprint": "",
        "otp": "",
        "otp_length": 0,
    })))
}

/// A token out of what the last share gave and the one-time password.
pub async fn decode(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (encoded, otp) = (c.params.require("encoded_token")?, c.params.require("otp")?);
    let token = root_generation::decode(&encoded, &otp)?;
    Ok(Reply::data(json!({ "token": token.as_str() })))
}
