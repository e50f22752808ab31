//! What happens when a plugin says that it is about to act on the outside world: the lease, and all that it wrote so far,
//! become durable first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use coffer_barrier::{BarrierError, Transaction};
use coffer_runtime::{Effects, EffectsError, LeaseGrant, LeaseRequest};

use crate::keys::Ns;
use crate::lease::{self, Claim, Lease, Leased};
use crate::mount::Mount;
use crate::pipeline::content::Content;
use crate::pipeline::headers::Said;
use crate::token::{Held, TokenKind};
use crate::ttl::TtlInput;
use crate::{Core, Error, limits};

/// One request's way to a lease.
pub(crate) struct RequestEffects {
    pub core: Arc<Core>,
    pub mount: Arc<Mount>,
    /// Below the mount.
    pub path: String,
    /// Whose lease it will be.
    pub owner: Option<Held>,
    /// Of the lease: while the request is under way nobody revokes it. What it stands for may not be there yet, and would
    /// be made after nothing was found.
    pub claim: Mutex<Option<Claim>>,
    /// What the request says in headers that the mount lets through.
    pub headers: Vec<(String, String)>,
    /// What the plugin has said in headers so far.
    pub said: Mutex<Said>,
    /// The groups that the plugin has said who logs in is in.
    pub groups: Mutex<Vec<String>>,
    /// What it answers in place of JSON.
    pub content: Mutex<Option<Content>>,
}

#[async_trait]
impl Effects for RequestEffects {
    async fn prepare(
        &self,
        txn: &mut Transaction,
        lease: Option<LeaseRequest>,
    ) -> Result<Option<LeaseGrant>, EffectsError> {
        let grant = match lease {
            Some(request) => {
                let grant = self.lease(txn, request)?;
                let claim = self.core.in_flight.claim(&grant.lease_id).await;
                *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim);
                Some(grant)
            }
            None => None,
        };
        self.mount.pin(txn);
        if grant.is_some() {
            self.require_owner(txn).await?;
        }
        txn.commit_and_continue()
            .await
            .map_err(EffectsError::Barrier)?;
        Ok(grant)
    }

    async fn withdraw(&self, lease_id: &str) -> Result<(), String> {
        lease::forget(&self.core, &self.mount.entry.ns, lease_id)
            .await
            .map_err(|error| error.to_string())
    }

    async fn request_header(&self, name: &str) -> Vec<String> {
        let is_meant = |(passed, _): &&(String, String)| passed.eq_ignore_ascii_case(name);
        let values = self.headers.iter().filter(is_meant);
        values.map(|(_, value)| value.clone()).collect()
    }

    async fn respond_with_header(&self, name: &str, value: &str) -> Result<(), String> {
        self.said().add(&self.mount.entry.config, name, value)
    }

    async fn login_groups(&self, names: Vec<String>) -> Result<(), String> {
        let wrong = |name: &String| name.is_empty() || name.len() > limits::IDENTITY_NAME;
        if names.len() > limits::LOGIN_GROUPS {
            return Err(format!("a login can name {} groups", limits::LOGIN_GROUPS));
        }
        if names.iter().any(wrong) {
            return Err(format!(
                "a group's name has between 1 and {} bytes",
                limits::IDENTITY_NAME
            ));
        }
        *self.groups.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    }

    async fn respond_with(&self, content_type: &str, body: Vec<u8>) -> Result<(), String> {
        let content = Content::new(content_type, body)?;
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = Some(content);
        Ok(())
    }
}

impl RequestEffects {
    /// Makes it a condition that the token is there that the lease ends with, of a batch token its parent: one that was revoked meanwhile gets
    /// nothing. As it is stored now: the request itself may have counted a use of it.
    async fn require_owner(&self, txn: &mut Transaction) -> Result<(), EffectsError> {
        let Some(owner) = &self.owner else {
            return Ok(());
        };
        let entry = &owner.token.entry;
        let ends_with = match entry.kind {
            TokenKind::Service => Some(&owner.token.hash),
            TokenKind::Batch => entry.parent.as_ref(),
        };
        let Some(hash) = ends_with else {
            return Ok(());
        };
        // What is read is a condition of the commit.
        let found = txn.get_versioned(&Ns(&entry.ns).token(hash)).await;
        match found.map_err(EffectsError::Barrier)? {
            Some(_) => Ok(()),
            None => Err(EffectsError::Refused(
                "the token that the lease would end with is gone".to_owned(),
            )),
        }
    }

    /// What the plugin has said in headers so far.
    pub(crate) fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the groups that the plugin has said who logs in is in.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut groups)
    }

    /// What it answers in place of JSON, if anything.
    pub(crate) fn content(&self) -> Option<Content> {
        self.content
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Lets others have the lease.
    pub(crate) fn release(&self) {
        self.claim
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Whether a lease that was granted is still to live. While the request was under way nobody could revoke it, but it may
    /// have become due: by a revocation of a prefix or of its token, or because its mount was disabled.
    pub(crate) async fn lives(&self, lease_id: &str) -> Result<bool, Error> {
        let mut txn = self.core.barrier.begin()?;
        let found = lease::load(&mut txn, &self.mount.entry.ns, lease_id).await?;
        Ok(matches!(found, Some(Leased::Secret(lease)) if lease.due > self.core.clock.now()))
    }

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
        let now = self.core.clock.now();
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
                self.core.random.base62(24)
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
