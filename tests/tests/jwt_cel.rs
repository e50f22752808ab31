//! Logging in with JSON web tokens at roles whose program decides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use coffer_tests::jwt::{Signer, now};
use coffer_tests::{Client, Reply, Server, check};
use serde_json::{Value, json};

fn configured() -> (Server, Client, Signer) {
    let server = Server::dev().unwrap();
    let root = server.client();
    root.post("sys/auth/jwt", json!({"type": "jwt"})).ok();
    let signer = Signer::new("a");
    let config = json!({"jwt_validation_pubkeys": signer.pem(), "bound_issuer": "me"});
    root.post("auth/jwt/config", config).ok();
    (server, root, signer)
}

fn claims() -> Value {
    json!({"iss": "me", "aud": "coffer", "sub": "joe", "iat": now(), "exp": now() + 600, "groups": ["dev", "ops"],
        "many": (vec![1; 5000])})
}

fn but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn login(client: &Client, role: &str, token: &str) -> Reply {
    let body = json!({"role": role, "jwt": token});
    client.with_token("").post("auth/jwt/cel/login", body)
}

/// Writes a role with this expression.
fn role(root: &Client, name: &str, expression: &str) {
    let program = json!({"cel_program": {"expression": expression}});
    root.post(&format!("auth/jwt/cel/role/{name}"), program)
        .ok();
}

#[test]
#[rustfmt::skip]
fn roles() {
    let (_server, root, signer) = configured();
    let deep = "(".repeat(5000);
    let long = "x".repeat(20_000);
    check! { root;
        "LIST auth/jwt/cel/role" => 404, {"errors": []};
        "GET auth/jwt/cel/role/a" => 404, {"errors": []};
        "POST auth/jwt/cel/role/a", {} => 400, {"errors": ["missing required field 'cel_program'"]};
        "POST auth/jwt/cel/role/a", {"cel_program": "true"} => 400, {"errors": ["~cel_program"]};
        "POST auth/jwt/cel/role/a", {"cel_program": {}} => 400, {"errors": ["cel_program.expression cannot be empty"]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "true", "variables": "x"}} => 400, {"errors": ["~failed to decode 'cel_program': "]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "1 +"}} => 400, {"errors": ["~invalid CEL syntax for main expression: "]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "nosuch == 1"}} => 400, {"errors": ["~undeclared reference to 'nosuch'"]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "pb.Auth{entity_id: 'x'}"}} => 400, {"errors": "*"};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "a", "variables": [{"name": "a", "expression": "1 +"}]}} => 400, {"errors": ["~invalid CEL syntax for variable 'a': "]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "1", "variables": [{"name": "claims", "expression": "1"}]}} => 400, {"errors": ["~cannot be called \"claims\""]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": (deep)}} => 400, {"errors": ["~nested 64 deep"]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": (long)}} => 400, {"errors": ["~16384 bytes"]};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "false"}, "clock_skew_leeway": "soon"} => 400, {"errors": ["~clock_skew_leeway is no duration"]};
        "GET auth/jwt/cel/role/a" => 404, {"errors": []};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "false"}} => 200, {"data": {"name": "a", "cel_program": {"expression": "false", "variables": "!"},
            "message": "", "bound_audiences": [], "expiration_leeway": 150, "not_before_leeway": 150, "clock_skew_leeway": 60}};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "v", "variables": [{"name": "v", "expression": "false"}]}, "message": "m", "bound_audiences": "x,y", "expiration_leeway": "1m", "not_before_leeway": -1}
            => 200, {"data": {"cel_program": {"expression": "v", "variables": [{"name": "v", "expression": "false"}]}}};
        "GET auth/jwt/cel/role/a" => 200, {"data": {"name": "a", "message": "m", "bound_audiences": ["x", "y"], "expiration_leeway": 60, "not_before_leeway": -1, "clock_skew_leeway": 60}};
        "PATCH auth/jwt/cel/role/a", {"message": "z"} => 200, {"data": {"message": "z", "bound_audiences": ["x", "y"], "expiration_leeway": 60}};
        "PATCH auth/jwt/cel/role/a", {"cel_program": {"expression": "1 +"}} => 400, {"errors": ["~invalid CEL syntax"]};
        "PATCH auth/jwt/cel/role/a", {"cel_program": {"expression": "'no'"}} => 200, {"data": {"message": "z", "cel_program": {"expression": "'no'", "variables": "!"}}};
        "PATCH auth/jwt/cel/role/none", {"message": "z"} => 400, {"errors": ["Unable to fetch cel role entry to patch"]};
        "LIST auth/jwt/cel/role" => 200, {"data": {"keys": ["a"]}};
        // They are no roles of the other kind, nor are those of this one.
        "GET auth/jwt/role/a" => 404, {"errors": []};
        "POST auth/jwt/login", {"role": "a", "jwt": (signer.token(&claims()))} => 400, {"errors": ["role \"a\" could not be found"]};
        "POST auth/jwt/role/other", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "coffer"} => 204, null;
        "POST auth/jwt/cel/login", {"role": "other", "jwt": (signer.token(&claims()))} => 400, {"errors": ["role \"other\" could not be found"]};
        "POST auth/jwt/cel/login", {} => 400, {"errors": ["missing role"]};
        "POST auth/jwt/cel/login", {"role": "a"} => 400, {"errors": ["missing token"]};
        "DELETE auth/jwt/cel/role/a" => 204, null;
        "DELETE auth/jwt/cel/role/a" => 204, null;
        "GET auth/jwt/cel/role/a" => 404, {"errors": []};
    }
    check! { root.with_token("");
        "GET auth/jwt/cel/role/a" => 403, {"errors": "*"};
        "POST auth/jwt/cel/role/a", {"cel_program": {"expression": "pb.Auth{}"}} => 403, {"errors": "*"};
    }
}

/// What a program says becomes the token.
#[test]
#[rustfmt::skip]
fn what_a_program_makes() {
    let (_server, root, signer) = configured();
    let token = signer.token(&claims());
    let failed = "error executing cel program:";
    for (expression, status, expected) in [
        ("pb.Auth{}", 200, json!({"policies": ["default"], "renewable": false, "entity_id": "", "num_uses": 0, "token_type": "service"})),
        ("{'policies': ['a']}", 200, json!({"policies": ["a", "default"]})),
        ("pb.Auth{policies: ['p', 'P2'], no_default_policy: true, num_uses: 3, metadata: {'m': claims.sub}}", 200,
            json!({"policies": ["p", "p2"], "num_uses": 3, "metadata": {"m": "joe"}})),
        ("pb.Auth{policies: claims.groups.map(g, 'g-' + g)}", 200, json!({"policies": ["default", "g-dev", "g-ops"]})),
        ("pb.Auth{alias: logical.Alias{name: claims.sub}, display_name: 'd'}", 200, json!({"entity_id": "*"})),
        ("pb.Auth{lease_options: pb.LeaseOptions{TTL: 60000000000, renewable: true, issue_time: now}}", 200, json!({"lease_duration": 60, "renewable": true})),
        // Meant in seconds, perhaps: the shortest time there is, and not that of the mount.
        ("pb.Auth{lease_options: pb.LeaseOptions{TTL: 60}}", 200, json!({"lease_duration": 1})),
        ("pb.Auth{period: 60000000000}", 200, json!({"lease_duration": 60})),
        ("pb.Auth{explicit_max_ttl: 70000000000}", 200, json!({"lease_duration": 70})),
        ("pb.Auth{token_type: 2u}", 200, json!({"token_type": "batch"})),
        ("pb.Auth{bound_cidrs: ['127.0.0.0/8']}", 200, json!({})),
        ("claims.sub == 'joe' ? pb.Auth{policies: ['p']} : false", 200, json!({"policies": ["default", "p"]})),
        ("true", 400, json!("CEL program 'x' returned unexpected type: bool")),
        ("5", 400, json!("CEL program 'x' returned unexpected type: int")),
        ("claims", 400, json!("CEL program 'x' returned unexpected type: ")),
        ("{'policies': [1]}", 400, json!("CEL program 'x' returned unexpected type: ")),
        ("{'entity_id': 'x'}", 400, json!("CEL program 'x' returned unexpected type: ")),
        ("false", 400, json!("CEL role 'x' blocked authorization with boolean false return")),
        ("'no way'", 400, json!("CEL role 'x' blocked authorization with message: no way")),
        ("claims.nosuch == 'a' ? pb.Auth{} : false", 400, json!("CEL auth program failed: failed to evaluate expression: ")),
        ("claims.many.all(a, claims.many.all(b, a == b)) ? pb.Auth{} : false", 400, json!("CEL auth program failed: it goes through more than 100000 items")),
    ] {
        role(&root, "x", expression);
        let reply = login(&root, "x", &token);
        assert_eq!(reply.status, status, "{expression}: {reply:?}");
        if status == 200 {
            let auth = &reply.body["auth"];
            assert!(coffer_tests::table::includes(auth, &expected), "{expression}: {auth}");
        } else {
            let told = reply.body["errors"][0].as_str().unwrap();
            let expected = format!("{failed} {}", expected.as_str().unwrap());
            assert!(told.starts_with(&expected), "{expression}: {told}");
        }
    }
}

/// Nobody gets in by what a program says that it may not.
#[test]
#[rustfmt::skip]
fn what_no_program_makes() {
    let (_server, root, signer) = configured();
    let token = signer.token(&claims());
    for expression in [
        "pb.Auth{policies: ['root']}",
        "pb.Auth{policies: ['a', ' ROOT ']}",
        "pb.Auth{alias: logical.Alias{}}",
        "pb.Auth{group_aliases: [logical.Alias{}]}",
        "pb.Auth{group_aliases: claims.many.map(m, logical.Alias{name: 'g'})}",
        "pb.Auth{bound_cidrs: ['nope']}",
        "pb.Auth{num_uses: -1}",
        "pb.Auth{period: -1}",
        "pb.Auth{token_type: 5u}",
        "pb.Auth{token_type: 2u, num_uses: 1}",
        "pb.Auth{token_type: 2u, period: 60000000000}",
    ] {
        role(&root, "x", expression);
        let reply = login(&root, "x", &token);
        let policies = &reply.body["auth"]["token_policies"];
        assert_eq!(reply.status, 400, "{expression}: {policies}");
    }
    role(&root, "x", "pb.Auth{bound_cidrs: ['10.0.0.0/8']}");
    assert_eq!(login(&root, "x", &token).status, 403);
}

/// The token must be the issuer's, for this role, and good now, before any program sees it.
#[test]
#[rustfmt::skip]
fn whose_tokens() {
    let (_server, root, signer) = configured();
    let program = json!({"cel_program": {"expression": "claims.sub == 'joe' ? pb.Auth{} : 'not joe'"}, "bound_audiences": "coffer", "message": "m"});
    root.post("auth/jwt/cel/role/x", program).ok();
    let stranger = Signer::new("a");
    let good = signer.token(&claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{}.{}.", "eyJhbGciOiJub25lIn0", head.split_once('.').unwrap().1);
    for (token, told) in [
        (good.clone(), ""),
        (stranger.token(&claims()), "error validating token: "),
        (unsigned, "error validating token: "),
        (format!("{head}.{}", signature.to_lowercase()), "error validating token: "),
        ("x.y.z".to_owned(), "error validating token: "),
        (signer.token(&but("aud", json!("other"))), "error validating token: "),
        (signer.token(&but("iss", json!("other"))), "error validating token: "),
        (signer.token(&but("exp", json!(now() - 600))), "error validating token: "),
        (signer.token(&but("nbf", json!(now() + 600))), "error validating token: "),
        (signer.token(&but("sub", json!("ann"))), "error executing cel program: CEL role 'x' blocked authorization with message: not joe"),
    ] {
        let reply = login(&root, "x", &token);
        match told {
            "" => assert_eq!(reply.status, 200, "{reply:?}"),
            told => {
                assert_eq!(reply.status, 400, "{told}: {reply:?}");
                assert!(reply.body["errors"][0].as_str().unwrap().starts_with(told), "{reply:?}");
            }
        }
    }
    role(&root, "y", "false");
    root.request("PATCH", "auth/jwt/cel/role/y", Some(&json!({"message": "ask the team"})));
    let told = login(&root, "y", &good).body["errors"][0].clone();
    assert_eq!(told, "error executing cel program: CEL role 'y' blocked authorization with message: ask the team");
}

/// What would take too much memory or time ends its own request, and no other.
#[test]
fn a_program_that_takes_too_much() {
    let (_server, root, signer) = configured();
    let token = signer.token(&claims());
    role(&root, "good", "pb.Auth{}");
    // As deep as programs may be there is room for.
    let within = |open: &str, n: usize, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    for expression in [
        within("(", 90, "pb.Auth{}", ")"),
        within("[", 30, "pb.Auth{}", "]") + &"[0]".repeat(30),
        within("false ? false : ", 60, "pb.Auth{}", ""),
        within("[1].all(i, ", 15, "true", ")") + " ? pb.Auth{} : false",
        "1".to_owned() + &" + 1".repeat(60) + " > 0 ? pb.Auth{} : false",
        within("size([", 30, "1", "])") + " > 0 ? pb.Auth{} : false",
    ] {
        let program = json!({"cel_program": {"expression": expression}});
        let written = root.post("auth/jwt/cel/role/deep", program);
        assert!(written.status == 200, "{expression}: {written:?}");
        let reply = login(&root, "deep", &token);
        assert!(reply.status == 200, "{expression}: {reply:?}");
    }
    let doubled: Vec<Value> = (1..60)
        .map(|n| json!({"name": format!("v{n}"), "expression": format!("v{0} + v{0}", n - 1)}))
        .collect();
    let mut variables =
        vec![json!({"name": "v0", "expression": "string(claims.many.size()) + claims.sub"})];
    variables.extend(doubled);
    let program = json!({"cel_program": {"variables": variables, "expression": "v59 == '' ? pb.Auth{} : false"}});
    root.post("auth/jwt/cel/role/large", program).ok();
    let reply = login(&root, "large", &token);
    assert_eq!(reply.status, 500, "{reply:?}");
    assert!(reply.errors().contains("memory limit"), "{reply:?}");
    login(&root, "good", &token).ok();
}

/// A token is renewed by what the program said once, as long as the role is there.
#[test]
#[rustfmt::skip]
fn renewals_and_groups() {
    let (_server, root, signer) = configured();
    let token = signer.token(&claims());
    let accessor = root.get("sys/auth/jwt").text("/data/accessor");
    let made = root.post("identity/group", json!({"name": "developers", "type": "external", "policies": "developers"}));
    let alias = json!({"name": "dev", "mount_accessor": accessor, "canonical_id": made.text("/data/id")});
    root.post("identity/group-alias", alias).ok();
    role(&root, "x", "pb.Auth{policies: ['p'], alias: logical.Alias{name: claims.sub, metadata: {'k': 'v'}}, display_name: 'disp',
        group_aliases: claims.groups.map(g, logical.Alias{name: g}), lease_options: pb.LeaseOptions{TTL: 60000000000, MaxTTL: 120000000000, renewable: true}}");
    let told = login(&root, "x", &token).ok();
    assert_eq!(told["auth"]["identity_policies"], json!(["developers"]));
    let mine = root.with_token(told["auth"]["client_token"].as_str().unwrap());
    check! { mine;
        "GET auth/token/lookup-self" => 200, {"data": {"display_name": "jwt-disp", "path": "auth/jwt/cel/login", "entity_id": "*"}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 60}};
    }
    root.delete("auth/jwt/cel/role/x").ok();
    check! { mine;
        "POST auth/token/renew-self", {} => 403, {"errors": "*"};
    }
    role(&root, "y", "pb.Auth{}");
    let fixed = login(&root, "y", &token).ok();
    check! { root.with_token(fixed["auth"]["client_token"].as_str().unwrap());
        "POST auth/token/renew-self", {} => 400, {"errors": ["~not renewable"]};
    }
}
