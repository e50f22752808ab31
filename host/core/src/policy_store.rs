//! Policies in storage, compiled in memory, and merged for the tokens that have them.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use coffer_barrier::{Barrier, Cache, Transaction};
use coffer_clock::UnixMillis;
use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::keys::{self, Ns};
use crate::policy::{Acl, Policy, Subject};
use crate::token::TokenEntry;
use crate::{Error, limits};

/// What is stored of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredPolicy {
    pub text: String,
    pub version: u64,
    pub modified: UnixMillis,
}

/// An ACL, and the state of all policies that it was made from.
type Versioned = (u64, Arc<Acl>);

/// Where a token keeps its ACL.
#[derive(Default)]
pub struct AclSlot(ArcSwapOption<Versioned>);

/// The policy store.
pub struct Policies {
    compiled: Cache<Policy>,
    /// Tokens with the same policies share their ACL.
    merged: Mutex<LruCache<String, Versioned>>,
    /// Counts the changes of any policy.
    generation: Arc<AtomicU64>,
}

impl Policies {
    pub fn new(barrier: &Barrier) -> Self {
        let compiled = barrier.cache(keys::is_policy, limits::CACHED_POLICIES);
        let generation = Arc::new(AtomicU64::new(0));
        let counter = generation.clone();
        barrier.storage().subscribe(Arc::new(move |change| {
            if change.keys().any(keys::is_policy) {
                counter.fetch_add(1, Ordering::AcqRel);
            }
        }));
        let capacity = NonZeroUsize::new(limits::CACHED_ACLS).unwrap_or(NonZeroUsize::MIN);
        Self {
            compiled,
            merged: Mutex::new(LruCache::new(capacity)),
            generation,
        }
    }

    pub fn seal(&self) {
        self.compiled.clear();
        self.merged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// What is stored under this name.
    pub async fn load(
        txn: &mut Transaction,
        ns: &str,
        name: &str,
    ) -> Result<Option<StoredPolicy>, Error> {
        let key = Ns(ns).policy(name);
        let Some(value) = txn.get(&key).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&value)
            .map(Some)
            .map_err(|_| Error::Corrupt(key))
    }

    async fn compiled(
        &self,
        txn: &mut Transaction,
        ns: &str,
        name: &str,
    ) -> Result<Option<Arc<Policy>>, Error> {
        let key = Ns(ns).policy(name);
        if let Some((_, policy)) = self.compiled.get(&key) {
            return Ok(Some(policy));
        }
        let Some((version, value)) = txn.get_versioned(&key).await? else {
            return Ok(None);
        };
        let stored: StoredPolicy =
            serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.clone()))?;
        let policy =
            Arc::new(Policy::parse(name, &stored.text).map_err(|_| Error::Corrupt(key.clone()))?);
        self.compiled
            .insert(&key, txn.index(), version, policy.clone());
        Ok(Some(policy))
    }

    /// What a token may do now.
    pub async fn acl(
        &self,
        txn: &mut Transaction,
        entry: &TokenEntry,
        slot: &AclSlot,
    ) -> Result<Arc<Acl>, Error> {
        // Read before the policies are: a change in between makes this ACL stale, not the next one wrong.
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(have) = &*slot.0.load()
            && have.0 == generation
        {
            return Ok(have.1.clone());
        }
        let key = format!("{}\n{}", entry.ns, entry.policies.join("\n"));
        let merged = self
            .merged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        let acl = match merged.filter(|have| have.0 == generation) {
            Some((_, acl)) => acl,
            None => self.merge(txn, entry, generation, key).await?,
        };
        slot.0.store(Some(Arc::new((generation, acl.clone()))));
        Ok(acl)
    }

    async fn merge(
        &self,
        txn: &mut Transaction,
        entry: &TokenEntry,
        generation: u64,
        key: String,
    ) -> Result<Arc<Acl>, Error> {
        let mut policies = Vec::with_capacity(entry.policies.len());
        for name in &entry.policies {
            policies.extend(self.compiled(txn, &entry.ns, name).await?);
        }
        let acl = Arc::new(Acl::new(
            &policies,
            entry.is_root(),
            Subject {
                alias: entry.alias.as_ref(),
            },
        ));
        // A template makes the ACL this token's own.
        if !policies.iter().any(|policy| policy.templated) {
            self.merged
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put(key, (generation, acl.clone()));
        }
        Ok(acl)
    }
}
