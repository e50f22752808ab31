//! An issuer's keys, and when it is asked for them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::cell::RefCell;
use std::rc::Rc;

use coffer_jwt::{Issuer, Published};
use coffer_sdk::Error;
use coffer_sdk::testing::Host;
use serde_json::{Value, json};

const HOUR: u64 = 3600;

#[derive(Default)]
struct World {
    asked: usize,
    /// Names of keys; None if the issuer does not answer.
    names: Option<Vec<&'static str>>,
}

fn key(name: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn issuer() -> Issuer {
    Issuer {
        at: Published::Jwks("https://issuer.example/keys".to_owned()),
        roots: String::new(),
        bearer: None,
        kept_as: "keys",
    }
}

fn host() -> (Host, Rc<RefCell<World>>) {
    let host = Host::new();
    let world = Rc::new(RefCell::new(World::default()));
    let inside = world.clone();
    host.serve_http(move |_| {
        let mut world = inside.borrow_mut();
        world.asked += 1;
        let names = world.names.as_ref();
        let names = names.ok_or_else(|| Error::unavailable("nobody is there"))?;
        let keys: Vec<Value> = names.iter().map(|name| key(name)).collect();
        Ok((200, json!({ "keys": keys })))
    });
    (host, world)
}

#[test]
fn an_issuer_is_asked_when_that_may_help() {
    let (host, world) = host();
    let has = |name: &str| {
        let keys = host.transaction(|| issuer().keys(Some(name)));
        keys.is_ok_and(|keys| keys.has(Some(name)))
    };
    let asked = || world.borrow().asked;
    assert!(!has("a") && !has("a"), "nothing is known yet");
    assert_eq!(asked(), 2);
    world.borrow_mut().names = Some(vec!["a"]);
    assert!((0..10).all(|_| has("a")));
    assert_eq!(asked(), 3);
    // A new key counts when it is needed, but not more than every ten seconds is asked for one.
    world.borrow_mut().names = Some(vec!["a", "b"]);
    assert!(!(0..10).any(|_| has("b")));
    assert_eq!(asked(), 3);
    host.advance(10);
    assert!((0..10).all(|_| has("b")));
    assert_eq!(asked(), 4);
    // One that is withdrawn counts an hour at most.
    world.borrow_mut().names = Some(vec!["b"]);
    host.advance(HOUR - 1);
    assert!(has("a"));
    host.advance(1);
    assert!(!has("a") && has("b"));
    assert_eq!(asked(), 5);
    // While it does not answer the keys of before count, for a day; and it is not asked by every login.
    world.borrow_mut().names = None;
    host.advance(2 * HOUR);
    assert!((0..10).all(|_| has("b")));
    assert!(!has("c"));
    assert_eq!(asked(), 6);
    host.advance(10);
    assert!(!(0..10).any(|_| has("c")));
    assert_eq!(asked(), 7);
    host.advance(22 * HOUR);
    assert!(!has("b"));
}

#[test]
fn another_configuration_has_other_keys() {
    let (host, world) = host();
    world.borrow_mut().names = Some(vec!["a"]);
    host.transaction(|| issuer().keys(None)).unwrap();
    world.borrow_mut().names = Some(vec!["b"]);
    let other = Issuer {
        at: Published::Jwks("https://other.example/keys".to_owned()),
        ..issuer()
    };
    let keys = host.transaction(|| other.keys(Some("a"))).unwrap();
    assert!(keys.has(Some("b")) && !keys.has(Some("a")));
}
