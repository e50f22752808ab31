//! What is stored of a lease, and the keys that find it.

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keys::{self, Due, DueKind, Ns};
use crate::time::rfc3339;
use crate::{Error, stored};

/// A lease of a secret. (A token's lease is the token: see [`Leased`].)
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    pub ns: String,
    /// The request's full path and something unguessable: `database/creds/app/Zx...`.
    pub id: String,
    /// The mount, by its uuid.
    pub mount: String,
    /// The request's path below the mount.
    pub path: String,
    /// The hash of the token that ends it when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When its owner ends, if that is a batch token, which is not stored: the lease does not outlive it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<UnixMillis>,
    /// What revoking depends on: leases of one group wait together when it is down.
    pub group: String,
    pub issued: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<UnixMillis>,
    /// When the lease ends.
    pub expires: UnixMillis,
    /// When its revocation is tried: its end, or later after a failure, or at once when it was asked for.
    pub due: UnixMillis,
    /// Seconds; what a renewal gives if nothing is asked for.
    pub ttl: u64,
    /// Seconds; 0 is the mount's.
    pub max_ttl: u64,
    pub renewable: bool,
    /// What the plugin wants back, as JSON.
    pub internal: String,
    /// Failed revocations so far.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What stands between the path of a token's lease and its hash.
pub const TOKEN_LEASE: &str = "/h";

/// What a lease id names.
pub enum Leased {
    Secret(Box<Lease>),
    /// The hash of the token.
    Token(String),
}

impl Lease {
    fn due_entry(&self) -> Due {
        Due {
            group: keys::group(&self.mount, &self.group),
            at: self.due,
            ns: self.ns.clone(),
            kind: DueKind::Lease,
            id: self.id.clone(),
        }
    }

    /// Stores a new lease with its indexes.
    pub fn create(&self, txn: &mut Transaction) -> Result<(), Error> {
        let ns = Ns(&self.ns);
        if let Some(token) = &self.token {
            txn.put(ns.owned(token, &self.id), Vec::new());
        }
        txn.add(ns.count(&self.mount), 1);
        self.write(txn)
    }

    fn write(&self, txn: &mut Transaction) -> Result<(), Error> {
        let key = Ns(&self.ns).lease(&self.id);
        stored::save(txn, key, self)?;
        txn.put(self.due_entry().key(), Vec::new());
        Ok(())
    }

    /// Stores `self` in the place of `before`.
    pub fn replace(&self, txn: &mut Transaction, before: &Self) -> Result<(), Error> {
        if self.due != before.due {
            txn.delete(before.due_entry().key());
        }
        self.write(txn)
    }

    /// Makes its revocation due at `at`.
    pub fn reschedule(&self, txn: &mut Transaction, at: UnixMillis) -> Result<(), Error> {
        Self {
            due: at,
            ..self.clone()
        }
        .replace(txn, self)
    }

    /// Removes it with its indexes.
    pub fn remove(&self, txn: &mut Transaction) {
        let ns = Ns(&self.ns);
        txn.delete(ns.lease(&self.id));
        txn.delete(self.due_entry().key());
        if let Some(token) = &self.token {
            txn.delete(ns.owned(token, &self.id));
        }
        txn.add(ns.count(&self.mount), -1);
    }

    /// Seconds left at `now`.
    pub fn ttl_left(&self, now: UnixMillis) -> u64 {
        self.expires.0.saturating_sub(now.0).div_ceil(1000)
    }

    /// As `sys/leases/lookup` answers.
    pub fn lookup(&self, now: UnixMillis) -> Value {
        json!({
            "id": self.id,
            "issue_time": rfc3339(self.issued),
            "expire_time": rfc3339(self.expires),
            "last_renewal": self.renewed.map(rfc3339),
            "renewable": self.renewable && self.expires > now,
            "ttl": self.ttl_left(now),
            "revocation_attempts": self.attempts,
            "revocation_error": self.last_error,
        })
    }
}

/// What this lease id names, if anything.
pub async fn load(txn: &mut Transaction, ns: &str, id: &str) -> Result<Option<Leased>, Error> {
    let key = Ns(ns).lease(id);
    let Some(value) = txn.get(&key).await? else {
        return Ok(None);
    };
    if value.first() == Some(&b'{') {
        let lease = serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key))?;
        return Ok(Some(Leased::Secret(lease)));
    }
    // The id has it already: there may be a great many of these. Those made earlier have it again as their value.
    let hash = match value.as_slice() {
        [] => id.rsplit_once(TOKEN_LEASE).map(|(_, hash)| hash.to_owned()),
        hash => String::from_utf8(hash.to_vec()).ok(),
    };
    hash.map(|hash| Some(Leased::Token(hash)))
        .ok_or(Error::Corrupt(key))
}
