//! `sys/generate-root` and, for those with a token, `sys/generate-root-token`.
//! <https://developer.hashicorp.com/vault/api-docs/system/generate-root>

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Error;
use crate::pgp::Recipient;
use crate::reply::Reply;
use crate::root_generation::{self, Progress, Veil};
use crate::routes::Context;
use crate::shares;

async fn status(c: &Context<'_>, progress: Option<Progress>) -> Result<Value, Error> {
    let required = c.core.seal_status().await?.threshold;
    let started = progress.is_some();
    let progress = progress.unwrap_or_default();
    Ok(json!({
        "nonce": progress.nonce,
        "started": started,
        "progress": progress.progress,
        "required": required,
        "complete": false,
        "encoded_token": "",
        "encoded_root_token": "",
        "pgp_fingerprint": progress.fingerprint,
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
    let text = |name| Ok::<_, Error>(c.params.text(name)?.filter(|text| !text.is_empty()));
    let (otp, key) = (text("otp")?, text("pgp_key")?);
    let (veil, made) = match (otp, key) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("give otp or pgp_key, not both"));
        }
        (None, Some(key)) => (Veil::Pgp(Recipient::parse(&key, &c.core.random)?), None),
        (Some(otp), None) => (Veil::Otp(Zeroizing::new(otp)), None),
        (None, None) => {
            let otp = c.core.new_otp();
            (Veil::Otp(otp.clone()), Some(otp))
        }
    };
    let progress = c.core.begin_root_generation(veil)?;
    let mut status = status(c, Some(progress)).await?;
    if let Some(otp) = made {
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
    let before = c.core.root_generation_progress().unwrap_or_default();
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
        "pgp_fingerprint": before.fingerprint,
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
