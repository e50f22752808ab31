//! One attempt at a request: what the mount is asked, for whom and with which parameters.

use std::sync::Arc;

use coffer_barrier::Transaction;
use coffer_runtime as runtime;
use coffer_runtime::{Caller, MountContext, RequestCaller};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{authorize, capability, headers};
use crate::audit::{Doing, Trail};
use crate::effects::RequestEffects;
use crate::keys::Ns;
use crate::lockout::Who;
use crate::mount::{Backend, CUBBYHOLE, Mount, PluginMount, Special};
use crate::params::Params;
use crate::policy::Capability;
use crate::reply::Reply;
use crate::request::{Method, Request};
use crate::routes::{self, AfterCommit, Authenticated, Context, Needs};
use crate::{Core, Error, cubbyhole, paths};

/// A request on its way to a mount.
pub(super) struct Attempt<'r> {
    pub(super) core: &'r Arc<Core>,
    pub(super) request: &'r Request,
    pub(super) ns: &'static str,
    pub(super) trail: &'r Trail<'r>,
    pub(super) mount: &'r Arc<Mount>,
    /// Below the mount.
    pub(super) path: &'r str,
    /// Whether a use of the caller's token is still to be counted if this fails.
    pub(super) uses_token: bool,
}

impl Attempt<'_> {
    pub(super) async fn native(
        &mut self,
        mut txn: Transaction,
        table: &'static [routes::Route],
    ) -> Result<Reply, Error> {
        let found = routes::find(table, self.request.method, self.path);
        let needs = found
            .as_ref()
            .map_or(Needs::Token, |found| found.route.needs.of(self.request));
        // A path that needs no token still knows its caller if there is one.
        let mut caller = match needs {
            Needs::Nothing if self.request.token.is_none() => None,
            _ => Some(
                self.core
                    .authenticate(&mut txn, self.ns, self.request)
                    .await?,
            ),
        };
        self.trail.found(caller.as_ref(), self.mount);
        if let Some(caller) = caller.as_ref().filter(|_| needs != Needs::Nothing) {
            self.uses_token = caller.is_counted();
            let creates = self.mount.entry.kind == CUBBYHOLE
                && self.request.method == Method::Post
                && !cubbyhole::holds(&mut txn, self.ns, caller, self.path).await?;
            let capability = match creates {
                true => Capability::Create,
                false => capability(self.request.method),
            };
            authorize(caller, self.request, capability, needs == Needs::Sudo)?;
        }
        let found = found.ok_or(Error::UnsupportedPath)?;
        let handler = found.handler.ok_or(Error::UnsupportedOperation)?;
        let mut params = Params::of(self.request)?;
        let unheard = params.take_to(found.route, &found.captures);
        if let Some(caller) = caller.as_mut().filter(|_| needs != Needs::Nothing) {
            self.core.use_token(&mut txn, caller)?;
        }
        self.trail.admit(self.doing()).await?;
        let mut context = Context {
            core: self.core,
            txn: &mut txn,
            request: self.request,
            params,
            ns: self.ns,
            caller,
            after_commit: Vec::new(),
            committed: false,
        };
        let reply = handler(&mut context).await;
        self.uses_token &= !context.committed;
        let mut reply = reply?;
        // As in Vault, who gets no answer gets no advice either.
        if !reply.is_nothing() {
            reply.warnings.extend(unheard);
        }
        let after = std::mem::take(&mut context.after_commit);
        drop(context);
        let reply = self.wrapped(&mut txn, reply).await?;
        txn.commit().await?;
        for action in after {
            match action {
                AfterCommit::DropMount(uuid) => self.core.plugins.drop_mount(&uuid),
            }
        }
        Ok(reply)
    }

    pub(super) async fn plugin(&mut self, mut txn: Transaction) -> Result<Reply, Error> {
        let special = match &self.mount.backend {
            Backend::Plugin(plugin) => plugin.special(self.path),
            _ => Special::default(),
        };
        self.trail.found(None, self.mount);
        let mut data = self.data()?;
        let caller = if special.unauthenticated {
            None
        } else {
            let mut caller = self
                .core
                .authenticate(&mut txn, self.ns, self.request)
                .await?;
            self.trail.found(Some(&caller), self.mount);
            self.uses_token = caller.is_counted();
            let capability;
            (capability, txn) = self.capability(special, &caller, &data, txn).await?;
            if let Some(judged) = authorize(&caller, self.request, capability, special.sudo)? {
                data = Value::Object(judged.into_map()).to_string();
            }
            self.core.use_token(&mut txn, &mut caller)?;
            Some(caller)
        };
        let plugin = self.mount.plugin();
        let inside = plugin
            .as_ref()
            .is_ok_and(|plugin| plugin.component.stays_inside());
        self.trail
            .admit(if inside { self.doing() } else { Doing::Changes })
            .await?;
        let plugin = plugin?;
        let who = match special.unauthenticated && self.request.method == Method::Post {
            true => self.who(plugin, &data),
            false => None,
        };
        if let Some(who) = &who {
            self.core.refuse_locked(&mut txn, self.mount, who).await?;
        }
        // Somebody without a token grants nothing.
        let grants = special.names_servers && plugin.takes_servers() && caller.is_some();
        let context = match grants {
            true => self.grant_named(plugin, &data, &mut txn).await?,
            false => plugin.context.clone(),
        };
        let effects = Arc::new(RequestEffects {
            mount: self.mount.clone(),
            path: self.path.to_owned(),
            owner: caller.as_ref().map(|caller| caller.held.clone()),
            core: self.core.clone(),
            claim: std::sync::Mutex::default(),
            headers: headers::passed(&self.mount.entry.config, self.request),
            said: std::sync::Mutex::default(),
            groups: std::sync::Mutex::default(),
            content: std::sync::Mutex::default(),
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
                &context,
                instance,
                txn,
                effects.clone(),
                request,
            )
            .await;
        // What it committed before it touched anything has counted the use.
        self.uses_token &= !outcome.touched;
        let reply = self.finish(outcome, &effects).await;
        if let Some(who) = who {
            self.note_login(&who, &reply).await?;
        }
        reply
    }

    /// What an operation of this kind does, if it touches nothing outside.
    fn doing(&self) -> Doing {
        match self.request.method {
            Method::Get | Method::Head | Method::List => Doing::Reads,
            Method::Post | Method::Patch | Method::Delete => Doing::Changes,
        }
    }

    /// Who logs in, where those who fail are locked out.
    fn who(&self, plugin: &PluginMount, data: &str) -> Option<Who> {
        let entry = &self.mount.entry;
        if self.core.lockout(entry).is_disabled() {
            return None;
        }
        let name = plugin.login_name(self.path, data)?;
        Some(Who::new(entry, &name))
    }

    async fn note_login(&self, who: &Who, reply: &Result<Reply, Error>) -> Result<(), Error> {
        use runtime::ErrorKind::{InvalidRequest, PermissionDenied};
        match reply {
            Ok(_) => self.core.lockouts.forget(who),
            Err(Error::Plugin(error))
                if matches!(error.kind, InvalidRequest | PermissionDenied) =>
            {
                self.core.count_failed_login(self.mount, who).await?;
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Who writes a configuration grants the mount what it names: for this request already, and with its commit for good.
    /// Who deletes it takes that back.
    async fn grant_named(
        &self,
        plugin: &PluginMount,
        data: &str,
        txn: &mut Transaction,
    ) -> Result<Arc<MountContext>, Error> {
        let entry = &self.mount.entry;
        let parse = |error: serde_json::Error| Error::invalid(error.to_string());
        let data: Value = serde_json::from_str(data).map_err(parse)?;
        let mut grants = coffer_runtime::Grants::clone(&plugin.context.grants);
        for field in plugin.server_fields(self.path) {
            let path = format!("{}#{field}", self.path.trim_end_matches('/'));
            let key = Ns(&entry.ns).destinations(&entry.uuid, &hex::encode(path));
            match (self.request.method, data.get(field)) {
                (Method::Delete, _) if txn.get(&key).await?.is_some() => txn.delete(key),
                (Method::Post | Method::Patch, Some(value)) => {
                    grants.name(value);
                    txn.put(key, value.to_string());
                }
                _ => {}
            }
        }
        Ok(Arc::new(MountContext {
            grants: Arc::new(grants),
            ..MountContext::clone(&plugin.context)
        }))
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

fn isolation(caller: Option<&Authenticated>) -> Caller {
    caller.map_or(Caller::Anonymous, |caller| {
        Caller::Token(caller.held.token.hash.as_str().into())
    })
}
