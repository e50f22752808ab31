//! What everything that key holders do together has in common: giving shares one by one, towards something that has a name.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_barrier::{BarrierError, Gathering, Given, KeyShare};
use coffer_clock::{Random, UnixMillis};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::params::Params;
use crate::pgp::Recipient;
use crate::{Core, Error, limits};

/// What shares are given for.
#[derive(Clone, Copy)]
pub enum Purpose {
    Rekey,
    Verify,
    GenerateRoot,
}

impl Purpose {
    /// In Vault's words: the operation whose nonce it is, and the one that a share was given in.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Rekey => ("rekey", "rekey"),
            Self::Verify => ("verify", "verify"),
            Self::GenerateRoot => ("root generation", "generation"),
        }
    }
}

/// The share in a request, in hexadecimal or base64.
pub fn share(params: &Params) -> Result<Zeroizing<Vec<u8>>, Error> {
    let key = Zeroizing::new(params.text("key")?.unwrap_or_default());
    if key.is_empty() {
        return Err(Error::invalid(
            "'key' must be specified in request body as JSON",
        ));
    }
    let share = hex::decode(key.as_str())
        .ok()
        .or_else(|| BASE64.decode(key.as_str()).ok());
    share
        .map(Zeroizing::new)
        .ok_or_else(|| Error::invalid("'key' must be a valid hex or base64 string"))
}

/// Who gets shares: nobody in particular, or each somebody with a PGP key.
#[derive(Clone, Default)]
pub struct Holders(pub Arc<[Recipient]>);

impl Holders {
    /// As many as there are shares, if any.
    pub fn new(keys: &[String], shares: u8, random: &Random) -> Result<Self, Error> {
        if !keys.is_empty() && keys.len() != usize::from(shares) {
            return Err(Error::invalid(format!(
                "incorrect number of PGP keys for key shares: {} keys and {shares} shares",
                keys.len()
            )));
        }
        Recipient::parse_all(keys, random).map(Self)
    }

    /// The keys' fingerprints; null if there are none.
    pub fn fingerprints(&self) -> Value {
        match self.0.is_empty() {
            true => Value::Null,
            false => self.0.iter().map(Recipient::fingerprint).collect(),
        }
    }

    /// What is handed out: the shares themselves, or each in hexadecimal encrypted to its holder.
    pub fn hand_out(&self, shares: &[KeyShare], random: &Random) -> Result<Vec<KeyShare>, Error> {
        if self.0.is_empty() {
            return Ok(shares.to_vec());
        }
        let encrypted = self.0.iter().zip(shares).map(|(holder, share)| {
            let text = Zeroizing::new(hex::encode(&**share));
            holder.encrypt(text.as_bytes(), random).map(Zeroizing::new)
        });
        encrypted.collect()
    }
}

/// Gives a share towards what the nonce names.
pub fn give(
    purpose: Purpose,
    gathering: &mut Gathering,
    nonce: &str,
    share: &[u8],
    enough: u8,
) -> Result<Given, Error> {
    check_nonce(purpose, gathering, nonce)?;
    match gathering.give(share, enough).map_err(refuse)? {
        Given::Again => Err(Error::invalid(format!(
            "given key has already been provided during this {} operation",
            purpose.words().1
        ))),
        given => Ok(given),
    }
}

fn check_nonce(purpose: Purpose, gathering: &Gathering, nonce: &str) -> Result<(), Error> {
    if nonce == gathering.nonce() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "incorrect nonce supplied; nonce for this {} operation is {:?}",
        purpose.words().0,
        gathering.nonce()
    )))
}

/// Whether somebody without a token may cancel it: who knows what it is called, as Vault has had it since CVE-2025-4656. One
/// that nobody finishes is not to stand in the way for ever either.
pub fn may_cancel(
    purpose: Purpose,
    gathering: &Gathering,
    nonce: &str,
    begun: UnixMillis,
    core: &Core,
) -> Result<(), Error> {
    if core.clock.now() >= begun.plus_seconds(limits::CANCEL_BY_NAME.as_secs()) {
        return Ok(());
    }
    if nonce == gathering.nonce() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "this {} began less than {} minutes ago: to cancel it give its nonce, or a token with sudo on this path",
        purpose.words().0,
        limits::CANCEL_BY_NAME.as_secs() / 60
    )))
}

/// Key holders' mistakes are 400s.
pub fn refuse(error: BarrierError) -> Error {
    match error {
        BarrierError::AlreadyInitialized
        | BarrierError::NotInitialized
        | BarrierError::InvalidConfig(_)
        | BarrierError::InvalidShares(_) => Error::invalid(error.to_string()),
        other => other.into(),
    }
}
