//! `sys/rekey` and, for those with a token, `sys/rotate/root`: new key shares.
//! <https://developer.hashicorp.com/vault/api-docs/system/rekey>

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use coffer_barrier::InitConfig;
use serde_json::{Value, json};

use crate::Error;
use crate::keys::KEYS_BACKUP;
use crate::rekey::{Kept, Outcome, Progress, Wanted};
use crate::reply::Reply;
use crate::routes::Context;
use crate::shares::{self, Holders};
use crate::stored;

/// How far it is, in the words of the paths that begin it.
async fn status(c: &Context<'_>, progress: Option<Progress>) -> Result<Value, Error> {
    let required = c.core.seal_status().await?.threshold;
    let Some(progress) = progress else {
        return Ok(json!({
            "nonce": "", "started": false, "t": 0, "n": 0, "progress": 0, "required": required,
            "pgp_fingerprints": null, "backup": false, "verification_required": false,
        }));
    };
    let mut status = json!({
        "nonce": progress.nonce,
        "started": true,
        "t": progress.wanted.config.threshold,
        "n": progress.wanted.config.shares,
        "progress": progress.progress,
        "required": required,
        "pgp_fingerprints": progress.wanted.holders.fingerprints(),
        "backup": progress.wanted.backup,
        "verification_required": progress.wanted.verify,
    });
    if let (Some((nonce, _)), Value::Object(status)) = (progress.verification, &mut status) {
        status.insert("verification_nonce".to_owned(), nonce.into());
    }
    Ok(status)
}

/// How far a rekey is.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let progress = c.core.rekey_progress();
    Ok(Reply::flat(status(c, progress).await?))
}

/// Begins one.
pub async fn begin(c: &mut Context<'_>) -> Result<Reply, Error> {
    let params = &c.params;
    let keys = params.list("pgp_keys")?.unwrap_or_default();
    let backup = params.boolean("backup")?.unwrap_or(false);
    if backup && keys.is_empty() {
        return Err(Error::invalid(
            "cannot request a backup of the new keys without providing PGP keys for encryption",
        ));
    }
    let number = |name| Ok::<_, Error>(params.number(name)?.unwrap_or(0));
    let config = InitConfig::new(number("secret_shares")?, number("secret_threshold")?);
    let config = config.map_err(shares::refuse)?;
    let wanted = Wanted {
        config,
        holders: Holders::new(&keys, config.shares, &c.core.random)?,
        backup,
        verify: params.boolean("require_verification")?.unwrap_or(false),
    };
    let progress = c.core.begin_rekey(wanted)?;
    Ok(Reply::flat(status(c, Some(progress)).await?))
}

/// Forgets one, and whatever keys it has made.
pub async fn cancel(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.core.cancel_rekey(c.may_always(), &c.nonce()?)?;
    Ok(Reply::empty())
}

/// Takes an old share.
pub async fn update(c: &mut Context<'_>) -> Result<Reply, Error> {
    let share = shares::share(&c.params)?;
    let nonce = c.nonce()?;
    let wanted = c.core.rekey_progress().map(|progress| progress.wanted);
    let (shares, verification) = match c.core.give_to_rekey(&nonce, &share).await? {
        Outcome::Waiting => {
            let progress = c.core.rekey_progress();
            return Ok(Reply::flat(status(c, progress).await?));
        }
        Outcome::Made {
            shares,
            verification,
        } => (shares, verification),
    };
    let mut made = json!({
        "nonce": nonce,
        "complete": true,
        "keys": shares.iter().map(|share| hex::encode(&**share)).collect::<Vec<_>>(),
        "keys_base64": shares.iter().map(|share| BASE64_STANDARD.encode(&**share)).collect::<Vec<_>>(),
        "pgp_fingerprints": wanted.as_ref().map(|wanted| wanted.holders.fingerprints()),
        "backup": wanted.is_some_and(|wanted| wanted.backup),
        "verification_required": verification.is_some(),
    });
    if let (Some(nonce), Value::Object(made)) = (verification, &mut made) {
        made.insert("verification_nonce".to_owned(), nonce.into());
    }
    Ok(Reply::flat(made))
}

fn verification(c: &Context<'_>) -> Result<Value, Error> {
    let none = || Error::invalid("no rekey configuration found");
    let progress = c.core.rekey_progress().ok_or_else(none)?;
    let started = progress.verification.is_some();
    let (nonce, given) = progress.verification.unwrap_or_default();
    Ok(json!({
        "nonce": nonce,
        "started": started,
        "t": progress.wanted.config.threshold,
        "n": progress.wanted.config.shares,
        "progress": given,
    }))
}

/// How far the verification of the new shares is.
pub async fn read_verification(c: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::flat(verification(c)?))
}

/// Begins the verification anew.
pub async fn cancel_verification(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.core.restart_verification()?;
    Ok(Reply::flat(verification(c)?))
}

/// Takes a new share.
pub async fn verify(c: &mut Context<'_>) -> Result<Reply, Error> {
    let share = shares::share(&c.params)?;
    let nonce = c.nonce()?;
    if c.core.verify_rekey(&nonce, &share).await? {
        return Ok(Reply::flat(json!({ "nonce": nonce, "complete": true })));
    }
    Ok(Reply::flat(verification(c)?))
}

/// The encrypted shares that a rekey has left, for those who lose theirs.
pub async fn backup(c: &mut Context<'_>) -> Result<Reply, Error> {
    let kept: Option<Kept> = stored::load(c.txn, KEYS_BACKUP).await?;
    let kept = kept.ok_or_else(|| Error::invalid("no backed-up keys found"))?;
    let in_base64 = |share: &String| BASE64_STANDARD.encode(hex::decode(share).unwrap_or_default());
    let base64: BTreeMap<_, Vec<_>> = kept
        .shares
        .iter()
        .map(|(fingerprint, shares)| (fingerprint, shares.iter().map(in_base64).collect()))
        .collect();
    Ok(Reply::flat(
        json!({ "nonce": kept.nonce, "keys": kept.shares, "keys_base64": base64 }),
    ))
}

/// Forgets them.
pub async fn forget_backup(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.txn.delete(KEYS_BACKUP);
    Ok(Reply::empty())
}

/// Of recovery keys there are none.
pub async fn no_backup(_: &mut Context<'_>) -> Result<Reply, Error> {
    Err(Error::invalid("no backed-up keys found"))
}

/// Recovery keys belong to seals that open by themselves.
pub async fn no_recovery(_: &mut Context<'_>) -> Result<Reply, Error> {
    Err(Error::invalid("recovery keys not supported"))
}
