#![allow(clippy::unwrap_used)]

use coffer_sdk::ErrorKind;
use coffer_sdk::Operation::{self, Delete, List, Read, Write};
use coffer_sdk::testing::Host;
use serde_json::{Value, json};

use super::*;

fn call(host: &Host, operation: Operation, path: &str, data: Value) -> Result<Response> {
    host.call(&USERPASS, operation, path, data)
}

fn login(host: &Host, name: &str, password: &str) -> Result<Auth> {
    let path = format!("login/{name}");
    let answer = call(host, Write, &path, json!({ "password": password }))?;
    Ok(answer.auth.unwrap())
}

fn refused(answer: Result<impl Sized>, kind: ErrorKind, message: &str) {
    let error = answer.map(drop).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (kind, message));
}

#[test]
fn who_has_the_password_gets_what_the_user_may() {
    let host = Host::new();
    let user = json!({"password": "p w", "token_policies": "b,A", "token_ttl": "1h", "token_num_uses": 2, "token_type": "service"});
    call(&host, Write, "users/Bob", user).unwrap();
    let auth = login(&host, "BOB", "p w").unwrap();
    assert_eq!(auth.policies, ["a", "b"]);
    assert_eq!(
        (auth.ttl, auth.num_uses, auth.kind),
        (3600, 2, TokenKind::Service)
    );
    assert_eq!(
        (
            auth.display_name.as_str(),
            auth.alias.unwrap().name.as_str()
        ),
        ("bob", "bob")
    );
    assert_eq!(auth.metadata, [("username".to_owned(), "bob".to_owned())]);
    let wrong = "invalid username or password";
    for (name, password) in [("bob", "p"), ("bob", "p w "), ("nobody", "p w")] {
        refused(
            login(&host, name, password),
            ErrorKind::InvalidRequest,
            wrong,
        );
    }
    refused(
        login(&host, "bob", ""),
        ErrorKind::InvalidRequest,
        "missing password",
    );
    refused(
        call(&host, Read, "login/bob", json!({})),
        ErrorKind::UnsupportedOperation,
        "unsupported operation",
    );
    let kept = storage::get("user/bob").unwrap().unwrap();
    assert!(
        !String::from_utf8(kept).unwrap().contains("p w"),
        "the password is not kept"
    );
    call(&host, Delete, "users/bob", json!({})).unwrap();
    refused(login(&host, "bob", "p w"), ErrorKind::InvalidRequest, wrong);
}

#[test]
fn users_are_read_and_changed() {
    let host = Host::new();
    let none = "must provide either password or password_hash";
    refused(
        call(&host, Write, "users/al", json!({})),
        ErrorKind::InvalidRequest,
        none,
    );
    let hash = "$2b$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    for (password, message) in [
        (
            json!({"password": "x", "password_hash": hash}),
            "only one of password or password_hash may be provided",
        ),
        (
            json!({"password_hash": "y"}),
            "password_hash is not a valid bcrypt hash",
        ),
        (
            json!({"password_hash": hash.replace("$04$", "$31$")}),
            "password_hash has a cost that is not between 4 and 16",
        ),
        (
            json!({"password": "x".repeat(73)}),
            "bcrypt: password length exceeds 72 bytes",
        ),
    ] {
        refused(
            call(&host, Write, "users/al", password),
            ErrorKind::InvalidRequest,
            message,
        );
    }
    call(&host, Write, "users/al", json!({ "password_hash": hash })).unwrap();
    let old =
        json!({"policies": "old", "ttl": "10m", "max_ttl": "20m", "bound_cidrs": "127.0.0.1/32"});
    call(&host, Write, "users/al", old).unwrap();
    let expected = json!({
        "bound_cidrs": ["127.0.0.1"], "max_ttl": 1200, "policies": ["old"], "ttl": 600,
        "token_bound_cidrs": ["127.0.0.1"], "token_explicit_max_ttl": 0, "token_max_ttl": 1200,
        "token_no_default_policy": false, "token_num_uses": 0, "token_period": 0, "token_policies": ["old"],
        "token_strictly_bind_ip": false, "token_ttl": 600, "token_type": "default",
    });
    let read = || call(&host, Read, "users/al", json!({})).unwrap().value();
    assert_eq!(read(), expected);
    call(
        &host,
        Write,
        "users/al/policies",
        json!({"token_policies": ["new"]}),
    )
    .unwrap();
    assert_eq!(
        (&read()["token_policies"], &read()["policies"]),
        (&json!(["new"]), &Value::Null)
    );
    call(&host, Write, "users/al/policies", json!({})).unwrap();
    assert_eq!(read()["token_policies"], json!(["new"]));
    call(
        &host,
        Write,
        "users/al/password",
        json!({"password": "next"}),
    )
    .unwrap();
    login(&host, "al", "next").unwrap();
    refused(
        call(&host, Write, "users/al/password", json!({})),
        ErrorKind::InvalidRequest,
        none,
    );
    for path in ["users/none/password", "users/none/policies"] {
        let answer = call(&host, Write, path, json!({"password": "x"}));
        refused(answer, ErrorKind::InvalidRequest, "username does not exist");
    }
    let batch = json!({"token_type": "batch", "token_period": "5m"});
    let refusal =
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens";
    refused(
        call(&host, Write, "users/al", batch),
        ErrorKind::InvalidRequest,
        refusal,
    );
    assert_eq!(
        call(&host, List, "users", json!({})).unwrap().value(),
        json!({"keys": ["al"]})
    );
    for odd in ["users/-a", "users/a-", "users/a@b", "users/a b"] {
        refused(
            call(&host, Write, odd, json!({"password": "x"})),
            ErrorKind::NotFound,
            "unsupported path",
        );
    }
}

#[test]
fn a_token_is_renewed_while_its_user_is_as_it_was() {
    let host = Host::new();
    call(
        &host,
        Write,
        "users/al",
        json!({"password": "x", "token_policies": "a", "token_ttl": 60}),
    )
    .unwrap();
    let auth = login(&host, "al", "x").unwrap();
    let internal: Value = serde_json::from_str(&auth.internal).unwrap();
    let renew = || user::renew(&Lease::of("login/al", &internal, 0, 0), 0);
    assert_eq!(renew().unwrap().ttl, 60);
    call(&host, Write, "users/al", json!({"token_ttl": 90})).unwrap();
    assert_eq!(renew().unwrap().ttl, 90);
    call(
        &host,
        Write,
        "users/al/policies",
        json!({"token_policies": "a,b"}),
    )
    .unwrap();
    refused(
        renew(),
        ErrorKind::InvalidRequest,
        "policies have changed, not renewing",
    );
    call(&host, Delete, "users/al", json!({})).unwrap();
    refused(renew(), ErrorKind::PermissionDenied, "the user is gone");
}

#[test]
fn tokens_are_bound_to_addresses() {
    let host = Host::new();
    let from = |remote: &str| {
        host.call_from(
            &USERPASS,
            Write,
            "login/al",
            json!({"password": "x"}),
            remote,
        )
        .map(|answer| answer.auth.unwrap().bound_cidrs)
    };
    let user = json!({"password": "x", "token_bound_cidrs": "10.0.0.0/8"});
    call(&host, Write, "users/al", user).unwrap();
    assert_eq!(from("10.1.2.3").unwrap(), ["10.0.0.0/8"]);
    refused(
        from("11.1.2.3"),
        ErrorKind::PermissionDenied,
        "permission denied",
    );
    let user = json!({"token_bound_cidrs": [], "token_strictly_bind_ip": true});
    call(&host, Write, "users/al", user).unwrap();
    assert_eq!(from("11.1.2.3").unwrap(), ["11.1.2.3"]);
}
