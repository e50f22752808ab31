//! The seal: who can open the barrier. Shamir's secret sharing of the key that wraps the root key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blahaj::{Share, Sharks};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keyring::{Key, KeyRing};
use crate::limits::MAX_SHARES;
use crate::{Barrier, BarrierError, Transaction};

const CONFIG: &str = "core/seal-config";
const ROOT_KEY: &str = "core/root-key";
const KEYRING: &str = "core/keyring";

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
}

/// How far unsealing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealStatus {
    /// Whether there is a barrier to open.
    pub initialized: bool,
    /// Whether it is closed.
    pub sealed: bool,
    /// Shares needed; 0 before init.
    pub threshold: u8,
    /// Shares made; 0 before init.
    pub shares: u8,
    /// Shares given so far.
    pub progress: usize,
    /// Names this attempt; empty when none is under way.
    pub nonce: String,
}

/// An unseal attempt: the shares given so far.
#[derive(Default)]
struct Attempt {
    nonce: String,
    shares: Vec<Zeroizing<Vec<u8>>>,
}

/// The seal of one barrier.
pub struct Seal {
    barrier: Arc<Barrier>,
    attempt: Mutex<Attempt>,
}

impl Seal {
    /// The seal of this barrier.
    pub fn new(barrier: Arc<Barrier>) -> Self {
        Self {
            barrier,
            attempt: Mutex::default(),
        }
    }

    fn attempt(&self) -> MutexGuard<'_, Attempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, BarrierError> {
        Ok(self
            .barrier
            .storage
            .snapshot()?
            .get(key)
            .await?
            .map(|entry| entry.value.to_vec()))
    }

    async fn config(&self) -> Result<Option<InitConfig>, BarrierError> {
        let corrupt = || BarrierError::Corrupt(CONFIG.to_owned());
        let Some(bytes) = self.stored(CONFIG).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| corrupt())
    }

    /// How far unsealing is.
    pub async fn status(&self) -> Result<SealStatus, BarrierError> {
        let config = self.config().await?;
        let attempt = self.attempt();
        Ok(SealStatus {
            initialized: config.is_some(),
            sealed: self.barrier.is_sealed(),
            threshold: config.map_or(0, |config| config.threshold),
            shares: config.map_or(0, |config| config.shares),
            progress: attempt.shares.len(),
            nonce: attempt.nonce.clone(),
        })
    }

    /// Makes the keys and stores, in one commit, everything that there is to begin with, `first`'s writes included.
    /// Returns the key shares. The barrier stays sealed.
    ///
    /// # Errors
    /// [`BarrierError::AlreadyInitialized`], also for the second of two at once.
    pub async fn init(
        &self,
        config: InitConfig,
        first: impl FnOnce(&mut Transaction) + Send,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, BarrierError> {
        if self.config().await?.is_some() {
            return Err(BarrierError::AlreadyInitialized);
        }
        let random = &self.barrier.random;
        let broken = || BarrierError::InvalidConfig("the keys could not be made".to_owned());
        let unseal_key = Key::random(random);
        let root_key = Key::random(random);
        let ring = Arc::new(KeyRing::generate(random).ok_or_else(broken)?);
        let wrapping = KeyRing::of_key(&unseal_key).ok_or_else(broken)?;
        let shares = split(config, &unseal_key);

        let wrapped_root = wrapping.seal(random, ROOT_KEY, root_key.bytes())?;
        let sealed_ring = KeyRing::of_key(&root_key).ok_or_else(broken)?.seal(
            random,
            KEYRING,
            &ring.encode().ok_or_else(broken)?,
        )?;
        // What nobody could open must not be stored.
        let enough: Vec<_> = shares
            .iter()
            .take(config.threshold.into())
            .cloned()
            .collect();
        let recombined = combine(config, &enough)?;
        let opened = open_ring(&recombined, &wrapped_root, &sealed_ring)?;

        let storage = self.barrier.storage.clone();
        let mut txn = Transaction::begin(storage, Arc::new(opened), random.clone())?;
        first(&mut txn);
        txn.require(CONFIG, None);
        let config = serde_json::to_vec(&config).map_err(|_| broken())?;
        txn.put_unsealed(CONFIG, config);
        txn.put_unsealed(ROOT_KEY, wrapped_root);
        txn.put_unsealed(KEYRING, sealed_ring);
        match txn.commit().await {
            Ok(_) => Ok(shares),
            Err(BarrierError::Conflict { .. }) => Err(BarrierError::AlreadyInitialized),
            Err(error) => Err(error),
        }
    }

    /// Gives one share. With the last that is needed the barrier opens. Giving the same share twice changes nothing.
    ///
    /// # Errors
    /// [`BarrierError::InvalidShares`] if what was given does not make the key; the attempt then starts anew.
    pub async fn unseal(&self, share: &[u8]) -> Result<SealStatus, BarrierError> {
        let config = self.config().await?.ok_or(BarrierError::NotInitialized)?;
        if !self.barrier.is_sealed() {
            return self.status().await;
        }
        check_length(share)?;
        let given = {
            let mut attempt = self.attempt();
            if !attempt.shares.iter().any(|have| have.as_slice() == share) {
                if attempt.shares.is_empty() {
                    attempt.nonce = self.barrier.random.uuid();
                }
                attempt.shares.push(Zeroizing::new(share.to_vec()));
            }
            if attempt.shares.len() < usize::from(config.threshold) {
                None
            } else {
                Some(std::mem::take(&mut *attempt).shares)
            }
        };
        if let Some(shares) = given {
            let key = combine(config, &shares)?;
            let corrupt = |key: &str| BarrierError::Corrupt(key.to_owned());
            let root = self
                .stored(ROOT_KEY)
                .await?
                .ok_or_else(|| corrupt(ROOT_KEY))?;
            let ring = self
                .stored(KEYRING)
                .await?
                .ok_or_else(|| corrupt(KEYRING))?;
            self.barrier.open(Arc::new(open_ring(&key, &root, &ring)?));
        }
        self.status().await
    }

    /// Forgets the shares given so far.
    pub fn reset(&self) {
        *self.attempt() = Attempt::default();
    }

    /// Closes the barrier.
    pub fn seal(&self) {
        self.reset();
        self.barrier.close();
    }
}

fn split(config: InitConfig, key: &Key) -> Vec<Zeroizing<Vec<u8>>> {
    // One share is the key itself, as in Vault.
    if config.shares == 1 {
        return vec![Zeroizing::new(key.bytes().to_vec())];
    }
    let dealer = Sharks(config.threshold).dealer(key.bytes());
    dealer
        .take(config.shares.into())
        .map(|share| Zeroizing::new(Vec::from(&share)))
        .collect()
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

fn combine(config: InitConfig, shares: &[Zeroizing<Vec<u8>>]) -> Result<Key, BarrierError> {
    let invalid = |text: String| BarrierError::InvalidShares(text);
    let secret = match shares {
        [only] if config.shares == 1 => only.clone(),
        shares => {
            let parsed = shares
                .iter()
                .map(|share| Share::try_from(share.as_slice()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|reason| invalid(reason.to_string()))?;
            Zeroizing::new(
                Sharks(config.threshold)
                    .recover(&parsed)
                    .map_err(|reason| invalid(reason.to_string()))?,
            )
        }
    };
    Key::from_slice(&secret)
        .ok_or_else(|| invalid("the key shares have the wrong length".to_owned()))
}

fn open_ring(
    unseal_key: &Key,
    wrapped_root: &[u8],
    sealed_ring: &[u8],
) -> Result<KeyRing, BarrierError> {
    let corrupt = |key: &str| BarrierError::Corrupt(key.to_owned());
    let wrapping = KeyRing::of_key(unseal_key).ok_or_else(|| corrupt(ROOT_KEY))?;
    let root = wrapping.open(ROOT_KEY, wrapped_root).map_err(|_| {
        BarrierError::InvalidShares("the key shares do not fit this barrier".to_owned())
    })?;
    let root = Key::from_slice(&root).ok_or_else(|| corrupt(ROOT_KEY))?;
    let ring = KeyRing::of_key(&root)
        .ok_or_else(|| corrupt(KEYRING))?
        .open(KEYRING, sealed_ring)?;
    KeyRing::decode(&ring).ok_or_else(|| corrupt(KEYRING))
}
