//! What can be called below a mount, in the contract's terms: the same for the host's own paths and a plugin's. Help and
//! the OpenAPI document are made from it.

pub mod help;
pub mod openapi;

use std::borrow::Cow;

use coffer_runtime::{Field, FieldType, Operation, PathDescription};

use crate::fields::Fields;
use crate::mount::{Backend, CUBBYHOLE, Mount, SYSTEM};
use crate::request::Method;
use crate::routes::{Needs, Route};
use crate::sys::LIFECYCLE;

/// The paths below a mount; none if it is unavailable.
pub fn of(mount: &Mount) -> Cow<'_, [PathDescription]> {
    match &mount.backend {
        Backend::Native(routes) => {
            // What is there while the server is sealed.
            let lifecycle = match mount.entry.kind.as_str() {
                SYSTEM => LIFECYCLE,
                _ => &[],
            };
            let lifecycle = lifecycle.iter().map(|path| {
                let methods = path.operations.iter().map(|(method, _)| *method);
                native(path.path, path.help, Needs::Nothing, path.fields, methods)
            });
            let mut all: Vec<_> = lifecycle.chain(routes.iter().map(route)).collect();
            if mount.entry.kind == CUBBYHOLE {
                all.iter_mut().for_each(|path| path.checks_existence = true);
            }
            all.into()
        }
        Backend::Plugin(plugin) => plugin
            .component
            .plugin()
            .map_or(&[][..], |description| &description.paths)
            .into(),
        Backend::Unavailable(_) => Cow::default(),
    }
}

fn route(route: &Route) -> PathDescription {
    let methods = route.operations.iter().map(|(method, _)| *method);
    native(
        route.pattern,
        route.help,
        route.needs,
        route.fields,
        methods,
    )
}

fn native(
    pattern: &str,
    help: &str,
    needs: Needs,
    fields: Fields,
    methods: impl Iterator<Item = Method>,
) -> PathDescription {
    let field = |name: &str, kind, help: &str, required| Field {
        name: name.to_owned(),
        kind,
        help: help.to_owned(),
        required,
        deprecated: false,
        default: String::new(),
        destination: false,
    };
    let captured = || parameters(pattern);
    let others = fields.unwrap_or_default().iter();
    let others = others.filter(|other| captured().all(|name| name != other.name));
    let others = others.map(|other| field(other.name, other.kind, other.help, false));
    let fields = captured()
        .map(|name| field(name, FieldType::Text, "", true))
        .chain(others);
    PathDescription {
        pattern: pattern.to_owned(),
        operations: methods.map(operation).collect(),
        fields: fields.collect(),
        help: help.to_owned(),
        unauthenticated: needs.usually_nothing(),
        sudo: needs == Needs::Sudo,
        checks_existence: false,
    }
}

/// What a method asks of a plugin.
pub fn operation(method: Method) -> Operation {
    match method {
        Method::Get | Method::Head => Operation::Read,
        Method::Post => Operation::Write,
        Method::Patch => Operation::Patch,
        Method::Delete => Operation::Delete,
        Method::List => Operation::List,
    }
}

/// The names that a pattern takes from a path.
pub fn parameters(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(match name.trim_end_matches('*') {
            "" => "path",
            name => name,
        })
    })
}
