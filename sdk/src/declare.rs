use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::{Decl, Lease, Renewal, Request, Response, Result};

pub use contract::Operation;

/// A handler.
pub type Handler = fn(&Request) -> Result<Response>;

/// A path, and what can be done there.
pub struct Path {
    pub(crate) pattern: &'static str,
    help: &'static str,
    fields: &'static [Decl],
    unauthenticated: bool,
    sudo: bool,
    pub(crate) exists: Option<fn(&Request) -> Result<bool>>,
    handlers: [Option<Handler>; 5],
}

const ALL: [Operation; 5] = [
    Operation::Read,
    Operation::Write,
    Operation::Patch,
    Operation::Delete,
    Operation::List,
];

impl Path {
    /// A path below the mount: `{name}` stands for one segment, `{name*}` (last) for the rest, which may be empty.
    pub const fn new(pattern: &'static str, help: &'static str) -> Self {
        Self {
            pattern,
            help,
            fields: &[],
            unauthenticated: false,
            sudo: false,
            exists: None,
            handlers: [None; 5],
        }
    }

    /// The parameters that it takes, those in the pattern included.
    #[must_use]
    pub const fn fields(mut self, fields: &'static [Decl]) -> Self {
        self.fields = fields;
        self
    }

    /// Needs no token.
    #[must_use]
    pub const fn unauthenticated(mut self) -> Self {
        self.unauthenticated = true;
        self
    }

    /// Needs the `sudo` capability.
    #[must_use]
    pub const fn sudo(mut self) -> Self {
        self.sudo = true;
        self
    }

    /// Tells creating from updating.
    #[must_use]
    pub const fn exists(mut self, exists: fn(&Request) -> Result<bool>) -> Self {
        self.exists = Some(exists);
        self
    }

    /// GET.
    #[must_use]
    pub const fn read(mut self, handler: Handler) -> Self {
        self.handlers[0] = Some(handler);
        self
    }

    /// POST and PUT.
    #[must_use]
    pub const fn write(mut self, handler: Handler) -> Self {
        self.handlers[1] = Some(handler);
        self
    }

    /// PATCH.
    #[must_use]
    pub const fn patch(mut self, handler: Handler) -> Self {
        self.handlers[2] = Some(handler);
        self
    }

    /// DELETE.
    #[must_use]
    pub const fn delete(mut self, handler: Handler) -> Self {
        self.handlers[3] = Some(handler);
        self
    }

    /// LIST.
    #[must_use]
    pub const fn list(mut self, handler: Handler) -> Self {
        self.handlers[4] = Some(handler);
        self
    }

    pub(crate) fn handler(&self, operation: Operation) -> Option<Handler> {
        ALL.iter()
            .zip(self.handlers)
            .find(|(have, _)| **have == operation)
            .and_then(|(_, handler)| handler)
    }

    /// Whether it is there for what no other path fits.
    pub(crate) fn takes_anything(&self) -> bool {
        self.pattern == "{*}"
    }

    pub(crate) fn knows(&self, field: &str) -> bool {
        self.fields.iter().any(|decl| decl.name == field)
    }

    pub(crate) fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    fn describe(&self) -> contract::Path {
        contract::Path {
            pattern: self.pattern.to_owned(),
            operations: ALL
                .into_iter()
                .filter(|operation| self.handler(*operation).is_some())
                .collect(),
            fields: self.fields.iter().map(describe_field).collect(),
            help: self.help.to_owned(),
            unauthenticated: self.unauthenticated,
            sudo: self.sudo,
            checks_existence: self.exists.is_some(),
        }
    }

    /// What the pattern's names stand for in this path; None if it does not fit.
    pub(crate) fn captures<'p>(&self, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
        let mut captures = Vec::new();
        let mut rest = Some(path);
        for segment in self.pattern.split('/') {
            if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("*}")) {
                // `{*}` takes the rest, and no parameter's name.
                captures.extend((!name.is_empty()).then(|| (name, rest.unwrap_or_default())));
                return Some(captures);
            }
            let here = rest?;
            let (first, after) = match here.split_once('/') {
                Some((first, after)) => (first, Some(after)),
                None => (here, None),
            };
            match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(name) if !first.is_empty() => captures.push((name, first)),
                None if segment == first => {}
                _ => return None,
            }
            // A trailing slash means the same path.
            rest = after.filter(|after| !after.is_empty());
        }
        rest.is_none().then_some(captures)
    }
}

fn describe_field(decl: &Decl) -> contract::Field {
    contract::Field {
        name: decl.name.to_owned(),
        kind: decl.kind,
        help: decl.help.to_owned(),
        required: decl.required,
        deprecated: decl.deprecated,
        default: decl.default.to_owned(),
        destination: decl.destination,
    }
}

/// A secret engine or an auth method: all that there is to say of it, in one `static`.
pub struct Plugin {
    kind: contract::EngineKind,
    name: &'static str,
    version: &'static str,
    help: &'static str,
    pub(crate) paths: &'static [Path],
    pub(crate) choose: Option<fn() -> &'static [Path]>,
    tick_every: u64,
    pub(crate) tick: Option<fn() -> Result<()>>,
    pub(crate) renew: Option<fn(&Lease, u64) -> Result<Renewal>>,
    pub(crate) revoke: Option<fn(&Lease) -> Result<()>>,
}

impl Plugin {
    const fn new(
        kind: contract::EngineKind,
        name: &'static str,
        version: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            kind,
            name,
            version,
            help,
            paths: &[],
            choose: None,
            tick_every: 0,
            tick: None,
            renew: None,
            revoke: None,
        }
    }

    /// A secret engine, with its name in the catalog and its semantic version.
    pub const fn secret(name: &'static str, version: &'static str, help: &'static str) -> Self {
        Self::new(contract::EngineKind::Secret, name, version, help)
    }

    /// An auth method.
    pub const fn auth(name: &'static str, version: &'static str, help: &'static str) -> Self {
        Self::new(contract::EngineKind::Auth, name, version, help)
    }

    /// Its paths: the first that fits a request and has its operation answers; `{*}` where no other one fits.
    #[must_use]
    pub const fn paths(mut self, paths: &'static [Path]) -> Self {
        self.paths = paths;
        self
    }

    /// Takes the paths from this function instead, which knows the mount; `paths` is then what there is in all.
    #[must_use]
    pub const fn choose(mut self, choose: fn() -> &'static [Path]) -> Self {
        self.choose = Some(choose);
        self
    }

    /// Periodic work, every so many seconds.
    #[must_use]
    pub const fn tick(mut self, every: u64, tick: fn() -> Result<()>) -> Self {
        self.tick_every = every;
        self.tick = Some(tick);
        self
    }

    /// Prolongs what a lease, or a token of this auth method, stands for; the increment is in seconds, 0 if not given.
    #[must_use]
    pub const fn renew(mut self, renew: fn(&Lease, u64) -> Result<Renewal>) -> Self {
        self.renew = Some(renew);
        self
    }

    /// Undoes what a lease stands for. Must succeed when that is gone already.
    #[must_use]
    pub const fn revoke(mut self, revoke: fn(&Lease) -> Result<()>) -> Self {
        self.revoke = Some(revoke);
        self
    }

    pub(crate) fn describe(&self) -> contract::Description {
        contract::Description {
            kind: self.kind,
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            help: self.help.to_owned(),
            paths: self.paths.iter().map(Path::describe).collect(),
            tick: self.tick_every,
        }
    }
}
