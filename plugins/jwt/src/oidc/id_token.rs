//! The token that says who has logged in (OpenID Connect Core 1.0, 3.1.3.7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_jwt::{Algorithm, Claims, check_audience, check_issuer, check_times};
use coffer_sdk::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::provider::{Party, Tokens};
use crate::login::{check_subject, signed};
use crate::role::Role;

/// By how much clocks may differ where a role does not say, in seconds.
const CLOCK_SKEW: i64 = 60;

/// What the provider claims of whoever has logged in, if it does, now and to us. `nonce` is what the login began with; None where
/// it cannot have any.
pub(crate) fn claims(
    party: &Party,
    role: &Role,
    tokens: &Tokens,
    nonce: Option<&str>,
) -> Result<Claims> {
    let wrong = |error: Error| Error {
        message: format!("Token verification failed. {}", error.message),
        ..error
    };
    let Some(text) = tokens.id_token.as_deref() else {
        return Err(wrong(Error::invalid("No id_token found in response.")));
    };
    verified(party, role, text, tokens.access_token.as_deref(), nonce).map_err(wrong)
}

fn verified(
    party: &Party,
    role: &Role,
    text: &str,
    access_token: Option<&str>,
    nonce: Option<&str>,
) -> Result<Claims> {
    let (mut claims, algorithm) = signed(&party.config, text)?;
    check_issuer(&claims, &party.provider.issuer)?;
    check_audience(&claims, std::slice::from_ref(&party.client.id))?;
    if !role.bound_audiences.is_empty() {
        check_audience(&claims, &role.bound_audiences)?;
    }
    check_party(&claims, &party.client.id)?;
    for time in ["exp", "iat"] {
        if claims.get(time).is_none_or(Value::is_null) {
            return Err(Error::invalid(format!("the token has no {time}")));
        }
    }
    check_times(&claims, role.leeway())?;
    check_age(&claims, role)?;
    check_subject(role, &claims)?;
    if let Some(nonce) = nonce
        && claims.get("nonce").and_then(Value::as_str) != Some(nonce)
    {
        return Err(Error::invalid("Invalid ID token nonce."));
    }
    claims.remove("nonce");
    check_access_token(&claims, algorithm, access_token)?;
    Ok(claims)
}

/// Who asked for the token must be us, if it is said.
fn check_party(claims: &Claims, client: &str) -> Result<()> {
    match claims.get("azp") {
        None | Some(Value::Null) => Ok(()),
        Some(party) if party.as_str() == Some(client) => Ok(()),
        Some(_) => Err(Error::invalid(
            "invalid authorized party (azp) claim: the token was given to another client",
        )),
    }
}

/// Whether the login at the provider is as recent as the role wants it.
fn check_age(claims: &Claims, role: &Role) -> Result<()> {
    let Ok(max_age @ 1..) = i64::try_from(role.browser.max_age.0) else {
        return Ok(());
    };
    let Some(logged_in) = claims.get("auth_time").and_then(Value::as_f64) else {
        return Err(Error::invalid(
            "the token does not say when its owner logged in (auth_time), and the role has a max_age",
        ));
    };
    let skew = role.leeway().clock_skew.unwrap_or(CLOCK_SKEW).max(0);
    let now = clock::now() as f64 / 1000.0;
    if now > logged_in + max_age.saturating_add(skew) as f64 {
        return Err(Error::invalid(
            "the login at the provider (auth_time) is longer ago than the role's max_age",
        ));
    }
    Ok(())
}

/// Whether the access token is the one that came with this token, if that is said (OpenID Connect Core 1.0, 3.1.3.6).
fn check_access_token(
    claims: &Claims,
    algorithm: Algorithm,
    access_token: Option<&str>,
) -> Result<()> {
    let (Some(said), Some(token)) = (claims.get("at_hash"), access_token) else {
        return Ok(());
    };
    let digest = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => Sha256::digest(token).to_vec(),
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(token).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::ES512 => Sha512::digest(token).to_vec(),
        // As Ed25519 hashes what it signs.
        Algorithm::EdDSA => Sha512::digest(token).to_vec(),
    };
    let half = digest.get(..digest.len() / 2).unwrap_or_default();
    if said.as_str() == Some(&URL_SAFE_NO_PAD.encode(half)) {
        return Ok(());
    }
    Err(Error::invalid(
        "the access token is not the one that the ID token came with (at_hash)",
    ))
}
