//! What comes of a plugin's answer: it is committed and becomes a reply, or what was made is undone.

use std::sync::Arc;

use coffer_barrier::{BarrierError, Transaction};
use coffer_runtime as runtime;
use serde_json::value::RawValue;

use super::attempt::Attempt;
use super::content::Content;
use crate::effects::RequestEffects;
use crate::identity::Alias;
use crate::lease::{self, Leased};
use crate::reply::{AuthReply, Data, LeaseReply, Reply};
use crate::request::Method;
use crate::token::{self, TokenRequest};
use crate::wrapping::{self, Wrapped};
use crate::{Error, limits};

impl Attempt<'_> {
    /// Commits what the plugin and the host have written, and makes the reply.
    pub(super) async fn finish(
        &self,
        mut outcome: runtime::Outcome<runtime::Response>,
        effects: &RequestEffects,
    ) -> Result<Reply, Error> {
        let lease = outcome.lease.take();
        let touched = outcome.touched;
        let (response, txn) = match self.mount.settle(outcome) {
            Ok(settled) => settled,
            Err(error) => {
                // What the plugin may have made outside is undone through its lease.
                if let Some(lease) = lease {
                    self.undo(effects, &lease.lease_id).await;
                }
                return Err(match error {
                    Error::Barrier(BarrierError::Conflict { .. }) => overtaken(),
                    other => other,
                });
            }
        };
        let Some(mut txn) = txn else {
            return Err(Error::Corrupt(self.mount.entry.full_path()));
        };
        let lease_id = lease.as_ref().map(|lease| lease.lease_id.clone());
        self.mount.pin(&mut txn);
        let (groups, content) = (effects.groups(), effects.content());
        let reply = self.reply(&mut txn, response, lease, groups, content);
        let reply = match reply.await {
            Ok(reply) => self.wrapped(&mut txn, reply).await,
            Err(error) => Err(error),
        };
        let reply = reply.map(|mut reply| {
            reply.headers.extend(effects.said().take());
            reply
        });
        let done = match reply {
            Ok(reply) => match txn.commit().await {
                Ok(_) => Ok(reply),
                // It cannot be run again.
                Err(BarrierError::Conflict { .. }) if touched => Err(overtaken()),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        let Some(lease_id) = lease_id else {
            return done;
        };
        let done = match done {
            Ok(reply) => match effects.lives(&lease_id).await {
                Ok(true) => Ok(reply),
                Ok(false) => Err(Error::Forbidden(
                    "the lease has ended before it could be handed out".to_owned(),
                )),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if done.is_err() {
            self.undo(effects, &lease_id).await;
        }
        done
    }

    /// The answer, or where it can be had once if it is to be wrapped.
    pub(super) async fn wrapped(
        &self,
        txn: &mut Transaction,
        reply: Reply,
    ) -> Result<Reply, Error> {
        match wrapping::asked(self.request)? {
            Some(ttl) if reply.wrap.is_none() && !reply.is_nothing() => {
                let wrap = Wrapped::of(reply, ttl, &self.request.path, self.trail.id())?;
                wrap.seal(self.core, txn, self.ns, self.request).await
            }
            _ => Ok(reply),
        }
    }

    /// Makes a lease due at once, and sees to it now: if that fails or takes too long the reaper goes on trying.
    async fn undo(&self, effects: &RequestEffects, lease_id: &str) {
        effects.release();
        let core = self.core;
        let done = core.transact(|mut txn| async move {
            if let Some(Leased::Secret(lease)) = lease::load(&mut txn, self.ns, lease_id).await? {
                lease.reschedule(&mut txn, core.clock.now())?;
            }
            Ok(((), txn))
        });
        if let Err(error) = done.await {
            tracing::error!(lease_id, %error, "a lease of a failed request stays until its time is over");
            return;
        }
        let _ =
            tokio::time::timeout(limits::UNDO, lease::revoke_now(core, self.ns, lease_id)).await;
    }

    async fn reply(
        &self,
        txn: &mut Transaction,
        response: runtime::Response,
        lease: Option<runtime::LeaseGrant>,
        groups: Vec<String>,
        content: Option<Content>,
    ) -> Result<Reply, Error> {
        let mut warnings = response.warnings;
        let data = response.data;
        if response.status.is_none() && response.auth.is_none() && content.is_none() {
            let empty_list = self.request.method == Method::List
                && data.as_ref().is_none_or(|data| is_empty_list(data));
            let nothing =
                matches!(self.request.method, Method::Get | Method::Head) && data.is_none();
            if (empty_list || nothing) && warnings.is_empty() {
                return Err(Error::Nothing);
            }
        }
        let auth = match response.auth {
            Some(auth) => {
                let (auth, more) = self.login(txn, auth, groups).await?;
                warnings.extend(more);
                Some(auth)
            }
            None => None,
        };
        let reply = Reply {
            status: response.status,
            data: data.map(Data::Raw),
            lease: lease.map_or_else(
                || LeaseReply {
                    duration: response.ttl,
                    ..LeaseReply::default()
                },
                |grant| LeaseReply {
                    id: grant.lease_id,
                    renewable: grant.renewable,
                    duration: grant.ttl,
                },
            ),
            auth,
            warnings,
            mount_type: self.mount.entry.kind.clone().into(),
            ..Reply::default()
        };
        match content {
            Some(content) => content.answer(reply),
            None => Ok(reply),
        }
    }

    /// Makes the token of a successful login, of somebody who is in these groups.
    async fn login(
        &self,
        txn: &mut Transaction,
        auth: runtime::Auth,
        groups: Vec<String>,
    ) -> Result<(AuthReply, Vec<String>), Error> {
        if auth
            .policies
            .iter()
            .any(|policy| policy.trim().eq_ignore_ascii_case("root"))
        {
            return Err(Error::invalid("auth methods cannot create root tokens"));
        }
        let tuned = self.mount.entry.config.token_type.as_str();
        let batch = match auth.kind {
            runtime::TokenKind::Batch => tuned != "service",
            runtime::TokenKind::Service => tuned == "batch",
            runtime::TokenKind::Default | runtime::TokenKind::DefaultService => {
                matches!(tuned, "batch" | "default-batch")
            }
            runtime::TokenKind::DefaultBatch => tuned != "service",
        };
        let metadata: std::collections::BTreeMap<_, _> = auth.metadata.into_iter().collect();
        let identity = match auth.alias {
            Some(alias) => {
                let alias = Alias {
                    mount_accessor: self.mount.entry.accessor.clone(),
                    name: alias.name,
                    metadata: alias.metadata.into_iter().collect(),
                    groups,
                };
                let view = self.core.identify(txn, self.ns, &alias).await?;
                Some(Arc::new(view))
            }
            None => None,
        };
        let prefix = self
            .mount
            .entry
            .path
            .trim_end_matches('/')
            .replace('/', "-");
        let display_name = match auth.display_name.as_str() {
            "" => prefix,
            name => format!("{prefix}-{name}"),
        };
        let request = TokenRequest {
            path: format!(
                "{}{}",
                self.mount.entry.full_path(),
                self.path.trim_end_matches('/')
            ),
            policies: auth.policies,
            no_default_policy: auth.no_default_policy,
            display_name,
            meta: Some(metadata).filter(|metadata| !metadata.is_empty()),
            identity,
            internal: Some(auth.internal),
            batch,
            renewable: auth.renewable,
            ttl: auth.ttl,
            max_ttl: auth.max_ttl,
            explicit_max_ttl: auth.explicit_max_ttl,
            period: auth.period,
            num_uses: auth.num_uses.into(),
            bound_cidrs: token::parse_cidrs(&auth.bound_cidrs)?,
            ..TokenRequest::default()
        };
        token::create(
            &self.core.tokens,
            txn,
            self.mount,
            request,
            self.core.clock.now(),
        )
    }
}

/// For a request that lost a race after it had touched something outside: it cannot be run again here.
fn overtaken() -> Error {
    Error::Plugin(runtime::PluginError {
        kind: runtime::ErrorKind::Conflict,
        message: "what the request was based on was changed while it was under way; try again"
            .to_owned(),
    })
}

fn is_empty_list(data: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Keys<'a> {
        #[serde(borrow)]
        keys: Option<Vec<&'a RawValue>>,
    }
    serde_json::from_str::<Keys<'_>>(data.get())
        .is_ok_and(|list| list.keys.is_none_or(|keys| keys.is_empty()))
}
