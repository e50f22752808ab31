//! What a token claims, and whether it is for us, and now.

use coffer_sdk::{Error, Result, clock};
use serde_json::{Map, Value};

/// What a token claims.
pub type Claims = Map<String, Value>;

/// By how much clocks may differ, in seconds; None takes what is usual, a negative number allows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leeway {
    /// For everything: 60.
    pub clock_skew: Option<i64>,
    /// How long a token is good for if it does not say: 150.
    pub expiration: Option<i64>,
    /// How long before it was issued it may be used if it does not say: 150.
    pub not_before: Option<i64>,
}

const CLOCK_SKEW: i64 = 60;
const UNSAID: i64 = 150;

fn leeway(given: Option<i64>, usual: i64) -> f64 {
    given.map_or(usual, |given| given.max(0)) as f64
}

/// A time in seconds since 1970 (RFC 7519, 2); 0 and nothing say none.
fn time(claims: &Claims, name: &str) -> Result<Option<f64>> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(time) if time.is_finite() && time >= 0.0 => {
                Ok(Some(time).filter(|time| *time > 0.0))
            }
            _ => Err(Error::invalid(format!("the token's {name} is no time"))),
        },
    }
}

/// Whether a token is good now. One of `exp`, `nbf` and `iat` it must say; what it does not say follows from the others.
///
/// # Errors
/// Invalid if it is not, with the reason.
pub fn check_times(claims: &Claims, leeways: Leeway) -> Result<()> {
    let now = clock::now() as f64 / 1000.0;
    let (expires, not_before, issued) = (
        time(claims, "exp")?,
        time(claims, "nbf")?,
        time(claims, "iat")?,
    );
    if expires.is_none() && not_before.is_none() && issued.is_none() {
        return Err(Error::invalid(
            "no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
        ));
    }
    let latest_start = issued.unwrap_or(0.0).max(not_before.unwrap_or(0.0));
    let expires = expires.unwrap_or_else(|| latest_start + leeway(leeways.expiration, UNSAID));
    let not_before = not_before
        .or_else(|| issued.or_else(|| Some(expires - leeway(leeways.not_before, UNSAID))));
    let skew = leeway(leeways.clock_skew, CLOCK_SKEW);
    if now > expires + skew {
        return Err(Error::invalid(
            "invalid expiration time (exp) claim: token is expired",
        ));
    }
    if now + skew < not_before.unwrap_or(0.0) {
        return Err(Error::invalid(
            "invalid not before (nbf) claim: token not yet valid",
        ));
    }
    if now + skew < issued.unwrap_or(0.0) {
        return Err(Error::invalid(
            "invalid issued at (iat) claim: token issued in the future",
        ));
    }
    Ok(())
}

/// Whether one of those for whom the token is (`aud`) is one of these; a token for nobody is for none of them.
///
/// # Errors
/// Invalid if it is not.
pub fn check_audience(claims: &Claims, bound: &[String]) -> Result<()> {
    let is_bound = |value: &Value| {
        value
            .as_str()
            .is_some_and(|audience| bound.iter().any(|bound| bound == audience))
    };
    let matches = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(is_bound),
        Some(one) => is_bound(one),
        None => false,
    };
    if matches {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid audience (aud) claim: audience claim does not match any bound audience",
    ))
}

/// Whether that is the issuer.
///
/// # Errors
/// Invalid if it is not.
pub fn check_issuer(claims: &Claims, issuer: &str) -> Result<()> {
    if claims.get("iss").and_then(Value::as_str) == Some(issuer) {
        return Ok(());
    }
    Err(Error::invalid("invalid issuer (iss) claim"))
}

/// Whether a text fits a pattern in which `*` stands for anything, also for nothing.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(end)
}
