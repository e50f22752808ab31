//! `auth/token/tidy` and `sys/leases/tidy`: what belongs to a token that is gone.
//!
//! A token goes in one commit with all that finds it, or a job follows for the rest, so there should be nothing. This looks,
//! and takes away what a restored or damaged store has.

use std::sync::Arc;

use coffer_barrier::Transaction;
use tracing::{info, warn};

use crate::keys::Ns;
use crate::lease::{self, Job, Leased};
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Core, Error, limits};

/// Begins it; it goes on behind the answer.
pub async fn tidy(c: &mut Context<'_>) -> Result<Reply, Error> {
    let Ok(permit) = c.core.tidying.clone().try_acquire_owned() else {
        return Ok(accepted("Tidy operation already in progress."));
    };
    let (core, ns) = (c.core.clone(), c.ns.to_owned());
    tokio::spawn(async move {
        match run(&core, &ns).await {
            Ok(removed) => info!(removed, "tidied tokens and leases"),
            Err(error) => warn!(%error, "tidying tokens and leases failed"),
        }
        drop(permit);
    });
    Ok(accepted(
        "Tidy operation successfully started. Any information from the operation will be printed to the server's log.",
    ))
}

fn accepted(warning: &str) -> Reply {
    Reply {
        status: Some(202),
        ..Reply::default()
    }
    .with_warning(warning)
}

/// Returns how much it has removed.
async fn run(core: &Arc<Core>, ns: &str) -> Result<usize, Error> {
    let ns_keys = Ns(ns);
    let mut removed = 0;
    for prefix in [
        ns_keys.child("", ""),
        ns_keys.owned("", ""),
        ns_keys.cubbyhole("", ""),
    ] {
        let prefix = prefix.trim_end_matches('/');
        removed += walk(core, ns, &format!("{prefix}/"), Kind::OfToken).await?;
    }
    removed += walk(core, ns, &ns_keys.lease(""), Kind::Lease).await?;
    Ok(removed)
}

#[derive(Clone, Copy)]
enum Kind {
    /// What comes first below the prefix is the hash of the token that it belongs to.
    OfToken,
    Lease,
}

/// Goes over all keys below a prefix, a page at a time.
async fn walk(core: &Arc<Core>, ns: &str, prefix: &str, kind: Kind) -> Result<usize, Error> {
    let mut removed = 0;
    let mut after: Option<String> = None;
    loop {
        let from = after.clone();
        let (page, gone) = core
            .transact(|mut txn| {
                let from = from.clone();
                async move {
                    let page = txn.list(prefix, from.as_deref(), limits::JOB_PAGE).await?;
                    let mut gone = 0;
                    for key in &page {
                        let rest = key.strip_prefix(prefix).unwrap_or_default();
                        gone += usize::from(match kind {
                            Kind::OfToken => finish(&mut txn, core, ns, rest).await?,
                            Kind::Lease => forget(&mut txn, ns, rest).await?,
                        });
                    }
                    Ok(((page, gone), txn))
                }
            })
            .await?;
        removed += gone;
        if page.len() < limits::JOB_PAGE {
            return Ok(removed);
        }
        after = page.last().cloned();
    }
}

/// Has what is left of a token that is gone be revoked, unless that is under way: then it is known how.
async fn finish(txn: &mut Transaction, core: &Core, ns: &str, rest: &str) -> Result<bool, Error> {
    let hash = rest.split('/').next().unwrap_or_default();
    let job = Job::Token {
        hash: hash.to_owned(),
        orphan: false,
    };
    let known = txn.get(&Ns(ns).token(hash)).await?.is_some();
    if known || job.is_scheduled(txn, hash).await? {
        return Ok(false);
    }
    job.schedule(txn, ns, hash, core.clock.now())?;
    Ok(true)
}

/// Forgets the lease of a token that is gone.
async fn forget(txn: &mut Transaction, ns: &str, id: &str) -> Result<bool, Error> {
    let Some(Leased::Token(hash)) = lease::load(txn, ns, id).await? else {
        return Ok(false);
    };
    let stray = txn.get(&Ns(ns).token(&hash)).await?.is_none();
    if stray {
        txn.delete(Ns(ns).lease(id));
    }
    Ok(stray)
}
