//! Wrapping tokens as JWTs (RFC 7519), for whoever asks with `X-Vault-Wrap-Format: jwt`: they say where they are from and
//! until when they are good. The paths of `sys/wrapping` take them for the token that is in them.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use coffer_barrier::Transaction;
use coffer_clock::{Random, UnixMillis};
use p521::ecdsa::signature::{RandomizedSigner, Verifier};
use p521::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keys::WRAPPING_KEY;
use crate::source::Source;
use crate::{Core, Error, Request};

/// ECDSA on P-521 with SHA-512 (RFC 7518), which is what Vault signs them with.
#[derive(Serialize, Deserialize, PartialEq)]
struct Header {
    alg: String,
    typ: String,
}

impl Header {
    fn ours() -> Self {
        Self {
            alg: "ES512".to_owned(),
            typ: "JWT".to_owned(),
        }
    }
}

const KIND: &str = "wrapping";
/// For clients whose clock is behind, in seconds.
const LEEWAY: u64 = 5;

/// What such a token says. Times in seconds.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// Of the wrapped login, if it is one.
    accessor: String,
    /// Where to unwrap it.
    addr: String,
    exp: u64,
    iat: u64,
    /// The token.
    jti: String,
    nbf: u64,
    #[serde(rename = "type")]
    kind: String,
}

/// A wrapping token to be made a JWT of.
pub struct Wrapping<'a> {
    pub token: &'a str,
    /// Of the wrapped login; empty if it is none.
    pub accessor: &'a str,
    pub now: UnixMillis,
    /// In seconds.
    pub ttl: u64,
}

/// Whether a request wants its wrapping token so.
pub fn is_asked(request: &Request) -> bool {
    let format = request.headers.get("x-vault-wrap-format");
    format.is_some_and(|format| format == "jwt")
}

/// Whether this may be one: no other token has two dots.
fn is_like_one(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2 && token.starts_with("eyJ")
}

impl Wrapping<'_> {
    /// The token as a JWT.
    ///
    /// # Errors
    /// If what it is to be signed with cannot be read.
    pub async fn signed(
        &self,
        core: &Core,
        txn: &mut Transaction,
    ) -> Result<Zeroizing<String>, Error> {
        let key = match key(txn).await? {
            Some(key) => key,
            None => {
                let key = SigningKey::random(&mut Source(&core.random));
                let bytes = Zeroizing::new(key.to_bytes());
                txn.put(WRAPPING_KEY, bytes.to_vec());
                key
            }
        };
        let issued = self.now.0 / 1000;
        let claims = Claims {
            accessor: self.accessor.to_owned(),
            addr: core.config.api_addr.clone(),
            exp: issued + self.ttl,
            iat: issued,
            jti: self.token.to_owned(),
            nbf: issued.saturating_sub(LEEWAY),
            kind: KIND.to_owned(),
        };
        sign(&key, &claims, &core.random)
    }
}

/// The token in one that we have signed; any other, as it is.
///
/// # Errors
/// If what it was signed with cannot be read.
pub async fn token_in(
    txn: &mut Transaction,
    token: Zeroizing<String>,
) -> Result<Zeroizing<String>, Error> {
    if !is_like_one(&token) {
        return Ok(token);
    }
    let key = key(txn).await?;
    let inner = key.and_then(|key| open(&VerifyingKey::from(&key), &token));
    Ok(inner.unwrap_or(token))
}

/// The token that one says it stands for, whoever signed it; any other, as it is.
pub fn said_in(token: &str) -> Cow<'_, str> {
    let claims = token.split('.').nth(1).filter(|_| is_like_one(token));
    match claims.and_then(read::<Claims>) {
        Some(claims) => claims.jti.into(),
        None => token.into(),
    }
}

impl Core {
    /// Has a request to `sys/wrapping` be made with the token in the JWT that it came with.
    pub(crate) async fn unwrap_caller(&self, request: &mut Request) -> Result<(), Error> {
        if !request.path.starts_with("sys/wrapping/") {
            return Ok(());
        }
        if let Some(token) = request.token.take_if(|token| is_like_one(token)) {
            request.token = Some(token_in(&mut self.barrier.begin()?, token).await?);
        }
        Ok(())
    }
}

async fn key(txn: &mut Transaction) -> Result<Option<SigningKey>, Error> {
    let Some(bytes) = txn.get(WRAPPING_KEY).await? else {
        return Ok(None);
    };
    SigningKey::from_slice(&bytes)
        .map(Some)
        .map_err(|_| Error::Corrupt(WRAPPING_KEY.to_owned()))
}

fn sign(key: &SigningKey, claims: &Claims, random: &Random) -> Result<Zeroizing<String>, Error> {
    let broken = |_| Error::Corrupt(WRAPPING_KEY.to_owned());
    let header = serde_json::to_vec(&Header::ours()).map_err(broken)?;
    let claims = Zeroizing::new(serde_json::to_vec(claims).map_err(broken)?);
    let mut text = Zeroizing::new(BASE64URL.encode(header));
    text.push('.');
    BASE64URL.encode_string(&*claims, &mut text);
    let signature: Signature = key.sign_with_rng(&mut Source(random), text.as_bytes());
    text.push('.');
    BASE64URL.encode_string(signature.to_bytes(), &mut text);
    Ok(text)
}

fn open(key: &VerifyingKey, text: &str) -> Option<Zeroizing<String>> {
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let signature = Signature::from_slice(&BASE64URL.decode(signature).ok()?).ok()?;
    let header: Header = read(header)?;
    if header != Header::ours() || key.verify(signed.as_bytes(), &signature).is_err() {
        return None;
    }
    let claims: Claims = read(claims)?;
    (claims.kind == KIND).then(|| Zeroizing::new(claims.jti))
}

/// What a part of a JWT says.
fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    let json = Zeroizing::new(BASE64URL.decode(part).ok()?);
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn claims(kind: &str) -> Claims {
        Claims {
            accessor: String::new(),
            addr: "https://here".to_owned(),
            exp: 2,
            iat: 1,
            jti: "hvs.x".to_owned(),
            nbf: 1,
            kind: kind.to_owned(),
        }
    }

    #[test]
    fn only_what_was_signed_opens() {
        let random = Random::seeded(1);
        let key = SigningKey::random(&mut Source(&random));
        let public = VerifyingKey::from(&key);
        let text = sign(&key, &claims(KIND), &random).unwrap();
        assert!(is_like_one(&text));
        assert_eq!(open(&public, &text).unwrap().as_str(), "hvs.x");
        // Every part counts, and every character of it.
        for at in (0..text.len()).step_by(7) {
            let other = if text.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            let mut changed = text.to_string();
            changed.replace_range(at..=at, other);
            assert_eq!(open(&public, &changed), None, "{at}");
        }
        let (signed, _) = text.rsplit_once('.').unwrap();
        let none = BASE64URL.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let payload = signed.split_once('.').unwrap().1;
        for forged in [
            format!("{none}.{payload}."),
            format!("{signed}."),
            format!("{}.x", *text),
        ] {
            assert_eq!(open(&public, &forged), None);
        }
        let stranger = SigningKey::random(&mut Source(&random));
        assert_eq!(open(&VerifyingKey::from(&stranger), &text), None);
        let other = sign(&key, &claims("login"), &random).unwrap();
        assert_eq!(open(&public, &other), None);
    }
}
