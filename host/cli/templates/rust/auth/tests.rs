use coffer_sdk::ErrorKind;
use coffer_sdk::Operation::{Delete, Read, Write};
use coffer_sdk::testing::Host;

use super::*;

const GOOD: &str = "correct horse battery staple";

#[test]
fn the_right_key_gives_a_token_with_the_users_policies() {
    let host = Host::new();
    let call = |operation, path, data| host.call(&PLUGIN, operation, path, data);
    let user = json!({ "key": GOOD, "policies": "app,ops", "ttl": "20m" });
    call(Write, "users/build", user).unwrap();
    let read = call(Read, "users/build", json!({})).unwrap().value();
    assert_eq!(read, json!({ "policies": ["app", "ops"], "ttl": 1200 }));

    let auth = call(Write, "login/build", json!({ "key": GOOD }))
        .unwrap()
        .auth
        .unwrap();
    assert_eq!(
        (auth.policies, auth.ttl),
        (vec!["app".to_owned(), "ops".to_owned()], 1200)
    );

    let lease = Lease::of(
        "login/build",
        &json!("build"),
        clock::now(),
        clock::now() + 1000,
    );
    assert_eq!(renew(&lease, 0).unwrap().ttl, 1200);
    call(Delete, "users/build", json!({})).unwrap();
    renew(&lease, 0).map(drop).unwrap_err();
}

#[test]
fn a_wrong_key_and_an_unknown_user_get_the_same_answer() {
    let host = Host::new();
    let call = |path: &str, data| host.call(&PLUGIN, Write, path, data);
    call("users/build", json!({ "key": GOOD })).unwrap();
    let login = |name: &str| {
        let key = json!({ "key": "another key that is long enough" });
        call(&format!("login/{name}"), key).map(drop).unwrap_err()
    };
    let (wrong, unknown) = (login("build"), login("nobody"));
    assert_eq!(wrong.kind, ErrorKind::PermissionDenied);
    assert_eq!((wrong.kind, wrong.message), (unknown.kind, unknown.message));
    call("users/other", json!({ "key": "short" })).unwrap_err();
    call("users/other", json!({})).unwrap_err();
}
