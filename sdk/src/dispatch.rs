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
        let renew = D::plugin()
            .renew
            .ok_or_else(|| Error::invalid("lease is not renewable"))?;
        renew(&Lease::new(lease), increment)
    }

    fn revoke(lease: contract::Lease) -> Result<()> {
        D::plugin()
            .revoke
            .map_or(Ok(()), |revoke| revoke(&Lease::new(lease)))
    }

    fn tick() -> Result<()> {
        D::plugin().tick.map_or(Ok(()), |tick| tick())
    }
}

/// The path that answers, the first that fits and has the operation, and the request as its handler sees it.
fn route(plugin: &'static Plugin, request: contract::Request) -> Result<(&'static Path, Request)> {
    let mut fits = false;
    for path in plugin.choose.map_or(plugin.paths, |choose| choose()) {
        let Some(captures) = path.captures(&request.path) else {
            continue;
        };
        if fits && path.takes_anything() {
            continue;
        }
        if path.handler(request.operation).is_some() {
            let captures = captures
                .into_iter()
                .map(|(name, text)| (name, text.to_owned()))
                .collect();
            return Ok((path, Request::new(request, captures)?));
        }
        fits = true;
    }
    Err(if fits {
        unsupported()
    } else {
        Error::not_found("unsupported path")
    })
}

fn unsupported() -> Error {
    Error::unsupported("unsupported operation")
}

/// Answers a request.
pub fn handle(plugin: &'static Plugin, request: contract::Request) -> Result<Response> {
    let (path, request) = route(plugin, request)?;
    let handler = path.handler(request.operation).ok_or_else(unsupported)?;
    let mut response = handler(&request)?;
    // A read or a list that answers nothing is a 404, and needs no advice.
    if response.data.is_some() || response.auth.is_some() || !response.warnings.is_empty() {
        response.warnings.extend(remarks(path, &request));
    }
    Ok(response)
}

/// What of the body had no effect. A path that declares no fields takes anything.
fn remarks(path: &Path, request: &Request) -> Vec<String> {
    let names = |pick: &dyn Fn(&str) -> bool| -> Option<String> {
        let names: Vec<&str> = request
            .body()
            .keys()
            .map(String::as_str)
            .filter(|name| pick(name))
            .collect();
        (!names.is_empty()).then(|| names.join(" "))
    };
    let ignored = names(&|name| path.has_fields() && !path.knows(name))
        .map(|names| format!("Endpoint ignored these unrecognized parameters: [{names}]"));
    let replaced = names(&|name| request.captured(name).is_some()).map(|names| {
        format!("Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [{names}]")
    });
    ignored.into_iter().chain(replaced).collect()
}

/// Whether what a write would make is there already; None where that makes no difference.
pub fn exists(plugin: &'static Plugin, request: contract::Request) -> Result<Option<bool>> {
    let (path, request) = route(plugin, request)?;
    path.exists.map(|exists| exists(&request)).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::Operation::{Delete, List, Patch, Read, Write};
    use crate::testing::Host;
    use crate::{ErrorKind, Field};

    const NAME: Field<String> = Field::text("name", "A name.");
    const REST: Field<String> = Field::text("rest", "The rest.");
    const SIZE: Field<i64> = Field::integer("size", "A size.");

    static PLUGIN: Plugin = Plugin::secret("test", "1.0.0", "For tests.").paths(&[
        Path::new("item", "All.").list(|_| Ok(Response::list(vec!["a".to_owned()]))),
        Path::new("item/{name}", "One.")
            .fields(&[NAME.decl(), SIZE.decl()])
            .exists(|request| Ok(request.require(NAME)? == "old"))
            .read(|request| {
                let name = request.require(NAME)?;
                Ok(Response::data(
                    json!({ "name": name, "size": request.get(SIZE)? }),
                ))
            })
            .write(|request| request.get(SIZE).map(|_| Response::empty())),
        Path::new("item/{name}/tree/{rest*}", "Below one.")
            .fields(&[NAME.decl(), REST.decl()])
            .read(|request| {
                request
                    .data()
                    .map(|data| Response::data(Value::Object(data)))
            }),
        Path::new("any", "Takes anything.").write(|request| Response::json(request.body())),
        // A second pattern for what another one has without the operation.
        Path::new("item/{name}", "One.").delete(|_| Ok(Response::empty())),
    ]);

    static CATCH_ALL: Plugin = Plugin::secret("test", "1.0.0", "For tests.").paths(&[
        Path::new("item", "One.").read(|_| Ok(Response::empty())),
        Path::new("{*}", "All else.").write(|_| Ok(Response::empty())),
    ]);

    #[test]
    fn a_catch_all_catches_what_nothing_else_fits() {
        let host = Host::new();
        host.call(&CATCH_ALL, Write, "other", json!({})).unwrap();
        let refused = |operation, path: &str| {
            host.call(&CATCH_ALL, operation, path, json!({}))
                .unwrap_err()
                .kind
        };
        assert_eq!(refused(Write, "item"), ErrorKind::UnsupportedOperation);
        assert_eq!(refused(Read, "other"), ErrorKind::UnsupportedOperation);
    }

    #[test]
    fn routes() {
        let host = Host::new();
        let found = |operation, path: &str| host.call(&PLUGIN, operation, path, json!({}));
        for (path, expected) in [
            ("item/a", json!({"name": "a", "size": null})),
            ("item/a/", json!({"name": "a", "size": null})),
            ("item/a/tree", json!({"name": "a", "rest": ""})),
            ("item/a/tree/", json!({"name": "a", "rest": ""})),
            ("item/a/tree/b/c/", json!({"name": "a", "rest": "b/c/"})),
        ] {
            assert_eq!(found(Read, path).unwrap().value(), expected, "{path}");
        }
        found(List, "item").unwrap();
        found(List, "item/").unwrap();
        found(Delete, "item/a").unwrap();
        for (operation, path, kind, message) in [
            (Read, "", ErrorKind::NotFound, "unsupported path"),
            (Read, "nope", ErrorKind::NotFound, "unsupported path"),
            (
                Read,
                "item//tree/x",
                ErrorKind::NotFound,
                "unsupported path",
            ),
            (Read, "item/a/b", ErrorKind::NotFound, "unsupported path"),
            (Read, "itemize", ErrorKind::NotFound, "unsupported path"),
            (
                Read,
                "item",
                ErrorKind::UnsupportedOperation,
                "unsupported operation",
            ),
            (
                Patch,
                "item/a",
                ErrorKind::UnsupportedOperation,
                "unsupported operation",
            ),
        ] {
            let error = found(operation, path).unwrap_err();
            assert_eq!(
                (error.kind, error.message.as_str()),
                (kind, message),
                "{operation:?} {path}"
            );
        }
    }

    #[test]
    fn remarks_on_the_body() {
        let host = Host::new();
        let call = |operation, path: &str, body| {
            host.call(&PLUGIN, operation, path, body).unwrap().warnings
        };
        assert_eq!(
            call(
                Read,
                "item/a",
                json!({"z": 1, "b": null, "size": 3, "name": "b"})
            ),
            [
                "Endpoint ignored these unrecognized parameters: [b z]",
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
            ]
        );
        assert_eq!(
            call(Write, "item/a", json!({"z": 1})),
            [""; 0],
            "an empty answer stays one"
        );
        assert_eq!(call(Write, "any", json!({"z": 1})), [""; 0]);
    }

    #[test]
    fn bodies() {
        let host = Host::new();
        let send = |body| host.call_json(&PLUGIN, Write, "any", body, "127.0.0.1");
        let digits = r#"{"n":12345678901234567890.10}"#;
        assert_eq!(
            send(digits).unwrap().data.unwrap(),
            digits,
            "numbers keep every digit"
        );
        for body in ["", "[]", "{", "null"] {
            assert_eq!(
                send(body).unwrap_err().kind,
                ErrorKind::InvalidRequest,
                "{body}"
            );
        }
        let sized = |size| host.call(&PLUGIN, Write, "item/a", json!({ "size": size }));
        sized(json!("5")).unwrap();
        sized(json!("hunter2")).unwrap_err();
        // Null is given, and empty.
        let data = host
            .call(&PLUGIN, Read, "item/a", json!({ "size": null }))
            .unwrap();
        assert_eq!(data.value(), json!({"name": "a", "size": 0}));
        for body in [r#"{"x":"\ud800"}"#, r#"{"x":1e400}"#] {
            let error = host
                .call_json(&PLUGIN, Read, "item/a/tree", body, "127.0.0.1")
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{body}");
        }
        let request = |path: &str| {
            Request::new(
                contract::Request {
                    operation: Read,
                    path: path.to_owned(),
                    data: r#"{"size":"","name":"hunter2","rest":null}"#.to_owned(),
                    caller: contract::Caller {
                        display_name: String::new(),
                        token: String::new(),
                        remote_address: String::new(),
                    },
                },
                vec![],
            )
        };
        let request = request("x").unwrap();
        assert_eq!(request.require(SIZE).unwrap_err().message, "missing size");
        assert!(request.has(NAME) && !request.has(REST));
        assert!(request.is_null(REST) && !request.is_null(NAME));
        assert_eq!(request.get(REST).unwrap().as_deref(), Some(""));
        assert_eq!(request.require(REST).unwrap_err().message, "missing rest");
        const LIFE: Field<crate::Seconds> = Field::duration("rest", "A duration.");
        assert_eq!(
            request.get(LIFE).unwrap(),
            None,
            "no duration is none given"
        );
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn existence() {
        let host = Host::new();
        assert_eq!(
            host.exists(&PLUGIN, "item/old", json!({})).unwrap(),
            Some(true)
        );
        assert_eq!(
            host.exists(&PLUGIN, "item/new", json!({})).unwrap(),
            Some(false)
        );
        assert_eq!(host.exists(&PLUGIN, "any", json!({})).unwrap(), None);
    }
}
