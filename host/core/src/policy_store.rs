//! Policies in storage, compiled in memory, and merged for the tokens that have them.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use coffer_barrier::{Barrier, Cache, Transaction};
use coffer_clock::UnixMillis;
use coffer_storage::Index;
use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::identity::{View, together};
use crate::keys::{self, Ns};
use crate::policy::{Acl, Policy, Subject};
use crate::token::TokenEntry;
use crate::{Error, limits, stored, wrapping};

/// What is stored of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredPolicy {
    pub text: String,
    pub version: u64,
    /// Whether a change must name the version that it changes.
    #[serde(default)]
    pub cas_required: bool,
    pub modified: UnixMillis,
    /// When it ends: a job takes it away then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMillis>,
}

/// Policies by their names, in a namespace. They are kept apart: a name may have anything in it.
type Names = (String, Vec<String>);
/// The last change of any policy before an ACL was made, and the commits that wrote who holds the token.
type Made = (Index, Vec<Index>);

/// ACLs in memory by what they are made of, each with what it was made after.
struct Kept<K, M>(Mutex<LruCache<K, (M, Arc<Acl>)>>);

impl<K: Hash + Eq, M: PartialEq> Kept<K, M> {
    fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(capacity)))
    }

    fn get(&self, key: &K, made: &M) -> Option<Arc<Acl>> {
        let mut kept = self.lock();
        let (have, acl) = kept.get(key)?;
        (have == made).then(|| acl.clone())
    }

    fn put(&self, key: K, made: M, acl: &Arc<Acl>) {
        self.lock().put(key, (made, acl.clone()));
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<K, (M, Arc<Acl>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a token finds its ACL. The store holds it, and bounds how many there are.
#[derive(Default)]
pub struct AclSlot(ArcSwapOption<(Made, Weak<Acl>)>);

/// The policy store.
pub struct Policies {
    compiled: Cache<Policy>,
    /// Tokens with the same policies share their ACL.
    shared: Kept<Names, Index>,
    /// Where templates make it somebody's own, those of the same entity do. It shares with all others what is not.
    own: Kept<(String, Names), Made>,
    /// The last commit that changed any policy.
    changed: Arc<AtomicU64>,
}

impl Policies {
    pub fn new(barrier: &Barrier) -> Self {
        let compiled = barrier.cache(keys::is_policy, limits::CACHED_POLICIES);
        let changed = Arc::new(AtomicU64::new(0));
        let last = changed.clone();
        barrier.storage().subscribe(Arc::new(move |change| {
            if change.keys().any(keys::is_policy) {
                last.fetch_max(change.index, Ordering::AcqRel);
            }
        }));
        Self {
            compiled,
            shared: Kept::new(limits::CACHED_ACLS),
            own: Kept::new(limits::CACHED_OWN_ACLS),
            changed,
        }
    }

    pub fn seal(&self) {
        self.compiled.clear();
        self.shared.clear();
        self.own.clear();
    }

    /// What is stored under this name.
    pub async fn load(
        txn: &mut Transaction,
        ns: &str,
        name: &str,
    ) -> Result<Option<StoredPolicy>, Error> {
        if name == wrapping::POLICY {
            return Ok(Some(StoredPolicy {
                text: wrapping::RULES.to_owned(),
                version: 1,
                cas_required: false,
                modified: UnixMillis(0),
                expires: None,
            }));
        }
        let key = Ns(ns).policy(name);
        stored::load(txn, &key).await
    }

    async fn compiled(
        &self,
        txn: &mut Transaction,
        ns: &str,
        name: &str,
    ) -> Result<Option<Arc<Policy>>, Error> {
        if name == wrapping::POLICY {
            return Ok(Policy::parse(name, wrapping::RULES).ok().map(Arc::new));
        }
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

    /// What a token may do now, whose holder is `identity`.
    pub async fn acl(
        &self,
        txn: &mut Transaction,
        entry: &TokenEntry,
        identity: Option<&View>,
        slot: &AclSlot,
    ) -> Result<Arc<Acl>, Error> {
        // Read before the policies are: a change in between makes this ACL stale, not the next one wrong.
        let changed = self.changed.load(Ordering::Acquire);
        let holder = identity.map_or(&[][..], |identity| &identity.versions);
        if let Some(have) = &*slot.0.load()
            && have.0.0 == changed
            && have.0.1 == holder
            && let Some(acl) = have.1.upgrade()
        {
            return Ok(acl);
        }
        let of_identity = identity.map(View::policies).unwrap_or_default();
        let names = together(entry.policies.iter().chain(&of_identity));
        let key = (entry.ns.clone(), names);
        let shared = match self.shared.get(&key, &changed) {
            Some(acl) => acl,
            None => {
                let acl = Arc::new(self.merge(txn, entry, &key.1).await?);
                // A snapshot from before the last change may have shown the policies as they were: good for this request
                // only.
                if txn.index() < changed {
                    return Ok(match identity {
                        Some(_) => Arc::new(acl.of(Subject { identity })),
                        None => acl,
                    });
                }
                self.shared.put(key.clone(), changed, &acl);
                acl
            }
        };
        let made = (changed, holder.to_vec());
        let acl = match identity {
            Some(holder) if shared.is_templated() => {
                let key = (holder.entity.id.clone(), key);
                match self.own.get(&key, &made) {
                    Some(acl) => acl,
                    None => {
                        let acl = Arc::new(shared.of(Subject { identity }));
                        self.own.put(key, made.clone(), &acl);
                        acl
                    }
                }
            }
            _ => shared,
        };
        slot.0.store(Some(Arc::new((made, Arc::downgrade(&acl)))));
        Ok(acl)
    }

    /// What these policies say to everybody.
    async fn merge(
        &self,
        txn: &mut Transaction,
        entry: &TokenEntry,
        names: &[String],
    ) -> Result<Acl, Error> {
        let mut policies = Vec::with_capacity(names.len());
        for name in names {
            policies.extend(self.compiled(txn, &entry.ns, name).await?);
        }
        Ok(Acl::new(&policies, entry.is_root()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use coffer_barrier::{InitConfig, Seal};
    use coffer_clock::Random;
    use coffer_storage::MemoryStorage;

    async fn write(barrier: &Barrier, capability: &str) {
        let mut txn = barrier.begin().unwrap();
        let policy = StoredPolicy {
            text: format!("path \"a\" {{ capabilities = [\"{capability}\"] }}"),
            version: 1,
            cas_required: false,
            modified: UnixMillis(0),
            expires: None,
        };
        txn.put(Ns("root").policy("p"), serde_json::to_vec(&policy).unwrap());
        txn.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_request_from_before_a_change_leaves_nothing_of_what_it_saw() {
        let barrier = Barrier::new(Arc::new(MemoryStorage::new()), Random::system());
        let seal = Seal::new(barrier.clone());
        let keys = seal
            .init(InitConfig::new(1, 1).unwrap(), UnixMillis(0), |_| {})
            .await;
        seal.unseal(keys.unwrap().first().unwrap()).await.unwrap();
        let policies = Policies::new(&barrier);
        let entry: TokenEntry = serde_json::from_value(serde_json::json!({
            "ns": "root", "accessor": "", "policies": ["p"], "path": "", "mount": "", "display_name": "", "meta": null,
            "num_uses": 0, "created": 0, "creation_ttl": 0, "ttl": 0, "kind": "service", "renewable": false,
        }))
        .unwrap();
        write(&barrier, "read").await;
        let (mut early, slot) = (barrier.begin().unwrap(), AclSlot::default());
        write(&barrier, "deny").await;
        let may = async |txn: &mut Transaction| {
            let acl = policies.acl(txn, &entry, None, &slot).await.unwrap();
            acl.capabilities("a")
        };
        assert_eq!(may(&mut early).await, ["read"]);
        assert_eq!(may(&mut barrier.begin().unwrap()).await, ["deny"]);
    }
}
