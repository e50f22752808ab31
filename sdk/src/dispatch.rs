//! From the contract's exports to a [`Plugin`]'s handlers.

use std::marker::PhantomData;

use crate::bindings::plugin::exports::coffer::plugin::engine as contract;
use crate::{Error, Lease, Path, Plugin, Request, Response, Result};

/// A type that knows its plugin.
pub trait Declared {
    /// The declaration.
    fn plugin() -> &'static Plugin;
}

/// The component of a plugin.
pub struct Component<D>(PhantomData<D>);

impl<D: Declared + 'static> contract::Guest for Component<D> {
    fn describe() -> contract::Description {
        D::plugin().describe()
    }

    fn handle(request: contract::Request) -> Result<contract::Response> {
        handle(D::plugin(), request).map(Into::into)
    }

    fn exists(request: contract::Request) -> Result<Option<bool>> {
        exists(D::plugin(), request)
    }

    fn renew(lease: contract::Lease, increment: u64) -> Result<contract::Renewal> {
        let renew = D::plugin().renew.ok_or_else(|| Error::invalid("lease is not renewable"))?;
        renew(&Lease::new(lease), increment)
    }

    fn revoke(lease: contract::Lease) -> Result<()> {
        D::plugin().revoke.map_or(Ok(()), |revoke| revoke(&Lease::new(lease)))
    }

    fn tick() -> Result<()> {
        D::plugin().tick.map_or(Ok(()), |tick| tick())
    }
}

/// The path that answers: the first that fits and has the operation.
fn find<'p>(plugin: &'static Plugin, request: &'p contract::Request) -> Result<(&'static Path, Vec<(&'static str, &'p str)>)> {
    let mut fits = false;
    let paths = plugin.choose.map_or(plugin.paths, |choose| choose());
    for path in paths {
        let Some(captures) = path.captures(&request.path) else { continue };
        if path.handler(request.operation).is_some() {
            return Ok((path, captures));
        }
        fits = true;
    }
    Err(if fits { Error::unsupported("unsupported operation") } else { Error::not_found("unsupported path") })
}

fn owned(captures: Vec<(&'static str, &str)>) -> Vec<(&'static str, String)> {
    captures.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// Answers a request.
pub fn handle(plugin: &'static Plugin, request: contract::Request) -> Result<Response> {
    let (path, captures) = find(plugin, &request)?;
    let captures = owned(captures);
    let handler = path.handler(request.operation).ok_or_else(|| Error::unsupported("unsupported operation"))?;
    let mut request = Request::new(request)?;
    let unknown: Vec<&str> = match path.has_fields() {
        true => request.data().keys().map(String::as_str).filter(|name| !path.knows(name)).collect(),
        false => Vec::new(),
    };
    let warning = (!unknown.is_empty()).then(|| format!("Endpoint ignored these unrecognized parameters: {unknown:?}"));
    request.capture(captures);
    let mut response = handler(&request)?;
    // A read or a list that answers nothing stays a 404.
    if response.data.is_some() || response.auth.is_some() {
        response.warnings.extend(warning);
    }
    Ok(response)
}

fn exists(plugin: &'static Plugin, request: contract::Request) -> Result<Option<bool>> {
    let (path, captures) = find(plugin, &request)?;
    let Some(exists) = path.exists else { return Ok(None) };
    let captures = owned(captures);
    let mut request = Request::new(request)?;
    request.capture(captures);
    exists(&request).map(Some)
}
