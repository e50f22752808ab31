//! Wrapped answers, and the cubbyholes that they are kept in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use coffer_tests::{Cli, Client, Server, check, until};
use serde_json::{Value, json};

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    (server, client)
}

fn token(client: &Client, body: Value) -> Client {
    let made = client.post("auth/token/create", body);
    client.with_token(&made.text("/auth/client_token"))
}

const PATIENCE: Duration = Duration::from_secs(20);
const UNKNOWN: &str = "wrapping token is not valid or does not exist";

#[test]
fn who_may_create_in_a_cubbyhole_may_not_update_it() {
    let server = Server::dev().unwrap();
    let root = server.client();
    let may = |capability: &str| {
        let rules = format!("path \"cubbyhole/*\" {{ capabilities = [\"{capability}\"] }}");
        root.post("sys/policies/acl/one", json!({ "policy": rules }))
            .expect(204);
        let body = json!({"policies": ["one"], "no_default_policy": true});
        let made = root.post("auth/token/create", body);
        root.with_token(&made.text("/auth/client_token"))
    };
    let creator = may("create");
    check! { creator;
        "POST cubbyhole/a", {"x": 1} => 204;
        "POST cubbyhole/a", {"x": 2} => 403, {"errors": ["*"]};
        "POST cubbyhole/a/", {"x": 2} => 403, {"errors": ["*"]};
        "POST cubbyhole/b", {"x": 1} => 204;
    }
    let updater = may("update");
    check! { updater;
        "POST cubbyhole/a", {"x": 1} => 403, {"errors": ["*"]};
    }
}

#[test]
fn a_cubbyhole_is_its_tokens_own() {
    let (_server, root) = dev();
    let (one, other) = (token(&root, json!({})), token(&root, json!({})));
    check! { one;
        "LIST cubbyhole/" => 404, {"errors": []};
        "POST cubbyhole/a/b", {"x": "1", "path": "p"} => 204, null;
        "POST cubbyhole/c", {"y": 2} => 204, null;
        "GET cubbyhole/a/b" => 200, {"data": {"x": "1", "path": "p"}, "lease_id": "", "lease_duration": 0};
        "LIST cubbyhole/" => 200, {"data": {"keys": ["a/", "c"]}};
        "LIST cubbyhole/a" => 200, {"data": {"keys": ["b"]}};
        "POST cubbyhole/d", {} => 400, {"errors": ["missing data fields"]};
        "GET cubbyhole/d" => 404, {"errors": []};
        "DELETE cubbyhole/c" => 204, null;
        "GET cubbyhole/c" => 404, {"errors": []};
    }
    for nobody in [&other, &root] {
        check! { nobody;
            "GET cubbyhole/a/b" => 404, {"errors": []};
            "LIST cubbyhole/" => 404, {"errors": []};
        }
    }
    check! { root;
        "POST sys/mounts/cubbyhole", {"type": "kv"} => 400, {"errors": ["~cannot mount"]};
        "DELETE sys/mounts/cubbyhole" => 400, {"errors": "*"};
        "GET sys/mounts/cubbyhole" => 200, {"data": {"type": "cubbyhole", "local": true}};
    }
    let batch = token(&root, json!({"type": "batch", "policies": ["default"]}));
    check! { batch;
        "POST cubbyhole/a", {"x": 1} => 400, {"errors": ["~only supported by service tokens"]};
    }
}

#[test]
fn a_cubbyhole_is_gone_with_its_token() {
    let (_server, root) = dev();
    let make = |ttl: &str| {
        let body = json!({"id": "chosen", "ttl": ttl, "policies": ["default"]});
        root.post("auth/token/create", body).ok();
        root.with_token("chosen")
    };
    make("1h").post("cubbyhole/a", json!({"x": 1})).ok();
    root.post("auth/token/revoke", json!({"token": "chosen"}))
        .ok();
    // The same id is another token.
    until(PATIENCE, "the cubbyhole is gone", || {
        let again = make("1h");
        let seen = again.get("cubbyhole/a").status;
        root.post("auth/token/revoke", json!({"token": "chosen"}))
            .ok();
        seen == 404
    });
}

#[test]
fn an_answer_is_wrapped_and_unwrapped_once() {
    let (_server, root) = dev();
    root.post("secret/data/a", json!({"data": {"k": "v"}})).ok();
    let wrapped = root.wrapping("90s").get("secret/data/a");
    let (id, accessor) = (
        wrapped.text("/wrap_info/token"),
        wrapped.text("/wrap_info/accessor"),
    );
    check! { root.wrapping("1m");
        "GET secret/data/a" => 200, {"data": null, "auth": null, "lease_id": "", "wrap_info": {"token": "*", "accessor": "*",
            "ttl": 60, "creation_time": "*", "creation_path": "secret/data/a"}};
        // There is nothing to wrap.
        "DELETE secret/data/none" => 204, null;
        "GET secret/data/none" => 404, {"errors": []};
    }
    let look = root
        .post("auth/token/lookup-accessor", json!({"accessor": accessor}))
        .ok();
    assert_eq!(look["data"]["policies"], json!(["response-wrapping"]));
    assert_eq!(
        (&look["data"]["num_uses"], &look["data"]["explicit_max_ttl"]),
        (&json!(1), &json!(90))
    );
    let nobody = root.with_token("");
    for _ in 0..2 {
        // To look is no use.
        let told = nobody
            .post("sys/wrapping/lookup", json!({"token": id}))
            .ok();
        assert_eq!(told["data"]["creation_path"], "secret/data/a");
        assert_eq!(told["data"]["creation_ttl"], 90);
    }
    let answer = root
        .with_token(&id)
        .post("sys/wrapping/unwrap", json!({}))
        .ok();
    assert_eq!(answer["data"]["data"]["k"], "v");
    assert_eq!(answer["wrap_info"], Value::Null);
    assert_eq!(
        root.with_token(&id)
            .post("sys/wrapping/unwrap", json!({}))
            .status,
        403
    );
    for path in [
        "sys/wrapping/unwrap",
        "sys/wrapping/rewrap",
        "sys/wrapping/lookup",
    ] {
        let reply = root.post(path, json!({"token": id}));
        assert_eq!(
            (reply.status, reply.errors().as_str()),
            (400, UNKNOWN),
            "{path}"
        );
    }
}

#[test]
fn a_wrapping_token_can_be_a_jwt() {
    let (mut server, keys) = Server::ready().unwrap();
    let root = server.client();
    root.post("sys/mounts/kv", json!({"type": "kv"}))
        .expect(204);
    root.post("kv/a", json!({"k": "v"})).expect(204);
    let wrap = |client: &Client| {
        let client = client
            .wrapping("90s")
            .with_header("X-Vault-Wrap-Format", "jwt");
        client.get("kv/a").text("/wrap_info/token")
    };
    let part = |jwt: &str, n: usize| -> Value {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').nth(n).unwrap());
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    };
    let jwt = wrap(&root);
    assert_eq!(part(&jwt, 0), json!({"alg": "ES512", "typ": "JWT"}));
    let claims = part(&jwt, 1);
    let inner = claims["jti"].as_str().unwrap().to_owned();
    assert!(inner.starts_with("hvs."), "{claims}");
    assert_eq!(
        (&claims["type"], &claims["accessor"]),
        (&json!("wrapping"), &json!(""))
    );
    assert_eq!(claims["addr"], server.url());
    assert_eq!(
        claims["exp"].as_u64(),
        claims["iat"].as_u64().map(|at| at + 90)
    );

    // The key that it is signed with is stored.
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    let nobody = root.with_token("");
    let told = nobody
        .post("sys/wrapping/lookup", json!({"token": jwt}))
        .ok();
    assert_eq!(told["data"]["creation_path"], "kv/a");
    // It is a token for what is done with wrapped answers, and for nothing else.
    assert_eq!(root.with_token(&jwt).get("cubbyhole/response").status, 403);
    let again = root.post("sys/wrapping/rewrap", json!({"token": jwt}));
    assert!(
        again.text("/wrap_info/token").starts_with("hvs."),
        "in the usual form, unless asked"
    );
    assert_eq!(
        root.with_token(&jwt)
            .post("sys/wrapping/unwrap", json!({}))
            .status,
        403
    );

    let jwt = wrap(&root);
    // Whoever changes what it says has nothing.
    let mut parts: Vec<String> = jwt.split('.').map(str::to_owned).collect();
    let mut forged = part(&jwt, 1);
    forged["jti"] = root.token().into();
    parts[1] = BASE64_URL_SAFE_NO_PAD.encode(forged.to_string());
    let forged = parts.join(".");
    check! { root;
        "POST sys/wrapping/lookup", {"token": forged} => 400, {"errors": [UNKNOWN]};
        "POST sys/wrapping/unwrap", {"token": forged} => 400, {"errors": [UNKNOWN]};
    }
    assert_eq!(
        root.with_token(&forged)
            .post("sys/wrapping/unwrap", json!({}))
            .status,
        403
    );
    let answer = root
        .with_token(&jwt)
        .post("sys/wrapping/unwrap", json!({}))
        .ok();
    assert_eq!(answer["data"]["k"], "v");
    check! { root;
        "POST sys/wrapping/unwrap", {"token": jwt} => 400, {"errors": [UNKNOWN]};
        "POST sys/wrapping/unwrap", {"token": inner} => 400, {"errors": [UNKNOWN]};
    }
}

#[test]
fn a_wrapping_token_is_good_for_nothing_else() {
    let (_server, root) = dev();
    root.post("secret/data/a", json!({"data": {"k": "v"}})).ok();
    let wrap = || {
        let wrapped = root.wrapping("1h").get("secret/data/a");
        root.with_token(&wrapped.text("/wrap_info/token"))
    };
    for (method, path) in [
        ("GET", "auth/token/lookup-self"),
        ("GET", "secret/data/a"),
        ("POST", "sys/wrapping/wrap"),
        ("POST", "auth/token/create"),
        ("POST", "auth/token/renew-self"),
        ("GET", "cubbyhole/wrapinfo"),
        ("POST", "cubbyhole/wrapinfo"),
        ("LIST", "cubbyhole/"),
    ] {
        let holder = wrap();
        assert_eq!(holder.request(method, path, None).status, 403, "{path}");
        // That was its use.
        assert_eq!(
            holder.post("sys/wrapping/unwrap", json!({})).status,
            403,
            "{path}"
        );
    }
    // As clients did it before there was unwrap.
    let holder = wrap();
    let text = holder.get("cubbyhole/response").text("/data/response");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["data"]["data"]["k"], "v");
    assert_eq!(holder.post("sys/wrapping/unwrap", json!({})).status, 403);
    // Whoever changes what is in there is found out: the token has no use left.
    let holder = wrap();
    assert_eq!(
        holder
            .post("cubbyhole/response", json!({"response": "{}"}))
            .status,
        403
    );
    assert_eq!(holder.post("sys/wrapping/unwrap", json!({})).status, 403);
}

#[test]
fn no_other_token_is_a_wrapping_token() {
    let (_server, root) = dev();
    check! { root;
        "POST auth/token/create", {"policies": ["response-wrapping"]} => 400, {"errors": ["~cannot assign policy"]};
        "POST sys/policies/acl/response-wrapping", {"policy": "path \"*\" { capabilities = [\"sudo\"] }"} => 400, {"errors": ["~cannot update"]};
        "DELETE sys/policies/acl/response-wrapping" => 400, {"errors": ["~cannot delete"]};
        "GET sys/policies/acl/response-wrapping" => 200, {"data": {"policy": "~cubbyhole/response"}};
    }
    // A cubbyhole that looks like that of a wrapped answer is none.
    let spoof = token(&root, json!({"policies": ["default"]}));
    spoof
        .post("cubbyhole/response", json!({"response": "{\"data\": 1}"}))
        .ok();
    let info = json!({"creation_ttl": 60, "creation_time": "2026-01-01T00:00:00Z", "creation_path": "secret/data/a"});
    spoof.post("cubbyhole/wrapinfo", info).ok();
    for path in [
        "sys/wrapping/unwrap",
        "sys/wrapping/lookup",
        "sys/wrapping/rewrap",
    ] {
        let reply = root.post(path, json!({"token": spoof.token()}));
        assert_eq!(
            (reply.status, reply.errors().as_str()),
            (400, UNKNOWN),
            "{path}"
        );
        // And its use is not counted, nor is it ended.
        assert_eq!(spoof.get("auth/token/lookup-self").status, 200, "{path}");
    }
}

#[test]
fn of_many_who_unwrap_one_gets_it() {
    let (_server, root) = dev();
    for third in [false, true] {
        let wrapped = root
            .wrapping("1h")
            .post("sys/wrapping/wrap", json!({"k": "v"}));
        let id = wrapped.text("/wrap_info/token");
        let got: Vec<u16> = thread::scope(|scope| {
            let unwrap = || match third {
                true => {
                    root.post("sys/wrapping/unwrap", json!({"token": id}))
                        .status
                }
                false => {
                    root.with_token(&id)
                        .post("sys/wrapping/unwrap", json!({}))
                        .status
                }
            };
            let all: Vec<_> = (0..16).map(|_| scope.spawn(unwrap)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(
            got.iter().filter(|status| **status == 200).count(),
            1,
            "{got:?}"
        );
    }
}

#[test]
fn what_is_sent_is_wrapped_and_wrapped_anew() {
    let (_server, root) = dev();
    check! { root;
        "POST sys/wrapping/wrap", {"a": 1} => 400, {"errors": ["~requires response wrapping"]};
    }
    let wrapped = root
        .wrapping("100")
        .post("sys/wrapping/wrap", json!({"a": 1, "token": "mine"}))
        .ok();
    assert_eq!(wrapped["wrap_info"]["creation_path"], "sys/wrapping/wrap");
    let old = wrapped["wrap_info"]["token"].as_str().unwrap();
    let anew = root.post("sys/wrapping/rewrap", json!({"token": old})).ok();
    assert_eq!(anew["wrap_info"]["ttl"], 100);
    assert_eq!(anew["wrap_info"]["creation_path"], "sys/wrapping/wrap");
    let new = anew["wrap_info"]["token"].as_str().unwrap();
    assert_eq!(
        root.post("sys/wrapping/unwrap", json!({"token": old}))
            .status,
        400
    );
    let answer = root.post("sys/wrapping/unwrap", json!({"token": new})).ok();
    assert_eq!(answer["data"], json!({"a": 1, "token": "mine"}));
    check! { root.with_token("");
        "POST sys/wrapping/lookup", {} => 400, {"errors": ["missing \"token\" value in input"]};
        "POST sys/wrapping/unwrap", {"token": "x"} => 403, {"errors": "*"};
    }
    for (ttl, status) in [("soon", 400), ("-1", 400), ("0", 200), ("", 200)] {
        let reply = root.wrapping(ttl).get("auth/token/lookup-self");
        assert_eq!(reply.status, status, "{ttl}");
        assert!(reply.body["wrap_info"].is_null(), "{ttl}");
    }
}

#[test]
fn a_wrapped_login_and_a_wrapped_lease() {
    let (_server, root) = dev();
    let made = root
        .wrapping("1h")
        .post("auth/token/create", json!({"policies": ["app"]}));
    let inside = root
        .post(
            "sys/wrapping/unwrap",
            json!({"token": made.text("/wrap_info/token")}),
        )
        .ok();
    assert_eq!(
        inside["auth"]["accessor"],
        made.body["wrap_info"]["wrapped_accessor"]
    );
    assert_eq!(inside["auth"]["policies"], json!(["app", "default"]));
    // Nothing happens to it if nobody unwraps it in time, but that its token is gone.
    let short = root.wrapping("1s").post("auth/token/create", json!({}));
    let id = short.text("/wrap_info/token");
    until(PATIENCE, "its time is over", || {
        root.post("sys/wrapping/lookup", json!({"token": id}))
            .status
            == 400
    });
}

#[test]
fn a_policy_can_want_answers_wrapped() {
    let (_server, root) = dev();
    root.post("secret/data/a", json!({"data": {"k": "v"}})).ok();
    let rules = r#"path "secret/data/a" { capabilities = ["read"] min_wrapping_ttl = "10s" max_wrapping_ttl = "1m" }"#;
    root.post("sys/policies/acl/wrapped", json!({"policy": rules}))
        .ok();
    let holder = token(&root, json!({"policies": ["wrapped"]}));
    assert_eq!(holder.get("secret/data/a").status, 403);
    for (ttl, status) in [("1s", 403), ("10s", 200), ("60s", 200), ("61s", 403)] {
        assert_eq!(
            holder.wrapping(ttl).get("secret/data/a").status,
            status,
            "{ttl}"
        );
    }
}

#[test]
fn wrapped_answers_survive_a_restart() {
    let (mut server, keys) = Server::ready().unwrap();
    let root = server.client();
    let wrapped = root
        .wrapping("1h")
        .post("sys/wrapping/wrap", json!({"k": "v"}));
    let id = wrapped.text("/wrap_info/token");
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    let answer = root.post("sys/wrapping/unwrap", json!({"token": id})).ok();
    assert_eq!(answer["data"]["k"], "v");
}

#[test]
fn by_the_command_line() {
    let server = Server::dev().unwrap();
    let cli = Cli::new(&server).unwrap();
    cli.run("kv put secret/a k=v").ok();
    let id = cli
        .run("kv get -wrap-ttl=1m -field=wrapping_token secret/a")
        .ok();
    let shown = cli.words(["unwrap", "-field=data", id.trim()]).ok();
    assert!(shown.contains("k:v"), "{shown}");
    let ran = cli.words(["unwrap", id.trim()]);
    assert!(ran.code == 2 && ran.stderr.contains(UNKNOWN), "{ran:?}");
}
