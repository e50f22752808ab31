//! The engine in memory, beside a stand-in for the service.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use api_tokens::PLUGIN;
use coffer_sdk::prelude::*;
use coffer_sdk::testing::{Host, StorageFault};
use coffer_sdk::Operation;

/// The tokens that the service knows.
type Service = Rc<RefCell<BTreeSet<String>>>;

fn host() -> (Host, Service) {
    let (host, tokens) = (Host::new(), Service::default());
    let known = tokens.clone();
    host.serve_http(move |request| {
        let id = request.url.strip_prefix("https://api.example.com/tokens/").unwrap().to_owned();
        match request.method.as_str() {
            "PUT" if id.is_empty() => Ok((400, json!({}))),
            "PUT" => {
                known.borrow_mut().insert(id.clone());
                Ok((200, json!({ "token": format!("secret of {id}") })))
            }
            "DELETE" if known.borrow_mut().remove(&id) => Ok((204, json!({}))),
            _ => Ok((404, json!({}))),
        }
    });
    let config = json!({ "url": "https://api.example.com/", "key": "k", "ttl": "5m" });
    host.call(&PLUGIN, Operation::Write, "config", config).unwrap();
    (host, tokens)
}

#[test]
fn a_token_lives_as_long_as_its_lease() {
    let (host, tokens) = host();
    let made = host.call(&PLUGIN, Operation::Read, "creds/reader", json!({})).unwrap().value();
    assert_eq!(tokens.borrow().len(), 1);
    assert!(made["token"].as_str().unwrap().starts_with("secret of"));
    let lease = host.leases().pop().unwrap();
    assert_eq!(lease.ttl, 300);
    for _ in 0..2 {
        host.revoke(&PLUGIN, &lease).unwrap();
    }
    assert!(tokens.borrow().is_empty(), "nothing is left");
}

#[test]
fn the_lease_is_there_even_if_the_service_is_not() {
    let (host, tokens) = host();
    host.serve_http(|_| Err(Error::unavailable("nobody answers")));
    host.call(&PLUGIN, Operation::Read, "creds/reader", json!({})).unwrap_err();
    let leases = host.leases();
    assert_eq!(leases.len(), 1);
    assert!(tokens.borrow().is_empty());
    host.revoke(&PLUGIN, &leases[0]).unwrap_err();
}

#[test]
fn the_key_is_not_shown() {
    let (host, _) = host();
    let config = host.call(&PLUGIN, Operation::Read, "config", json!({})).unwrap().value();
    assert_eq!(config, json!({ "url": "https://api.example.com/", "ttl": 300 }));
}

#[test]
fn nothing_is_left_whatever_fails() {
    let (host, tokens) = host();
    host.fail_http(2);
    let make = || host.call(&PLUGIN, Operation::Read, "creds/reader", json!({}));
    make().unwrap();
    make().unwrap_err();
    host.fail_storage(StorageFault::Get(1));
    make().unwrap_err();
    host.assert_nothing_left(&PLUGIN, || tokens.borrow().iter().cloned().collect());
}
