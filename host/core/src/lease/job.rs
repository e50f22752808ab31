//! Revocation that touches many things: the reaper does it in pages, each page one transaction, until nothing is left.
//! A job is stored with the change that calls for it, so it is finished even if the host dies in between.

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};

use super::entry::{self, Lease, Leased};
use crate::keys::{self, Due, DueKind, JOB_GROUP, Ns};
use crate::token::{self, Tokens};
use crate::{Error, limits};

/// What is to be revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Leases and children of a token that is gone. As an orphan-maker it frees the children.
    Token { hash: String, orphan: bool },
    /// Leases and tokens whose id starts so and that were issued up to then.
    Prefix { prefix: String, until: UnixMillis },
    /// Leases, tokens and data of a disabled mount.
    Unmount { uuid: String },
}

/// Whether a job has more to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Run it again.
    More,
    /// What is left waits for the leases that it made due.
    Waiting,
    /// Finished.
    Done,
}

impl Job {
    /// Stores it, due now. The same `id` is the same job.
    pub fn schedule(
        &self,
        txn: &mut Transaction,
        ns: &str,
        id: &str,
        now: UnixMillis,
    ) -> Result<(), Error> {
        let due = Due {
            group: JOB_GROUP.into(),
            at: now,
            ns: ns.to_owned(),
            kind: DueKind::Job,
            id: id.to_owned(),
        };
        let value = serde_json::to_vec(self).map_err(|_| Error::Corrupt(due.key()))?;
        txn.put(due.key(), value);
        Ok(())
    }

    /// Reads the one under this key.
    pub async fn load(txn: &mut Transaction, key: &str) -> Result<Option<Self>, Error> {
        let Some(value) = txn.get(key).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&value)
            .map(Some)
            .map_err(|_| Error::Corrupt(key.to_owned()))
    }

    /// One page of it.
    pub async fn step(
        &self,
        txn: &mut Transaction,
        tokens: &Tokens,
        ns: &str,
        now: UnixMillis,
    ) -> Result<Progress, Error> {
        match self {
            Self::Token { hash, orphan } => {
                revoke_family(txn, tokens, ns, hash, *orphan, now).await
            }
            Self::Prefix { prefix, until } => {
                revoke_prefix(txn, tokens, ns, prefix, *until, now).await
            }
            Self::Unmount { uuid } => unmount(txn, tokens, ns, uuid, now).await,
        }
    }
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
    let full = leases.len() == limits::JOB_PAGE || children.len() == limits::JOB_PAGE;
    Ok(if full { Progress::More } else { Progress::Done })
}

async fn revoke_prefix(
    txn: &mut Transaction,
    tokens: &Tokens,
    ns: &str,
    prefix: &str,
    until: UnixMillis,
    now: UnixMillis,
) -> Result<Progress, Error> {
    let root = Ns(ns).lease("");
    let base = Ns(ns).lease(prefix);
    let mut after: Option<String> = None;
    let mut changed = 0;
    loop {
        let page = txn.list(&base, after.as_deref(), limits::JOB_PAGE).await?;
        for key in &page {
            let id = key.strip_prefix(&root).unwrap_or_default();
            match entry::load(txn, ns, id).await? {
                // What is due already needs no second look: it is being revoked, or waits after a failure.
                Some(Leased::Secret(lease))
                    if lease.issued <= until && lease.due > now && lease.attempts == 0 =>
                {
                    lease.reschedule(txn, now)?;
                    changed += 1;
                }
                Some(Leased::Token(hash)) => {
                    if let Some((_, token)) = token::read_entry(txn, &Ns(ns).token(&hash)).await?
                        && token.created <= until
                    {
                        tokens.revoke(txn, &hash, &token, false, now)?;
                        changed += 1;
                    }
                }
                _ => {}
            }
        }
        if changed > 0 && page.len() == limits::JOB_PAGE {
            return Ok(Progress::More);
        }
        match page.last() {
            Some(last) if page.len() == limits::JOB_PAGE => after = Some(last.clone()),
            _ => return Ok(Progress::Done),
        }
    }
}

async fn unmount(
    txn: &mut Transaction,
    tokens: &Tokens,
    ns: &str,
    uuid: &str,
    now: UnixMillis,
) -> Result<Progress, Error> {
    let prefix = keys::group_prefix(uuid);
    let mut after: Option<String> = None;
    let mut waiting = false;
    loop {
        let page = txn
            .list(&prefix, after.as_deref(), limits::JOB_PAGE)
            .await?;
        let mut changed = false;
        for due in page.iter().filter_map(|key| Due::parse(key)) {
            match due.kind {
                DueKind::Token => {
                    changed = true;
                    match token::read_entry(txn, &Ns(ns).token(&due.id)).await? {
                        Some((_, token)) => tokens.revoke(txn, &due.id, &token, false, now)?,
                        None => txn.delete(due.key()),
                    }
                }
                DueKind::Lease => match entry::load(txn, ns, &due.id).await? {
                    Some(Leased::Secret(lease)) => {
                        waiting = true;
                        if lease.due > now && lease.attempts == 0 {
                            changed = true;
                            lease.reschedule(txn, now)?;
                        }
                    }
                    _ => {
                        changed = true;
                        txn.delete(due.key());
                    }
                },
                DueKind::Job => {}
            }
        }
        match page.last() {
            Some(last) if page.len() == limits::JOB_PAGE => {
                if changed {
                    return Ok(Progress::More);
                }
                after = Some(last.clone());
            }
            _ => break,
        }
    }
    if waiting {
        return Ok(Progress::Waiting);
    }
    let data = txn.list(&Ns(ns).data(uuid), None, limits::JOB_PAGE).await?;
    let full = data.len() == limits::JOB_PAGE;
    for key in data {
        txn.delete(key);
    }
    if full {
        return Ok(Progress::More);
    }
    txn.delete(Ns(ns).unmounted(uuid));
    txn.delete(Ns(ns).count(uuid));
    Ok(Progress::Done)
}
