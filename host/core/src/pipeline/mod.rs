//! One request, from what the API read to what it will write: namespace, token, policy, route, plugin, lease, commit.
//!
//! It reads one snapshot and commits once. If the commit loses a race, all of it is run again from the start, unless
//! something outside was touched.

mod answer;
mod attempt;
pub(crate) mod content;
pub(crate) mod headers;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use coffer_barrier::Transaction;

use self::attempt::Attempt;
use crate::audit::{Doing, Trail};
use crate::core::Turn;
use crate::identity::View;
use crate::mount::Backend;
use crate::params::Params;
use crate::policy::{Access, Capability};
use crate::policy_store::AclSlot;
use crate::reply::Reply;
use crate::request::{Method, Request, Response};
use crate::routes::Authenticated;
use crate::token::{Token, TokenEntry};
use crate::{Core, Error, paths, sys, wrapping};

impl Core {
    /// Answers a request. Never fails: errors are answers.
    pub async fn handle(self: &Arc<Self>, mut request: Request) -> Response {
        self.requests.fetch_add(1, Ordering::Relaxed);
        sys::fold_policy_name(&mut request.path);
        if let Some(answer) = sys::lifecycle(self, &request).await {
            return answer.unwrap_or_else(|error| failed(&request, &error));
        }
        if let Err(error) = self.unwrap_caller(&mut request).await {
            return failed(&request, &error);
        }
        let request = &request;
        let trail = match Trail::begin(self, request).await {
            Ok(trail) => trail,
            Err(error) => return failed(request, &error),
        };
        let _here = self.under_way.enter(trail.id(), request, self.clock.now());
        let mut seals = self.seals.subscribe();
        let answered = tokio::select! {
            // Sealing is itself a request, which ends well.
            biased;
            answered = self.dispatch(request, &trail) => answered,
            _ = seals.changed() => Err(Error::Sealed),
        };
        let (response, error) = match answered {
            Ok(response) => (response, None),
            Err(error) => (failed(request, &error), Some(error.to_string())),
        };
        match trail.close(&response, error.as_deref()).await {
            Ok(()) => response,
            Err(error) => failed(request, &error),
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        request: &Request,
        trail: &Trail<'_>,
    ) -> Result<Response, Error> {
        let ns = Self::namespace(&request.namespace)?;
        // Before anything is done for an answer that could not be given.
        wrapping::asked(request)?;
        let mut turn = Turn::default();
        loop {
            match self.attempt(request, ns, trail).await {
                Err(Error::Conflict(key)) => turn.lost(self, key).await?,
                Ok(reply) => return Ok(reply.respond(trail.id())),
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        self: &Arc<Self>,
        request: &Request,
        ns: &'static str,
        trail: &Trail<'_>,
    ) -> Result<Reply, Error> {
        let mut txn = self.barrier.begin()?;
        let table = self.mounts(&mut txn).await?;
        let Some((mount, path)) = table.route(&request.path) else {
            // Only those who may go there learn that there is nothing.
            let caller = self.authenticate(&mut txn, ns, request).await?;
            if caller.is_counted() {
                self.count_failure(request, ns).await?;
            }
            authorize(&caller, request, capability(request.method), false)?;
            return Err(Error::NoRoute(request.path.clone()));
        };
        // Help is for everybody who has a token, as in Vault.
        if request.method == Method::Get && request.query.iter().any(|(name, _)| name == "help") {
            let mut caller = self.authenticate(&mut txn, ns, request).await?;
            trail.found(Some(&caller), mount);
            trail.admit(Doing::Reads).await?;
            self.use_token(&mut txn, &mut caller)?;
            txn.commit().await?;
            return paths::help::help(mount, path, self.config.version);
        }
        let mut attempt = Attempt {
            core: self,
            request,
            ns,
            trail,
            mount,
            path,
            uses_token: false,
        };
        let reply = match &mount.backend {
            Backend::Native(routes) => attempt.native(txn, routes).await,
            Backend::Plugin(_) | Backend::Unavailable(_) => attempt.plugin(txn).await,
        };
        match reply {
            // What is run again is counted then.
            Err(error) if attempt.uses_token && !matches!(error, Error::Conflict(_)) => {
                self.count_failure(request, ns).await?;
                Err(error)
            }
            reply => reply,
        }
    }

    /// A request that failed is a use of its token like any other, though nothing else of it is stored.
    async fn count_failure(self: &Arc<Self>, request: &Request, ns: &str) -> Result<(), Error> {
        self.transact(|mut txn| async move {
            if let Ok(mut caller) = self.authenticate(&mut txn, ns, request).await {
                self.use_token(&mut txn, &mut caller)?;
            }
            Ok(((), txn))
        })
        .await
    }

    /// The caller, if its token is good: known, not expired, used from where it may be.
    async fn authenticate(
        &self,
        txn: &mut Transaction,
        ns: &str,
        request: &Request,
    ) -> Result<Authenticated, Error> {
        let id = request.token.as_deref().ok_or(Error::InvalidToken)?;
        let held = self
            .tokens
            .living(txn, ns, id, self.clock.now())
            .await?
            .ok_or(Error::InvalidToken)?;
        let entry = &held.token.entry;
        if !entry.allows(request.remote.ip().to_canonical()) {
            return Err(Error::InvalidToken);
        }
        let identity = self.holder(txn, entry).await?;
        let (slot, holder) = (&held.token.acl, identity.as_deref());
        let acl = self.policies.acl(txn, entry, holder, slot).await?;
        Ok(Authenticated {
            held,
            identity,
            acl,
        })
    }

    /// Who holds a token; None if that is not known of it.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if it is disabled or gone.
    pub(crate) async fn holder(
        &self,
        txn: &mut Transaction,
        entry: &TokenEntry,
    ) -> Result<Option<Arc<View>>, Error> {
        let Some(id) = &entry.entity else {
            return Ok(None);
        };
        let view = self.identity.view(txn, &entry.ns, id).await?;
        view.map(|view| Some(Arc::new(view)))
            .ok_or(Error::InvalidToken)
    }

    /// Counts one use of a token that has only so many. The last one ends it.
    fn use_token(&self, txn: &mut Transaction, caller: &mut Authenticated) -> Result<(), Error> {
        if !caller.is_counted() {
            return Ok(());
        }
        caller.held.require(txn);
        let token = caller.held.token.clone();
        let before = &token.entry;
        if before.num_uses == 1 {
            // The request goes on as that of a token with one use left: 0 would mean any number.
            let now = self.clock.now();
            return self.tokens.revoke(txn, &token.hash, before, false, now);
        }
        let after = TokenEntry {
            num_uses: before.num_uses - 1,
            ..before.clone()
        };
        self.tokens.update(txn, &token.hash, before, &after)?;
        caller.held.token = Arc::new(Token {
            entry: after,
            hash: token.hash.clone(),
            acl: AclSlot::default(),
        });
        Ok(())
    }
}

/// The answer to a request that failed; what is not the caller's doing is also the operator's to know.
fn failed(request: &Request, error: &Error) -> Response {
    match error {
        Error::Sealed => {}
        Error::Audit(reason) => {
            tracing::error!(
                path = request.path,
                reason,
                "no audit device has recorded a request"
            );
        }
        error if error.status() >= 500 => {
            tracing::error!(path = request.path, %error, "request failed");
        }
        _ => {}
    }
    error.respond()
}

/// What an operation needs, where it is not known whether it creates or updates.
fn capability(method: Method) -> Capability {
    match method {
        Method::Get | Method::Head => Capability::Read,
        Method::Post => Capability::Update,
        Method::Patch => Capability::Patch,
        Method::Delete => Capability::Delete,
        Method::List => Capability::List,
    }
}

/// Whether the caller may. Where that depends on parameters, they are returned as they were judged: whoever acts on the
/// request must see no others, of a name that comes twice for instance.
fn authorize(
    caller: &Authenticated,
    request: &Request,
    capability: Capability,
    sudo: bool,
) -> Result<Option<Params>, Error> {
    if caller.acl.is_root() {
        return Ok(None);
    }
    let parsed = match capability {
        Capability::Create | Capability::Read | Capability::Update | Capability::Patch
            if caller.acl.needs_parameters(&request.path) =>
        {
            Some(Params::of(request)?)
        }
        _ => None,
    };
    let access = Access {
        path: &request.path,
        capability,
        sudo,
        parameters: parsed.as_ref().map(Params::map),
        wrap_ttl: wrapping::asked(request)?,
    };
    if caller.acl.allows(&access) {
        Ok(parsed)
    } else {
        Err(Error::Denied)
    }
}
