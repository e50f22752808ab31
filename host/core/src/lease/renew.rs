//! Prolonging a lease: the plugin first, then the lease, so that a lease never promises more than there is.

use std::sync::Arc;

use coffer_barrier::Transaction;

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
    if let Some(ends) = lease.ends {
        granted.seconds = granted.seconds.min(ends.0.saturating_sub(now.0) / 1000);
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

/// Renews a token, in the transaction of the request that asks: `id` is what the caller gets back, empty where it gave
/// only the accessor.
pub async fn renew_token(
    core: &Arc<Core>,
    txn: &mut Transaction,
    ns: &str,
    hash: &str,
    id: Zeroizing<String>,
    increment: u64,
) -> Result<Reply, Error> {
    let key = Ns(ns).token(hash);
    let not_found = || Error::invalid("token not found");
    let entry = token::current_entry(txn, &key)
        .await?
        .ok_or_else(not_found)?;
    let now = core.clock.now();
    if entry.is_expired(now) {
        return Err(not_found());
    }
    if !entry.renewable {
        return Err(Error::invalid("lease is not renewable"));
    }
    let holder = core.holder(txn, &entry).await?;
    let table = core.mounts(txn).await?;
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
    // What the token's role says now counts, but for a maximum of the token's own.
    if let Some(name) = &entry.role {
        let role = token::Role::load(txn, ns, name).await?;
        let role = role.ok_or_else(|| {
            Error::invalid(format!(
                "failed to renew entry: original token role {name:?} could not be found, not renewing"
            ))
        })?;
        input.period = role.period;
        input.explicit_max_ttl = match (entry.explicit_max_ttl, role.explicit_max_ttl) {
            (0, max) | (max, 0) => max,
            (own, role) => own.min(role),
        };
    }
    let made_by = table
        .by_uuid(&entry.mount)
        .filter(|mount| matches!(mount.backend, Backend::Plugin(_) | Backend::Unavailable(_)));
    if let Some(mount) = made_by {
        let lease_id = token::lease_id(&entry, hash);
        let mine = std::mem::replace(txn, core.barrier.begin()?);
        let (renewal, mine) = core
            .call_renew_token(mount, &entry, lease_id, increment, mine)
            .await?;
        *txn = mine;
        input = TtlInput {
            ttl: renewal.ttl,
            max_ttl: renewal.max_ttl,
            period: renewal.period,
            ..input
        };
    }
    let granted = input.calculate(now);
    let before = token::current_entry(txn, &key)
        .await?
        .ok_or_else(not_found)?;
    let after = TokenEntry {
        expires: Some(now.plus_seconds(granted.seconds)),
        renewed: Some(now),
        period: input.period,
        ..before.clone()
    };
    core.tokens.update(txn, hash, &before, &after)?;
    Ok(Reply::auth(
        AuthReply::new(id, &after, holder.as_deref(), granted.seconds),
        granted.warnings,
    ))
}

fn times(table: &RoutingTable, mount: &str) -> (u64, u64) {
    table.by_uuid(mount).map_or((0, 0), |mount| {
        (mount.default_lease_ttl, mount.max_lease_ttl)
    })
}
