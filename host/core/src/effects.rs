//! What happens when a plugin says that it is about to act on the outside world: the lease, and all that it wrote so far,
//! become durable first.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_barrier::{BarrierError, Transaction};
use coffer_clock::{Clock, Random};
use coffer_runtime::{Effects, EffectsError, LeaseGrant, LeaseRequest};

use crate::Error;
use crate::lease::Lease;
use crate::mount::Mount;
use crate::token::{Held, TokenKind};
use crate::ttl::TtlInput;

/// One request's way to a lease.
pub(crate) struct RequestEffects {
    pub mount: Arc<Mount>,
    /// Below the mount.
    pub path: String,
    /// Whose lease it will be.
    pub owner: Option<Held>,
    pub clock: Clock,
    pub random: Random,
}

#[async_trait]
impl Effects for RequestEffects {
    async fn prepare(
        &self,
        txn: &mut Transaction,
        lease: Option<LeaseRequest>,
    ) -> Result<Option<LeaseGrant>, EffectsError> {
        let grant = match lease {
            Some(request) => Some(self.lease(txn, request)?),
            None => None,
        };
        if let Some(owner) = &self.owner {
            // A token that was revoked meanwhile gets nothing: nobody would end the lease with it.
            owner.require(txn);
        }
        txn.commit_and_continue()
            .await
            .map_err(EffectsError::Barrier)?;
        Ok(grant)
    }
}

impl RequestEffects {
    fn lease(
        &self,
        txn: &mut Transaction,
        request: LeaseRequest,
    ) -> Result<LeaseGrant, EffectsError> {
        if let Some(owner) = &self.owner
            && owner.token.entry.num_uses == 1
        {
            return Err(EffectsError::Refused(
                "the token had one use left and has ended with this request: it can have no lease"
                    .to_owned(),
            ));
        }
        let now = self.clock.now();
        let input = TtlInput {
            ttl: request.ttl,
            max_ttl: request.max_ttl,
            mount_default: self.mount.default_lease_ttl,
            mount_max: self.mount.max_lease_ttl,
            ..TtlInput::default()
        };
        let mut ttl = input.calculate(now).seconds;
        let mut ends = None;
        let token = match &self.owner {
            // A batch token cannot be revoked: its leases end with it by time, and with its parent.
            Some(owner) if owner.token.entry.kind == TokenKind::Batch => {
                ends = owner.token.entry.expires;
                ttl = ttl.min(owner.token.entry.ttl_left(now));
                owner.token.entry.parent.clone()
            }
            Some(owner) => Some(owner.token.hash.clone()),
            None => None,
        };
        let entry = &self.mount.entry;
        let expires = now.plus_seconds(ttl);
        let lease = Lease {
            ns: entry.ns.clone(),
            id: format!(
                "{}{}/{}",
                entry.full_path(),
                self.path.trim_end_matches('/'),
                self.random.base62(24)
            ),
            mount: entry.uuid.clone(),
            path: self.path.clone(),
            token,
            ends,
            group: request.group,
            issued: now,
            renewed: None,
            expires,
            due: expires,
            ttl,
            max_ttl: request.max_ttl,
            renewable: request.renewable,
            internal: request.internal,
            attempts: 0,
            last_error: None,
        };
        lease.create(txn).map_err(|error| match error {
            Error::Barrier(error) => EffectsError::Barrier(error),
            other => EffectsError::Barrier(BarrierError::Corrupt(other.to_string())),
        })?;
        Ok(LeaseGrant {
            lease_id: lease.id,
            ttl,
            expires: expires.0,
            renewable: lease.renewable,
        })
    }
}
