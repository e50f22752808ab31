//! `sys/leases`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::keys::Ns;
use crate::lease::{self, Job, Leased};
use crate::reply::Reply;
use crate::routes::Context;
use crate::token;
use crate::{Error, limits};

fn lease_id(c: &Context<'_>) -> Result<String, Error> {
    let id = match c.params.text("lease_id")? {
        Some(id) if !id.is_empty() => id,
        _ => c.params.text("url_lease_id")?.unwrap_or_default(),
    };
    if id.is_empty() {
        return Err(Error::invalid("lease_id must be specified"));
    }
    Ok(id)
}

pub async fn lookup(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = lease_id(c)?;
    let now = c.core.clock.now();
    match lease::load(c.txn, c.ns, &id).await? {
        Some(Leased::Secret(lease)) => Ok(Reply::data(lease.lookup(now))),
        Some(Leased::Token(hash)) => {
            let key = Ns(c.ns).token(&hash);
            let (_, entry) = token::read_entry(c.txn, &key)
                .await?
                .ok_or_else(|| Error::invalid("invalid lease"))?;
            let token = entry.lookup("", None, now);
            Ok(Reply::data(json!({
                "id": id,
                "issue_time": token.get("issue_time"),
                "expire_time": token.get("expire_time"),
                "last_renewal": token.get("last_renewal"),
                "renewable": entry.renewable,
                "ttl": entry.ttl_left(now),
            })))
        }
        None => Err(Error::invalid("invalid lease")),
    }
}

pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut prefix = c.params.text("prefix")?.unwrap_or_default();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    Reply::list(
        c.txn
            .children(&Ns(c.ns).lease(&prefix), None, limits::MAX_LIST)
            .await?,
    )
}

/// Those whose revocation keeps failing.
struct Irrevocable {
    /// By mount accessor.
    counts: BTreeMap<String, u64>,
    /// The first so many, as the API shows them.
    shown: Vec<Value>,
    total: u64,
}

/// Looks at all leases, a page at a time.
async fn irrevocable(c: &mut Context<'_>, most: usize) -> Result<Irrevocable, Error> {
    if c.params.text("type")?.as_deref() != Some("irrevocable") {
        return Err(Error::Nothing);
    }
    let mounts = c.core.mounts(c.txn).await?;
    let root = Ns(c.ns).lease("");
    let mut found = Irrevocable {
        counts: BTreeMap::new(),
        shown: Vec::new(),
        total: 0,
    };
    let mut after: Option<String> = None;
    loop {
        // A view of its own for each page: what was read is remembered until it ends.
        let mut txn = c.core.barrier.begin()?;
        let page = txn.list(&root, after.as_deref(), limits::JOB_PAGE).await?;
        for key in &page {
            let id = key.strip_prefix(&root).unwrap_or_default();
            let Some(Leased::Secret(lease)) = lease::load(&mut txn, c.ns, id).await? else {
                continue;
            };
            if lease.attempts < limits::IRREVOCABLE_AFTER {
                continue;
            }
            let mount = mounts.by_uuid(&lease.mount);
            let accessor = mount.map_or(&lease.mount, |mount| &mount.entry.accessor);
            *found.counts.entry(accessor.clone()).or_default() += 1;
            found.total += 1;
            if found.shown.len() < most {
                found.shown.push(json!({
                    "lease_id": lease.id,
                    "mount_id": accessor,
                    "error": lease.last_error,
                }));
            }
        }
        if page.len() < limits::JOB_PAGE {
            return Ok(found);
        }
        after = page.last().cloned();
        tokio::task::yield_now().await;
    }
}

/// How many leases there are whose revocation keeps failing.
pub async fn count(c: &mut Context<'_>) -> Result<Reply, Error> {
    let found = irrevocable(c, 0).await?;
    Ok(Reply::data(
        json!({ "lease_count": found.total, "counts": found.counts }),
    ))
}

/// The leases whose revocation keeps failing, and why.
pub async fn list_irrevocable(c: &mut Context<'_>) -> Result<Reply, Error> {
    let most = match c.params.text("limit")?.as_deref() {
        None | Some("") => limits::IRREVOCABLE_SHOWN,
        Some("none") => limits::MAX_LIST,
        Some(_) => {
            let limit = c.params.number("limit")?.unwrap_or_default();
            usize::try_from(limit).map_or(limits::MAX_LIST, |limit| limit.min(limits::MAX_LIST))
        }
    };
    let found = irrevocable(c, most).await?;
    let hidden = found.total > found.shown.len() as u64;
    let reply = Reply::data(json!({ "lease_count": found.total, "leases": found.shown }));
    Ok(if hidden {
        reply.with_warning(format!("only the first {most} are shown: give a limit"))
    } else {
        reply
    })
}

pub async fn renew(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = lease_id(c)?;
    let increment = c.params.seconds("increment")?.unwrap_or(0);
    lease::renew(c.core, c.ns, &id, increment).await
}

pub async fn revoke(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = lease_id(c)?;
    let sync = c.params.boolean("sync")?.unwrap_or(false);
    let leased = lease::load(c.txn, c.ns, &id).await?;
    revoke_one(c, &id, leased, sync).await
}

async fn revoke_one(
    c: &mut Context<'_>,
    id: &str,
    leased: Option<Leased>,
    sync: bool,
) -> Result<Reply, Error> {
    let now = c.core.clock.now();
    match leased {
        None => {}
        Some(Leased::Token(hash)) => {
            if let Some((_, entry)) = token::read_entry(c.txn, &Ns(c.ns).token(&hash)).await? {
                c.core.tokens.revoke(c.txn, &hash, &entry, false, now)?;
            }
        }
        Some(Leased::Secret(lease)) => {
            // Due now, whatever happens next.
            lease.reschedule(c.txn, now)?;
            if sync {
                c.commit_and_continue().await?;
                let revoked =
                    tokio::time::timeout(limits::SYNC_REVOKE, lease::revoke_now(c.core, c.ns, id))
                        .await;
                let failed = |reason: String| {
                    Error::invalid(format!(
                        "failed to revoke {id:?}: {reason}; it will be tried again"
                    ))
                };
                match revoked {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => return Err(failed(failure.to_string())),
                    Err(_) => {
                        return Err(failed(format!("not done within {:?}", limits::SYNC_REVOKE)));
                    }
                }
            }
        }
    }
    Ok(Reply::empty())
}

/// What `revoke-prefix` and `revoke-force` are to end.
enum Below {
    /// All leases whose ids start so; ends in a slash.
    Prefix(String),
    /// One lease: its id may stand in the place of a prefix.
    Lease(String, Leased),
}

async fn below(c: &mut Context<'_>) -> Result<Below, Error> {
    let mut prefix = c.params.require("prefix")?;
    if prefix.ends_with('/') {
        return Ok(Below::Prefix(prefix));
    }
    if let Some(leased) = lease::load(c.txn, c.ns, &prefix).await? {
        return Ok(Below::Lease(prefix, leased));
    }
    prefix.push('/');
    Ok(Below::Prefix(prefix))
}

pub async fn revoke_prefix(c: &mut Context<'_>) -> Result<Reply, Error> {
    let sync = c.params.boolean("sync")?.unwrap_or(false);
    let now = c.core.clock.now();
    let prefix = match below(c).await? {
        Below::Prefix(prefix) => prefix,
        Below::Lease(id, leased) => return revoke_one(c, &id, Some(leased), sync).await,
    };
    let id = c.core.random.uuid();
    Job::Prefix {
        prefix: prefix.clone(),
        until: now,
    }
    .schedule(c.txn, c.ns, &id, now)?;
    if !sync {
        return Ok(Reply::empty());
    }
    c.commit_and_continue().await?;
    for id in ids(c, &prefix).await? {
        if let Err(failure) = lease::revoke_now(c.core, c.ns, &id).await {
            return Err(Error::invalid(format!(
                "failed to revoke {id:?}: {failure}; it will be tried again"
            )));
        }
    }
    Ok(Reply::empty())
}

pub async fn revoke_force(c: &mut Context<'_>) -> Result<Reply, Error> {
    let now = c.core.clock.now();
    let prefix = match below(c).await? {
        Below::Prefix(prefix) => prefix,
        Below::Lease(id, Leased::Secret(_)) => {
            lease::force(c.core, c.ns, &id, &mut lease::Dead::new()).await?;
            return Ok(Reply::empty());
        }
        Below::Lease(id, leased) => return revoke_one(c, &id, Some(leased), false).await,
    };
    // Tokens under the prefix are revoked like any others.
    Job::Prefix {
        prefix: prefix.clone(),
        until: now,
    }
    .schedule(c.txn, c.ns, &c.core.random.uuid(), now)?;
    c.commit_and_continue().await?;
    let mut dead = lease::Dead::new();
    for id in ids(c, &prefix).await? {
        lease::force(c.core, c.ns, &id, &mut dead).await?;
    }
    Ok(Reply::empty())
}

async fn ids(c: &mut Context<'_>, prefix: &str) -> Result<Vec<String>, Error> {
    let root = Ns(c.ns).lease("");
    let keys = c
        .txn
        .list(&Ns(c.ns).lease(prefix), None, limits::MAX_LIST)
        .await?;
    Ok(keys
        .into_iter()
        .filter_map(|key| key.strip_prefix(&root).map(str::to_owned))
        .collect())
}
