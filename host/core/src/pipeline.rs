//! One request, from what the API read to what it will write: namespace, token, policy, route, plugin, lease, commit.
//!
//! It reads one snapshot and commits once. If the commit loses a race, all of it is run again from the start, unless
//! something outside was touched.

use std::sync::Arc;

use coffer_barrier::{BarrierError, Transaction};
use coffer_runtime as runtime;
use coffer_runtime::{Caller, RequestCaller};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::core::Turn;
use crate::effects::RequestEffects;
use crate::lease::{self, Leased};
use crate::mount::{Backend, Mount, Special};
use crate::params::Params;
use crate::policy::{Access, Capability};
use crate::policy_store::AclSlot;
use crate::reply::{Data, LeaseReply, Reply};
use crate::request::{Method, Request, Response};
use crate::routes::{self, AfterCommit, Authenticated, Context, Needs};
use crate::token::{self, Alias, Token, TokenEntry, TokenRequest};
use crate::{Core, Error, limits, paths, sys};

impl Core {
    /// Answers a request. Never fails: errors are answers.
    pub async fn handle(self: &Arc<Self>, mut request: Request) -> Response {
        sys::fold_policy_name(&mut request.path);
        let mut seals = self.seals.subscribe();
        let answered = tokio::select! {
            // Sealing is itself a request, which ends well.
            biased;
            answered = self.dispatch(&request) => answered,
            _ = seals.changed() => Err(Error::Sealed),
        };
        match answered {
            Ok(response) => response,
            Err(error) => {
                if error.status() >= 500 && !matches!(error, Error::Sealed) {
                    tracing::error!(path = request.path, %error, "request failed");
                }
                error.respond()
            }
        }
    }

    async fn dispatch(self: &Arc<Self>, request: &Request) -> Result<Response, Error> {
        if let Some(answer) = sys::lifecycle(self, request).await {
            return answer;
        }
        let ns = Self::namespace(&request.namespace)?;
        if request
            .wrap_ttl
            .as_deref()
            .is_some_and(|ttl| !ttl.is_empty() && ttl != "0")
        {
            return Err(Error::invalid(
                "response wrapping is not available in this version; nothing was done",
            ));
        }
        let mut turn = Turn::default();
        loop {
            match self.attempt(request, ns).await {
                Err(Error::Conflict(key)) => turn.lost(self, key).await?,
                Ok(reply) => return Ok(reply.respond(&self.random.uuid())),
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        self: &Arc<Self>,
        request: &Request,
        ns: &'static str,
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
            self.use_token(&mut txn, &mut caller)?;
            txn.commit().await?;
            return paths::help::help(mount, path, self.config.version);
        }
        let mut attempt = Attempt {
            core: self,
            request,
            ns,
            mount,
            path,
            uses_token: false,
        };
        let reply = match &mount.backend {
            Backend::System => attempt.native(txn, sys::ROUTES).await,
            Backend::Token => attempt.native(txn, token::ROUTES).await,
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
        let acl = self.policies.acl(txn, entry, &held.token.acl).await?;
        Ok(Authenticated { held, acl })
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
        wrap_ttl: None,
    };
    if caller.acl.allows(&access) {
        Ok(parsed)
    } else {
        Err(Error::Denied)
    }
}

/// A request on its way to a mount.
struct Attempt<'r> {
    core: &'r Arc<Core>,
    request: &'r Request,
    ns: &'static str,
    mount: &'r Arc<Mount>,
    /// Below the mount.
    path: &'r str,
    /// Whether a use of the caller's token is still to be counted if this fails.
    uses_token: bool,
}

impl Attempt<'_> {
    async fn native(
        &mut self,
        mut txn: Transaction,
        table: &'static [routes::Route],
    ) -> Result<Reply, Error> {
        let found = routes::find(table, self.request.method, self.path);
        let needs = found
            .as_ref()
            .map_or(Needs::Token, |found| found.route.needs);
        // A path that needs no token still knows its caller if there is one.
        let mut caller = match needs {
            Needs::Nothing if self.request.token.is_none() => None,
            _ => Some(
                self.core
                    .authenticate(&mut txn, self.ns, self.request)
                    .await?,
            ),
        };
        if let Some(caller) = caller.as_ref().filter(|_| needs != Needs::Nothing) {
            self.uses_token = caller.is_counted();
            authorize(
                caller,
                self.request,
                capability(self.request.method),
                needs == Needs::Sudo,
            )?;
        }
        let found = found.ok_or(Error::UnsupportedPath)?;
        let handler = found.handler.ok_or(Error::UnsupportedOperation)?;
        let mut params = Params::of(self.request)?;
        for (name, value) in found.captures {
            params.set(name, value);
        }
        if let Some(caller) = caller.as_mut().filter(|_| needs != Needs::Nothing) {
            self.core.use_token(&mut txn, caller)?;
        }
        let mut context = Context {
            core: self.core,
            txn: &mut txn,
            request: self.request,
            params,
            ns: self.ns,
            caller,
            after_commit: Vec::new(),
        };
        let reply = handler(&mut context).await?;
        let after = std::mem::take(&mut context.after_commit);
        drop(context);
        txn.commit().await?;
        for action in after {
            match action {
                AfterCommit::DropMount(uuid) => self.core.plugins.drop_mount(&uuid),
            }
        }
        Ok(reply)
    }

    async fn plugin(&mut self, mut txn: Transaction) -> Result<Reply, Error> {
        let special = match &self.mount.backend {
            Backend::Plugin(plugin) => plugin.special(self.path),
            _ => Special::default(),
        };
        let mut data = self.data()?;
        let caller = if special.unauthenticated {
            None
        } else {
            let mut caller = self
                .core
                .authenticate(&mut txn, self.ns, self.request)
                .await?;
            self.uses_token = caller.is_counted();
            let capability;
            (capability, txn) = self.capability(special, &caller, &data, txn).await?;
            if let Some(judged) = authorize(&caller, self.request, capability, special.sudo)? {
                data = Value::Object(judged.into_map()).to_string();
            }
            self.core.use_token(&mut txn, &mut caller)?;
            Some(caller)
        };
        let plugin = self.mount.plugin()?;
        let effects = Arc::new(RequestEffects {
            mount: self.mount.clone(),
            path: self.path.to_owned(),
            owner: caller.as_ref().map(|caller| caller.held.clone()),
            core: self.core.clone(),
            claim: std::sync::Mutex::default(),
        });
        let (instance, request) = (
            isolation(caller.as_ref()),
            self.for_plugin(caller.as_ref(), data),
        );
        let outcome = self
            .core
            .plugins
            .handle(
                &plugin.component,
                &plugin.context,
                instance,
                txn,
                effects.clone(),
                request,
            )
            .await;
        // What it committed before it touched anything has counted the use.
        self.uses_token &= !outcome.touched;
        self.finish(outcome, &effects).await
    }

    /// Commits what the plugin and the host have written, and makes the reply.
    async fn finish(
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
        // What is written below a mount that is disabled meanwhile would stay for ever.
        effects.require_mount(&mut txn);
        let done = match self.reply(&mut txn, response, lease) {
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
            Ok(_) if !effects.lives(&lease_id).await? => Err(Error::Forbidden(
                "the lease was revoked before it was handed out".to_owned(),
            )),
            done => done,
        };
        if done.is_err() {
            self.undo(effects, &lease_id).await;
        }
        done
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

    fn reply(
        &self,
        txn: &mut Transaction,
        response: runtime::Response,
        lease: Option<runtime::LeaseGrant>,
    ) -> Result<Reply, Error> {
        let mut warnings = response.warnings;
        let data = response.data;
        if response.status.is_none() && response.auth.is_none() {
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
                let (auth, more) = self.login(txn, auth)?;
                warnings.extend(more);
                Some(auth)
            }
            None => None,
        };
        Ok(Reply {
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
        })
    }

    /// Makes the token of a successful login.
    fn login(
        &self,
        txn: &mut Transaction,
        auth: runtime::Auth,
    ) -> Result<(crate::reply::AuthReply, Vec<String>), Error> {
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
        let alias = auth.alias.map(|alias| Alias {
            mount_accessor: self.mount.entry.accessor.clone(),
            name: alias.name,
            metadata: alias.metadata.into_iter().collect(),
        });
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
            alias,
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

    /// Whether a write creates or updates matters only to policies that tell them apart: only then is the plugin asked.
    async fn capability(
        &self,
        special: Special,
        caller: &Authenticated,
        data: &str,
        txn: Transaction,
    ) -> Result<(Capability, Transaction), Error> {
        let default = capability(self.request.method);
        let asks = self.request.method == Method::Post && special.checks_existence;
        if !asks || caller.acl.treats_create_as_update(&self.request.path) {
            return Ok((default, txn));
        }
        let plugin = self.mount.plugin()?;
        let request = self.for_plugin(Some(caller), data.to_owned());
        let caller = isolation(Some(caller));
        let outcome = self
            .core
            .plugins
            .exists(&plugin.component, &plugin.context, caller, txn, request)
            .await;
        let (exists, txn) = self.mount.settle(outcome)?;
        let capability = if exists == Some(false) {
            Capability::Create
        } else {
            default
        };
        Ok((
            capability,
            txn.map_or_else(|| self.core.barrier.begin(), Ok)?,
        ))
    }

    fn for_plugin(&self, caller: Option<&Authenticated>, data: String) -> runtime::Request {
        let remote_address = self.request.remote.ip().to_canonical().to_string();
        runtime::Request {
            operation: paths::operation(self.request.method),
            path: self.path.to_owned(),
            data,
            caller: match caller {
                Some(caller) => RequestCaller {
                    display_name: caller.held.token.entry.display_name.clone(),
                    token: caller.held.token.hash.clone(),
                    remote_address,
                },
                None => RequestCaller {
                    display_name: String::new(),
                    token: String::new(),
                    remote_address,
                },
            },
        }
    }

    /// The parameters as JSON text: the body as it came, checked to be an object; or the query's.
    fn data(&self) -> Result<String, Error> {
        if !self.request.method.writes() {
            let query = Params::from_query(&self.request.query);
            return Ok(Value::Object(query.into_map()).to_string());
        }
        let body = &self.request.body;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok("{}".to_owned());
        }
        if self.request.method == Method::Patch {
            let kind = self
                .request
                .headers
                .get("content-type")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let merge = "application/merge-patch+json";
            if !kind
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(merge))
            {
                return Err(Error::MediaType(format!(
                    "PATCH requires Content-Type of {merge}, provided {kind}"
                )));
            }
        }
        let parse = |error: serde_json::Error| {
            Error::invalid(format!("failed to parse JSON input: {error}"))
        };
        let raw: &RawValue = serde_json::from_slice(body).map_err(parse)?;
        match raw.get().trim_start().as_bytes().first() {
            Some(b'{') => Ok(raw.get().to_owned()),
            Some(b'n') => Ok("{}".to_owned()),
            _ => Err(Error::invalid(
                "failed to parse JSON input: the body must be an object",
            )),
        }
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

fn isolation(caller: Option<&Authenticated>) -> Caller {
    caller.map_or(Caller::Anonymous, |caller| {
        Caller::Token(caller.held.token.hash.as_str().into())
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
