//! The seal's key in the hands of people: Shamir's secret sharing, and gathering enough shares again.

use std::fmt;

use blahaj::{Share, Sharks};
use coffer_clock::Random;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::BarrierError;
use crate::keyring::Key;
use crate::limits::MAX_SHARES;

/// One share of a key.
pub type KeyShare = Zeroizing<Vec<u8>>;

/// How many shares to make, and how many of them open the barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitConfig {
    /// How many are handed out: 1 to 255.
    pub shares: u8,
    /// How many are needed: more than one, unless there is only one.
    pub threshold: u8,
}

impl InitConfig {
    /// Checks what a caller asked for, with Vault's words.
    pub fn new(shares: u64, threshold: u64) -> Result<Self, BarrierError> {
        let refuse = |text: &str| {
            Err(BarrierError::InvalidConfig(format!(
                "invalid seal configuration: {text}"
            )))
        };
        if shares == 0 {
            return refuse("shares must be at least one");
        }
        if threshold == 0 {
            return refuse("threshold must be at least one");
        }
        if shares > 1 && threshold == 1 {
            return refuse("threshold must be greater than one for multiple shares");
        }
        if shares > MAX_SHARES as u64 {
            return refuse("shares must be less than 256");
        }
        if threshold > shares {
            return refuse("threshold cannot be larger than shares");
        }
        match (u8::try_from(shares), u8::try_from(threshold)) {
            (Ok(shares), Ok(threshold)) => Ok(Self { shares, threshold }),
            _ => refuse("shares must be less than 256"),
        }
    }

    pub(crate) fn split(self, key: &Key) -> Vec<KeyShare> {
        // One share is the key itself, as in Vault.
        if self.shares == 1 {
            return vec![Zeroizing::new(key.bytes().to_vec())];
        }
        let dealer = Sharks(self.threshold).dealer(key.bytes());
        dealer
            .take(self.shares.into())
            .map(|share| Zeroizing::new(Vec::from(&share)))
            .collect()
    }

    pub(crate) fn combine(self, shares: &[KeyShare]) -> Result<Key, BarrierError> {
        let invalid = |text: String| BarrierError::InvalidShares(text);
        let secret = match shares {
            [only] if self.shares == 1 => only.clone(),
            shares => {
                let parsed = shares
                    .iter()
                    .map(|share| Share::try_from(share.as_slice()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|reason| invalid(reason.to_string()))?;
                Zeroizing::new(
                    Sharks(self.threshold)
                        .recover(&parsed)
                        .map_err(|reason| invalid(reason.to_string()))?,
                )
            }
        };
        Key::from_slice(&secret)
            .ok_or_else(|| invalid("the key shares have the wrong length".to_owned()))
    }
}

/// What became of a share that was given.
pub enum Given {
    /// There are not enough yet.
    More,
    /// It was given before, and changes nothing.
    Again,
    /// These are enough. The next one begins anew.
    Enough(Vec<KeyShare>),
}

/// The shares that people have given so far towards one purpose. They are wiped with it.
pub struct Gathering {
    nonce: String,
    shares: Vec<KeyShare>,
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering")
            .field("nonce", &self.nonce)
            .field("progress", &self.shares.len())
            .finish()
    }
}

impl Gathering {
    /// Of none so far, under a new name.
    pub fn new(random: &Random) -> Self {
        Self {
            nonce: random.uuid(),
            shares: Vec::new(),
        }
    }

    /// Its name: whoever gives a share says towards what.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// How many were given.
    pub fn progress(&self) -> usize {
        self.shares.len()
    }

    /// Takes one more share; `enough` are wanted.
    ///
    /// # Errors
    /// [`BarrierError::InvalidShares`] if it is too short or too long for one.
    pub fn give(&mut self, share: &[u8], enough: u8) -> Result<Given, BarrierError> {
        check_length(share)?;
        if self.shares.iter().any(|have| have.as_slice() == share) {
            return Ok(Given::Again);
        }
        self.shares.push(Zeroizing::new(share.to_vec()));
        Ok(if self.shares.len() < usize::from(enough) {
            Given::More
        } else {
            Given::Enough(std::mem::take(&mut self.shares))
        })
    }
}

/// A share is the key, or the key and its point.
fn check_length(share: &[u8]) -> Result<(), BarrierError> {
    let refuse = |text: &str| Err(BarrierError::InvalidShares(text.to_owned()));
    match share.len() {
        0..32 => refuse("key is shorter than minimum 32 bytes"),
        32..=33 => Ok(()),
        _ => refuse("key is longer than maximum 33 bytes"),
    }
}
