//! Who fails to log in too often is locked out for a while. <https://developer.hashicorp.com/vault/docs/concepts/user-lockout>
//!
//! A component's manifest says which field of a login names who logs in. Failures are counted in memory; a lock is stored,
//! so that it outlives a restart, and a job takes it away when its time is over. Somebody who is locked out gets the answer
//! of a wrong password's policy, whether they exist or not, and the component is not asked.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keys::Ns;
use crate::lease::Job;
use crate::mount::{Mount, MountEntry};
use crate::params::Params;
use crate::{Core, Error, limits, stored};

/// How a mount locks out. None is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockoutConfig {
    /// How many failures lock somebody out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// How long a lock lasts, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// After how many seconds without a failure they are forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter_reset: Option<u64>,
    /// Whether nobody is locked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable: Option<bool>,
}

/// What holds where a mount says nothing, by the type of the auth method; `all` is for those that are not there.
pub type LockoutDefaults = BTreeMap<String, LockoutConfig>;

/// The name that stands for every type.
const ALL: &str = "all";

impl LockoutConfig {
    /// Whether nothing was said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What `user_lockout_config` of a tuning says.
    pub fn configure(&mut self, params: &Params) -> Result<(), Error> {
        if let Some(threshold) = params.number("lockout_threshold")? {
            self.threshold = (threshold > 0).then_some(threshold);
        }
        if let Some(duration) = params.seconds("lockout_duration")? {
            self.duration = (duration > 0).then_some(duration);
        }
        if let Some(reset) = params.seconds("lockout_counter_reset_duration")? {
            self.counter_reset = (reset > 0).then_some(reset);
        }
        if let Some(disable) = params.boolean("lockout_disable")? {
            self.disable = Some(disable);
        }
        Ok(())
    }

    /// What is in force for a mount of this type that says so.
    pub fn over(&self, defaults: &LockoutDefaults, kind: &str) -> Self {
        let said = [Some(self), defaults.get(kind), defaults.get(ALL)];
        let said = || said.iter().flatten();
        Self {
            threshold: said().find_map(|config| config.threshold),
            duration: said().find_map(|config| config.duration),
            counter_reset: said().find_map(|config| config.counter_reset),
            disable: said().find_map(|config| config.disable),
        }
    }

    /// Whether nobody is locked out.
    pub fn is_disabled(&self) -> bool {
        self.disable.unwrap_or(false)
    }

    /// As the API shows it, with what is in force.
    pub fn describe(&self) -> Map<String, Value> {
        let told = [
            ("user_lockout_threshold", self.threshold().into()),
            ("user_lockout_duration", self.duration().into()),
            (
                "user_lockout_counter_reset_duration",
                self.counter_reset().into(),
            ),
            ("user_lockout_disable", self.is_disabled().into()),
        ];
        told.map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }

    fn threshold(&self) -> u64 {
        self.threshold.unwrap_or(limits::LOCKOUT_THRESHOLD)
    }

    fn duration(&self) -> u64 {
        self.duration.unwrap_or(limits::LOCKOUT_SECONDS)
    }

    fn counter_reset(&self) -> u64 {
        self.counter_reset.unwrap_or(limits::LOCKOUT_SECONDS)
    }
}

/// A lock, as it is stored.
#[derive(Serialize, Deserialize)]
struct Lock {
    expires: UnixMillis,
}

/// Somebody who logs in: at which mount, and under which name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Who {
    mount: String,
    name: String,
}

impl Who {
    /// However the name is written: another way to write it must not be another try.
    pub fn new(entry: &MountEntry, name: &str) -> Self {
        Self {
            mount: entry.uuid.clone(),
            name: name.trim().trim_matches('/').to_lowercase(),
        }
    }

    fn key(&self, ns: &str) -> String {
        Ns(ns).locked(&self.mount, &hex::encode(&self.name))
    }
}

struct Failures {
    count: u64,
    last: UnixMillis,
}

/// The failures of late.
pub struct Lockouts(Mutex<LruCache<Who, Failures>>);

impl Default for Lockouts {
    fn default() -> Self {
        let most = NonZeroUsize::new(limits::FAILING_LOGINS).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(most)))
    }
}

impl Lockouts {
    fn failures(&self) -> MutexGuard<'_, LruCache<Who, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all failures.
    pub fn clear(&self) {
        self.failures().clear();
    }

    /// Forgets somebody's failures.
    pub fn forget(&self, who: &Who) {
        self.failures().pop(who);
    }

    /// Counts one more failure. Returns whether there are too many.
    fn count(&self, who: &Who, config: &LockoutConfig, now: UnixMillis) -> bool {
        let mut failures = self.failures();
        let so_far = failures
            .get(who)
            .filter(|failed| now < failed.last.plus_seconds(config.counter_reset()))
            .map_or(0, |failed| failed.count);
        let count = so_far + 1;
        if count >= config.threshold() {
            failures.pop(who);
            return true;
        }
        failures.put(who.clone(), Failures { count, last: now });
        false
    }
}

impl Core {
    /// How a mount locks out.
    pub(crate) fn lockout(&self, entry: &MountEntry) -> LockoutConfig {
        let tuned = &entry.config.user_lockout;
        tuned.over(&self.config.user_lockout, &entry.kind)
    }

    /// Refuses somebody who is locked out.
    pub(crate) async fn refuse_locked(
        &self,
        txn: &mut Transaction,
        mount: &Mount,
        who: &Who,
    ) -> Result<(), Error> {
        let lock: Option<Lock> = stored::load(txn, &who.key(&mount.entry.ns)).await?;
        let now = self.clock.now();
        match lock.filter(|lock| now < lock.expires) {
            Some(_) => Err(Error::Denied),
            None => Ok(()),
        }
    }

    /// Counts a login that failed, and locks out who has failed too often.
    pub(crate) async fn count_failed_login(&self, mount: &Mount, who: &Who) -> Result<(), Error> {
        let (config, now) = (self.lockout(&mount.entry), self.clock.now());
        if !self.lockouts.count(who, &config, now) {
            return Ok(());
        }
        let expires = now.plus_seconds(config.duration());
        tracing::warn!(
            mount = mount.entry.full_path(),
            "somebody has failed to log in too often and is locked out"
        );
        self.transact(|mut txn| async move {
            let key = who.key(&mount.entry.ns);
            stored::save(&mut txn, key.clone(), &Lock { expires })?;
            let id = self.random.uuid();
            Job::Expire { key }.schedule(&mut txn, &mount.entry.ns, &id, expires)?;
            Ok(((), txn))
        })
        .await
    }

    /// Lets somebody in again.
    pub(crate) fn unlock(&self, txn: &mut Transaction, mount: &Mount, name: &str) {
        let who = Who::new(&mount.entry, name);
        self.lockouts.forget(&who);
        txn.delete(who.key(&mount.entry.ns));
    }

    /// The names that are locked out of a mount.
    pub(crate) async fn locked(
        &self,
        txn: &mut Transaction,
        mount: &Mount,
    ) -> Result<Vec<String>, Error> {
        let prefix = Ns(&mount.entry.ns).locked(&mount.entry.uuid, "");
        let keys = txn.list(&prefix, None, limits::MAX_LIST).await?;
        let name = |key: &String| {
            let bytes = hex::decode(key.strip_prefix(&prefix)?).ok()?;
            String::from_utf8(bytes).ok()
        };
        Ok(keys.iter().filter_map(name).collect())
    }
}
