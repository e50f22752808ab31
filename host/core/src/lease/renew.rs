//! Prolonging a lease: the plugin first, then the lease, so that a lease never promises more than there is.

use std::sync::Arc;

use super::entry::{Lease, Leased, load};
use crate::keys::Ns;
use crate::mount::{Backend, RoutingTable};
use crate::reply::{AuthReply, LeaseReply, Reply};
use crate::token::{self, TokenEntry};
use crate::ttl::TtlInput;
use crate::{Core, Error};
use zeroize::Zeroizing;

/// Renews the lease of a secret. (A token's is renewed through the token's own paths.)
pub async fn renew(core: &Arc<Core>, ns: &str, id: &str, increment: u64) -> Result<Reply, Error> {
    let mut txn = core.barrier.begin()?;
    let lease = match load(&mut txn, ns, id).await? {
        Some(Leased::Secret(lease)) => *lease,
        Some(Leased::Token(_)) => {
            return Err(Error::invalid(
                "tokens cannot be renewed through this endpoint",
            ));
        }
        None => return Err(Error::invalid("lease not found")),
    };
    let now = core.clock.now();
    if lease.expires <= now || lease.due < lease.expires {
        return Err(Error::invalid("lease expired"));
    }
    if !lease.renewable {
        return Err(Error::invalid("lease is not renewable"));
    }
    let table = core.mounts(&mut txn).await?;
    drop(txn);
    let (default, max) = times(&table, &lease.mount);
    let (renewal, mut txn) = core.call_renew(&lease, increment).await?;
    let input = TtlInput {
        increment,
        ttl: if renewal.ttl > 0 {
            renewal.ttl
        } else {
            lease.ttl
        },
        max_ttl: renewal.max_ttl,
        period: renewal.period,
        mount_default: default,
        mount_max: max,
        issued: Some(lease.issued),
        ..TtlInput::default()
    };
    let mut granted = input.calculate(now);
    if let Some(owner) = &lease.token
        && let Some((_, owner)) = token::read_entry(&mut txn, &Ns(ns).token(owner)).await?
        && owner.kind == token::TokenKind::Batch
    {
        granted.seconds = granted.seconds.min(owner.ttl_left(now));
    }
    let expires = now.plus_seconds(granted.seconds);
    // What the lease has become meanwhile counts: it may have been revoked while the plugin was at work.
    let Some(Leased::Secret(before)) = load(&mut txn, ns, id).await? else {
        return Err(Error::invalid("lease not found"));
    };
    if before.due < before.expires {
        return Err(Error::invalid("lease expired"));
    }
    let after = Lease {
        renewed: Some(now),
        expires,
        due: expires,
        ..(*before).clone()
    };
    after.replace(&mut txn, &before)?;
    txn.commit().await?;
    Ok(Reply {
        lease: LeaseReply {
            id: id.to_owned(),
            renewable: true,
            duration: granted.seconds,
        },
        data: None,
        warnings: granted.warnings,
        ..Reply::default()
    })
}

/// Renews a token. `id` is what the caller gets back: empty where it gave only the accessor.
pub async fn renew_token(
    core: &Arc<Core>,
    ns: &str,
    hash: &str,
    id: Zeroizing<String>,
    increment: u64,
) -> Result<Reply, Error> {
    let key = Ns(ns).token(hash);
    let mut txn = core.barrier.begin()?;
    let Some((_, entry)) = token::read_entry(&mut txn, &key).await? else {
        return Err(Error::invalid("token not found"));
    };
    let now = core.clock.now();
    if entry.is_expired(now) {
        return Err(Error::invalid("token not found"));
    }
    if !entry.renewable {
        return Err(Error::invalid("lease is not renewable"));
    }
    let table = core.mounts(&mut txn).await?;
    let (default, max) = times(&table, &entry.mount);
    let mut input = TtlInput {
        increment,
        ttl: entry.ttl,
        max_ttl: entry.max_ttl,
        period: entry.period,
        explicit_max_ttl: entry.explicit_max_ttl,
        mount_default: default,
        mount_max: max,
        issued: Some(entry.created),
    };
    let made_by = table
        .by_uuid(&entry.mount)
        .filter(|mount| matches!(mount.backend, Backend::Plugin(_) | Backend::Unavailable(_)));
    if let Some(mount) = made_by {
        let lease_id = crate::token::lease_id(&entry, hash);
        let (renewal, after) = core
            .call_renew_token(mount, &entry, lease_id, increment, txn)
            .await?;
        txn = after;
        input = TtlInput {
            ttl: renewal.ttl,
            max_ttl: renewal.max_ttl,
            period: renewal.period,
            ..input
        };
    }
    let granted = input.calculate(now);
    let Some((_, before)) = token::read_entry(&mut txn, &key).await? else {
        return Err(Error::invalid("token not found"));
    };
    let expires = Some(now.plus_seconds(granted.seconds));
    let after = TokenEntry {
        expires,
        renewed: Some(now),
        period: input.period,
        ..before.clone()
    };
    core.tokens.update(&mut txn, hash, &before, &after)?;
    txn.commit().await?;
    Ok(Reply::auth(
        AuthReply::new(id, &after, granted.seconds),
        granted.warnings,
    ))
}

fn times(table: &RoutingTable, mount: &str) -> (u64, u64) {
    table.by_uuid(mount).map_or((0, 0), |mount| {
        (mount.default_lease_ttl, mount.max_lease_ttl)
    })
}
