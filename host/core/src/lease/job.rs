//! Revocation that touches many things: the reaper does it in pages, each page one transaction, until nothing is left.
//! A job is stored with the change that calls for it, so it is finished even if the host dies in between.

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};

use super::entry::{self, Lease, Leased};
use crate::keys::{self, Due, DueKind, Ns};
use crate::token::{self, Tokens};
use crate::{Error, limits, stored};

/// What is to be revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Leases, children and cubbyhole of a token that is gone. As an orphan-maker it frees the children.
    Token { hash: String, orphan: bool },
    /// Leases and tokens whose id starts so and that were issued up to then.
    Prefix { prefix: String, until: UnixMillis },
    /// Leases, tokens and data of a disabled mount.
    Unmount { uuid: String },
    /// What is stored under this key and says itself when it ends.
    Expire { key: String },
}

/// Whether a job has more to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Run it again, from this key on.
    More(Option<String>),
    /// What is left waits for the leases that it made due.
    Waiting,
    /// Finished.
    Done,
}

impl Job {
    /// What walks all leases of a prefix or a mount can be long, and has a group of its own; families share a few.
    fn group(&self, id: &str) -> String {
        match self {
            Self::Token { hash, .. } => {
                keys::job_group(hash.get(hash.len() - 1..).unwrap_or_default())
            }
            Self::Prefix { .. } | Self::Unmount { .. } => keys::job_group(id),
            Self::Expire { .. } => keys::job_group("expiring"),
        }
    }

    /// Stores it, due now. The same `id` is the same job.
    pub fn schedule(
        &self,
        txn: &mut Transaction,
        ns: &str,
        id: &str,
        now: UnixMillis,
    ) -> Result<(), Error> {
        let due = Due {
            group: self.group(id),
            at: now,
            ns: ns.to_owned(),
            kind: DueKind::Job,
            id: id.to_owned(),
        };
        stored::save(txn, due.key(), self)
    }

    /// Whether the one of this `id` has more to do.
    pub async fn is_scheduled(&self, txn: &Transaction, id: &str) -> Result<bool, Error> {
        let group = keys::due_prefix(&self.group(id));
        let mut after: Option<String> = None;
        loop {
            let page = txn.list(&group, after.as_deref(), limits::JOB_PAGE).await?;
            let is_it = |key: &String| Due::parse(key).is_some_and(|due| due.id == id);
            if page.iter().any(is_it) {
                return Ok(true);
            }
            if page.len() < limits::JOB_PAGE {
                return Ok(false);
            }
            after = page.last().cloned();
        }
    }

    /// Reads the one under this key.
    pub async fn load(txn: &mut Transaction, key: &str) -> Result<Option<Self>, Error> {
        stored::load(txn, key).await
    }

    /// One page of it: what comes after `after`, the last key of the page before.
    pub async fn step(
        &self,
        txn: &mut Transaction,
        tokens: &Tokens,
        ns: &str,
        after: Option<String>,
        now: UnixMillis,
    ) -> Result<Progress, Error> {
        match self {
            Self::Token { hash, orphan } => {
                revoke_family(txn, tokens, ns, hash, *orphan, now).await
            }
            Self::Prefix { prefix, until } => {
                revoke_prefix(txn, tokens, ns, prefix, *until, after, now).await
            }
            Self::Unmount { uuid } => unmount(txn, tokens, ns, uuid, after, now).await,
            Self::Expire { key } => {
                expire(txn, key, now).await?;
                Ok(Progress::Done)
            }
        }
    }
}

/// Removes it, unless it was written anew and ends later, or never.
async fn expire(txn: &mut Transaction, key: &str, now: UnixMillis) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Ends {
        expires: Option<UnixMillis>,
    }

    let ends: Option<Ends> = stored::load(txn, key).await?;
    let expires = ends.and_then(|ends| ends.expires);
    if expires.is_some_and(|expires| expires <= now) {
        txn.delete(key);
    }
    Ok(())
}

async fn revoke_family(
    txn: &mut Transaction,
    tokens: &Tokens,
    ns: &str,
    hash: &str,
    orphan: bool,
    now: UnixMillis,
) -> Result<Progress, Error> {
    let owned = Ns(ns).owned(hash, "");
    let leases = txn.list(&owned, None, limits::JOB_PAGE).await?;
    for key in &leases {
        let id = key.strip_prefix(&owned).unwrap_or_default();
        match entry::load(txn, ns, id).await? {
            Some(Leased::Secret(lease)) => {
                // Its owner is gone: without the index entry this page is not seen again.
                txn.delete(key.clone());
                Lease {
                    token: None,
                    due: lease.due.min(now),
                    ..(*lease).clone()
                }
                .replace(txn, &lease)?;
            }
            _ => txn.delete(key.clone()),
        }
    }
    let family = Ns(ns).child(hash, "");
    let children = txn.list(&family, None, limits::JOB_PAGE).await?;
    for key in &children {
        txn.delete(key.clone());
        let child = key.strip_prefix(&family).unwrap_or_default();
        let Some((_, before)) = token::read_entry(txn, &Ns(ns).token(child)).await? else {
            continue;
        };
        if orphan {
            let after = token::TokenEntry {
                parent: None,
                ..before.clone()
            };
            tokens.update(txn, child, &before, &after)?;
        } else {
            tokens.revoke(txn, child, &before, false, now)?;
        }
    }
    let cubbyhole = Ns(ns).cubbyhole(hash, "");
    let kept = txn.list(&cubbyhole, None, limits::JOB_PAGE).await?;
    kept.iter().for_each(|key| txn.delete(key.clone()));
    let full = [&leases, &children, &kept]
        .iter()
        .any(|page| page.len() == limits::JOB_PAGE);
    Ok(if full {
        Progress::More(None)
    } else {
        Progress::Done
    })
}

async fn revoke_prefix(
    txn: &mut Transaction,
    tokens: &Tokens,
    ns: &str,
    prefix: &str,
    until: UnixMillis,
    after: Option<String>,
    now: UnixMillis,
) -> Result<Progress, Error> {
    let root = Ns(ns).lease("");
    let base = Ns(ns).lease(prefix);
    let page = txn.list(&base, after.as_deref(), limits::JOB_PAGE).await?;
    for key in &page {
        let id = key.strip_prefix(&root).unwrap_or_default();
        match entry::load(txn, ns, id).await? {
            // What is due already needs no second look: it is being revoked, or waits after a failure.
            Some(Leased::Secret(lease))
                if lease.issued <= until && lease.due > now && lease.attempts == 0 =>
            {
                lease.reschedule(txn, now)?;
            }
            Some(Leased::Token(hash)) => {
                if let Some((_, token)) = token::read_entry(txn, &Ns(ns).token(&hash)).await?
                    && token.created <= until
                {
                    tokens.revoke(txn, &hash, &token, false, now)?;
                }
            }
            _ => {}
        }
    }
    Ok(if page.len() < limits::JOB_PAGE {
        Progress::Done
    } else {
        Progress::More(page.last().cloned())
    })
}

async fn unmount(
    txn: &mut Transaction,
    tokens: &Tokens,
    ns: &str,
    uuid: &str,
    after: Option<String>,
    now: UnixMillis,
) -> Result<Progress, Error> {
    let prefix = keys::group_prefix(uuid);
    let page = txn
        .list(&prefix, after.as_deref(), limits::JOB_PAGE)
        .await?;
    for due in page.iter().filter_map(|key| Due::parse(key)) {
        match due.kind {
            DueKind::Token => match token::read_entry(txn, &Ns(ns).token(&due.id)).await? {
                Some((_, token)) => tokens.revoke(txn, &due.id, &token, false, now)?,
                None => txn.delete(due.key()),
            },
            DueKind::Lease => match entry::load(txn, ns, &due.id).await? {
                Some(Leased::Secret(lease)) if lease.due > now && lease.attempts == 0 => {
                    lease.reschedule(txn, now)?;
                }
                Some(Leased::Secret(_)) => {}
                _ => txn.delete(due.key()),
            },
            DueKind::Job => {}
        }
    }
    if page.len() == limits::JOB_PAGE {
        return Ok(Progress::More(page.last().cloned()));
    }
    if !txn.list(&prefix, None, 1).await?.is_empty() {
        return Ok(Progress::Waiting);
    }
    let ns_keys = Ns(ns);
    for prefix in [
        ns_keys.all_data(uuid),
        ns_keys.connections(uuid),
        ns_keys.destinations(uuid, ""),
    ] {
        let page = txn.list(&prefix, None, limits::JOB_PAGE).await?;
        let full = page.len() == limits::JOB_PAGE;
        for key in page {
            txn.delete(key);
        }
        if full {
            return Ok(Progress::More(None));
        }
    }
    txn.delete(Ns(ns).unmounted(uuid));
    txn.delete(Ns(ns).count(uuid));
    for what in ["entries", "bytes"] {
        txn.delete(Ns(ns).usage(uuid, what));
    }
    Ok(Progress::Done)
}
