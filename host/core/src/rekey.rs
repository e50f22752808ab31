//! New key shares for those who hold the old ones: a rekey from its start to the new keys in force.
//! <https://developer.hashicorp.com/vault/api-docs/system/rekey>
//!
//! It lives in memory only, and ends with the barrier being sealed: nothing is stored before the new keys are in force.

use std::collections::BTreeMap;

use coffer_barrier::{Gathering, Given, InitConfig, KeyShare, NewKeys};
use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::keys::KEYS_BACKUP;
use crate::shares::{self, Holders, Purpose};
use crate::{Core, Error, stored};

/// What is wanted of the new keys.
#[derive(Clone)]
pub struct Wanted {
    pub config: InitConfig,
    pub holders: Holders,
    /// Whether the shares, encrypted, are kept for those who lose theirs.
    pub backup: bool,
    /// Whether they count only when enough of the new shares were given back.
    pub verify: bool,
}

/// Encrypted shares that a rekey has left, as they are stored.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    /// Of the rekey.
    pub nonce: String,
    /// In hexadecimal, by their holders' fingerprints.
    pub shares: BTreeMap<String, Vec<String>>,
}

/// A rekey under way.
pub struct Rekey {
    wanted: Wanted,
    begun: UnixMillis,
    given: Gathering,
    /// The keys that wait to be verified, and the new shares given for that.
    made: Option<(NewKeys, Gathering)>,
}

/// How far it is.
pub struct Progress {
    pub wanted: Wanted,
    pub nonce: String,
    pub progress: usize,
    /// The name of the verification, and how many new shares were given.
    pub verification: Option<(String, usize)>,
}

/// What came of a share.
pub enum Outcome {
    /// More are needed.
    Waiting,
    /// The new shares, in force unless a verification of this name is wanted.
    Made {
        shares: Vec<KeyShare>,
        verification: Option<String>,
    },
}

impl Rekey {
    fn progress(&self) -> Progress {
        Progress {
            wanted: self.wanted.clone(),
            nonce: self.given.nonce().to_owned(),
            progress: self.given.progress(),
            verification: self
                .made
                .as_ref()
                .map(|(_, given)| (given.nonce().to_owned(), given.progress())),
        }
    }
}

impl Core {
    /// How far a rekey is, if one is under way.
    pub(crate) fn rekey_progress(&self) -> Option<Progress> {
        self.rekey().as_ref().map(Rekey::progress)
    }

    /// Begins a rekey.
    pub(crate) fn begin_rekey(&self, wanted: Wanted) -> Result<Progress, Error> {
        let mut rekey = self.rekey();
        if rekey.is_some() {
            return Err(Error::invalid("rekey already in progress"));
        }
        let begun = Rekey {
            wanted,
            begun: self.clock.now(),
            given: Gathering::new(&self.random),
            made: None,
        };
        Ok(rekey.insert(begun).progress())
    }

    /// Forgets a rekey. Who may not do it as they like has to name it, unless it is old.
    pub(crate) fn cancel_rekey(&self, free: bool, nonce: &str) -> Result<(), Error> {
        let mut rekey = self.rekey();
        if let Some(rekey) = rekey.as_ref().filter(|_| !free) {
            shares::may_cancel(Purpose::Rekey, &rekey.given, nonce, rekey.begun, self)?;
        }
        *rekey = None;
        Ok(())
    }

    /// Gives an old share.
    pub(crate) async fn give_to_rekey(&self, nonce: &str, share: &[u8]) -> Result<Outcome, Error> {
        let enough = self.seal.status().await?.threshold;
        let (wanted, given) = {
            let mut rekey = self.rekey();
            let rekey = rekey.as_mut().ok_or_else(none)?;
            if let Some((_, verification)) = &rekey.made {
                return Err(Error::invalid(format!(
                    "rekey operation already finished; verification must be performed; nonce for the verification operation is {:?}",
                    verification.nonce()
                )));
            }
            match shares::give(Purpose::Rekey, &mut rekey.given, nonce, share, enough)? {
                Given::Enough(given) => (rekey.wanted.clone(), given),
                _ => return Ok(Outcome::Waiting),
            }
        };
        self.seal.check(&given).await.map_err(shares::refuse)?;
        let keys = self.seal.new_keys(wanted.config)?;
        let new = wanted.holders.hand_out(&keys.shares, &self.random)?;
        if wanted.backup {
            self.keep_shares(nonce, &wanted.holders, &new).await?;
        }
        if !wanted.verify {
            self.change_keys(|| self.seal.install(&keys)).await?;
            self.finish_rekey(nonce);
            return Ok(Outcome::Made {
                shares: new,
                verification: None,
            });
        }
        let mut rekey = self.rekey();
        // It may have been cancelled, or finished by others, meanwhile.
        let rekey = rekey
            .as_mut()
            .filter(|rekey| rekey.given.nonce() == nonce && rekey.made.is_none())
            .ok_or_else(none)?;
        let (_, verification) = rekey.made.insert((keys, Gathering::new(&self.random)));
        Ok(Outcome::Made {
            shares: new,
            verification: Some(verification.nonce().to_owned()),
        })
    }

    /// Gives a new share, to show that it has arrived. Returns whether the new keys are in force now.
    pub(crate) async fn verify_rekey(&self, nonce: &str, share: &[u8]) -> Result<bool, Error> {
        let (keys, old_nonce) = {
            let mut rekey = self.rekey();
            let rekey = rekey.as_mut().ok_or_else(none)?;
            let enough = rekey.wanted.config.threshold;
            let (keys, gathering) = rekey.made.as_mut().ok_or_else(not_verifying)?;
            let given = match shares::give(Purpose::Verify, gathering, nonce, share, enough)? {
                Given::Enough(given) => given,
                _ => return Ok(false),
            };
            keys.check(&given).map_err(shares::refuse)?;
            (keys.clone(), rekey.given.nonce().to_owned())
        };
        self.change_keys(|| self.seal.install(&keys)).await?;
        self.finish_rekey(&old_nonce);
        Ok(true)
    }

    /// Has the new shares be given from the first again, under a new name.
    pub(crate) fn restart_verification(&self) -> Result<(), Error> {
        let mut rekey = self.rekey();
        let rekey = rekey.as_mut().ok_or_else(none)?;
        if let Some((_, gathering)) = &mut rekey.made {
            *gathering = Gathering::new(&self.random);
        }
        Ok(())
    }

    /// Keeps encrypted shares, by their holders' fingerprints.
    async fn keep_shares(
        &self,
        nonce: &str,
        holders: &Holders,
        shares: &[KeyShare],
    ) -> Result<(), Error> {
        let mut kept = Kept {
            nonce: nonce.to_owned(),
            shares: BTreeMap::new(),
        };
        for (holder, share) in holders.0.iter().zip(shares) {
            let of_holder = kept.shares.entry(holder.fingerprint().to_owned());
            of_holder.or_default().push(hex::encode(&**share));
        }
        self.transact(|mut txn| {
            let saved = stored::save(&mut txn, KEYS_BACKUP, &kept);
            async move { saved.map(|()| ((), txn)) }
        })
        .await
    }

    fn finish_rekey(&self, nonce: &str) {
        tracing::info!("the key shares were replaced");
        let mut rekey = self.rekey();
        if rekey
            .as_ref()
            .is_some_and(|rekey| rekey.given.nonce() == nonce)
        {
            *rekey = None;
        }
    }
}

fn none() -> Error {
    Error::invalid("no barrier rekey in progress")
}

fn not_verifying() -> Error {
    Error::invalid("no rekey verification in progress")
}
