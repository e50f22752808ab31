//! Who may call what, of the host's own paths: one table for each native mount, read by routing, by authorisation, by help
//! and the OpenAPI document, and through that by the test that tries every path as everybody.

use std::pin::Pin;
use std::sync::Arc;

use coffer_barrier::Transaction;

use crate::fields::{Field, Fields};
use crate::identity::View;
use crate::params::Params;
use crate::policy::{Access, Acl, Capability};
use crate::reply::Reply;
use crate::request::{Gate, Method, Request};
use crate::token::{Held, TokenKind};
use crate::{Core, Error, paths};

/// What a path wants of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anybody may call.
    Nothing,
    /// A token whose policies grant the operation.
    Token,
    /// The same, and `sudo`.
    Sudo,
    /// What the listener says.
    Gate(Gated),
}

/// The paths that listeners differ in; see [`Gates`](crate::request::Gates).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gated {
    Rekey,
    GenerateRoot,
    Metrics,
    InFlight,
}

impl Needs {
    /// What that is for this request.
    pub fn of(self, request: &Request) -> Self {
        let gates = request.gates;
        let (gate, closed) = match self {
            Self::Gate(Gated::Rekey) => (gates.rekey, Self::Sudo),
            Self::Gate(Gated::GenerateRoot) => (gates.generate_root, Self::Sudo),
            Self::Gate(Gated::Metrics) => (gates.metrics, Self::Token),
            Self::Gate(Gated::InFlight) => (gates.in_flight, Self::Token),
            needs => return needs,
        };
        match gate {
            Gate::Open => Self::Nothing,
            Gate::Closed => closed,
        }
    }

    /// Whether a token is needed where no listener says otherwise.
    pub fn usually_nothing(self) -> bool {
        matches!(
            self,
            Self::Nothing | Self::Gate(Gated::Rekey | Gated::GenerateRoot)
        )
    }
}

/// A request to a native path that has been let in.
pub struct Context<'r> {
    pub core: &'r Arc<Core>,
    pub txn: &'r mut Transaction,
    pub request: &'r Request,
    pub params: Params,
    /// The namespace's id.
    pub ns: &'r str,
    /// The caller's token; None only where none is needed.
    pub caller: Option<Authenticated>,
    /// To be done when the transaction is durable.
    pub after_commit: Vec<AfterCommit>,
    /// Whether a part of it is durable already, the use of the token with it.
    pub committed: bool,
}

/// A caller whose token was checked.
#[derive(Clone)]
pub struct Authenticated {
    pub held: Held,
    /// Who holds it, if that is known.
    pub identity: Option<Arc<View>>,
    pub acl: Arc<Acl>,
}

impl Authenticated {
    /// Whether the token can be used so many times only.
    pub fn is_counted(&self) -> bool {
        let entry = &self.held.token.entry;
        entry.num_uses > 0 && entry.kind == TokenKind::Service
    }
}

/// What follows a commit.
pub enum AfterCommit {
    /// Instances and connections of a mount are dropped.
    DropMount(String),
}

impl Context<'_> {
    /// Makes durable what was written so far, and goes on from there.
    pub async fn commit_and_continue(&mut self) -> Result<(), Error> {
        self.txn.commit_and_continue().await?;
        self.committed = true;
        Ok(())
    }

    /// Whether the caller showed a token that may do anything here that needs `sudo`, where none is needed.
    pub fn may_always(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| {
            caller.acl.allows(&Access {
                path: &self.request.path,
                capability: Capability::Update,
                sudo: true,
                parameters: Some(self.params.map()),
                wrap_ttl: None,
            })
        })
    }

    /// The name of what the request is about. Whoever cancels may have it in the body or in the query.
    pub fn nonce(&self) -> Result<String, Error> {
        let nonce = match self.request.method {
            Method::Delete if !self.params.has("nonce") => {
                Params::from_body(&self.request.body)?.text("nonce")?
            }
            _ => self.params.text("nonce")?,
        };
        Ok(nonce.unwrap_or_default())
    }

    /// The caller.
    pub fn caller(&self) -> Result<&Authenticated, Error> {
        self.caller.as_ref().ok_or(Error::InvalidToken)
    }
}

/// A handler's answer to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send + 'a>>;
/// A handler.
pub type Handler = for<'a, 'r> fn(&'a mut Context<'r>) -> Answer<'a>;

/// A path and its operations.
pub struct Route {
    /// Below the mount: `{name}` is one segment, `{name*}` the rest, not empty.
    pub pattern: &'static str,
    pub help: &'static str,
    pub needs: Needs,
    /// Besides those in the pattern.
    pub fields: Fields,
    pub operations: &'static [(Method, Handler)],
}

impl Route {
    /// Whether it takes a parameter of this name, in its pattern or besides.
    pub fn takes(&self, name: &str) -> bool {
        let declared = |fields: &[Field]| fields.iter().any(|field| field.name == name);
        self.fields.is_none_or(declared) || paths::parameters(self.pattern).any(|have| have == name)
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pattern)
    }
}

/// What the pattern's names stand for in this path; None if it does not fit.
fn captures<'n, 'p>(pattern: &'n str, path: &'p str) -> Option<Vec<(&'n str, &'p str)>> {
    let mut captures = Vec::new();
    let mut rest = Some(path);
    for segment in pattern.split('/') {
        let here = rest?;
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("*}")) {
            return (!here.is_empty()).then(|| {
                captures.push((name, here));
                captures
            });
        }
        let (first, after) = match here.split_once('/') {
            Some((first, after)) => (first, Some(after)),
            None => (here, None),
        };
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if !first.is_empty() => captures.push((name, first)),
            None if segment == first => {}
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(captures)
}

/// Whether a path fits a pattern of a table.
pub fn fits(pattern: &str, path: &str) -> bool {
    captures(pattern, path.trim_end_matches('/')).is_some()
}

/// A path found in a table.
pub struct Found<'p> {
    pub route: &'static Route,
    pub handler: Option<Handler>,
    pub captures: Vec<(&'static str, &'p str)>,
}

/// Finds a path. The first route that fits and has the operation wins; else the first that fits.
pub fn find<'p>(table: &'static [Route], method: Method, path: &'p str) -> Option<Found<'p>> {
    let path = path.trim_end_matches('/');
    let method = if method == Method::Head {
        Method::Get
    } else {
        method
    };
    let mut fallback = None;
    for route in table {
        let Some(captures) = captures(route.pattern, path) else {
            continue;
        };
        let handler = route
            .operations
            .iter()
            .find(|(have, _)| *have == method)
            .map(|(_, handler)| *handler);
        let found = Found {
            route,
            handler,
            captures,
        };
        if found.handler.is_some() {
            return Some(found);
        }
        fallback.get_or_insert(found);
    }
    fallback
}
