//! Logging in with JSON web tokens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_tests::https::Https;
use coffer_tests::jwt::{Signer, now};
use coffer_tests::{Client, Reply, Server, check};
use serde_json::{Value, json};

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    client.post("sys/auth/jwt", json!({"type": "jwt"})).ok();
    (server, client)
}

fn claims() -> Value {
    json!({"iss": "me", "aud": "coffer", "sub": "joe", "iat": now(), "exp": now() + 600,
        "groups": ["dev", "ops"], "team": {"name": "red"}, "admin": true})
}

/// These claims, and others in their place; null takes one away.
fn but(other: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in other.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

fn login(client: &Client, role: &str, token: &str) -> Reply {
    let body = json!({"role": role, "jwt": token});
    client.with_token("").post("auth/jwt/login", body)
}

#[test]
#[rustfmt::skip]
fn configuration_and_roles() {
    let (_server, root) = dev();
    let signer = Signer::new("a");
    check! { root;
        "GET auth/jwt/config" => 404, {"errors": []};
        "POST auth/jwt/login", {"role": "app", "jwt": "x"} => 400, {"errors": ["could not load configuration"]};
        "POST auth/jwt/config", {} => 400, {"errors": ["~exactly one of"]};
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem()), "jwks_url": "https://127.0.0.1:1"} => 400, {"errors": ["~exactly one of"]};
        "POST auth/jwt/config", {"jwt_validation_pubkeys": "zz"} => 400, {"errors": ["~error parsing public key"]};
        "POST auth/jwt/config", {"jwks_url": "https://127.0.0.1:1/x"} => 400, {"errors": ["~error checking jwks URL: "]};
        "POST auth/jwt/config", {"oidc_discovery_url": "https://127.0.0.1:1"} => 400, {"errors": ["~error checking oidc discovery URL: "]};
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem()), "jwt_supported_algs": "HS256"} => 400, {"errors": ["invalid jwt_supported_algs: unsupported signing algorithm \"HS256\""]};
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem()), "oidc_client_id": "x"} => 400, {"errors": ["both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC"]};
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem()), "oidc_client_id": "x", "oidc_client_secret": "y"} => 400, {"errors": ["'oidc_discovery_url' must be set for OIDC"]};
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem()), "bound_issuer": "me", "default_role": "app"} => 204, null;
        "GET auth/jwt/config" => 200, {"data": {"bound_issuer": "me", "default_role": "app", "jwt_supported_algs": [], "status": "valid"}};
        "LIST auth/jwt/role" => 404, {"errors": []};
        "GET auth/jwt/role/none" => 404, {"errors": []};
        "POST auth/jwt/role/app", {} => 400, {"errors": ["a user claim must be defined on the role"]};
        "POST auth/jwt/role/app", {"role_type": "zz"} => 400, {"errors": ["invalid 'role_type': zz"]};
        "POST auth/jwt/role/app", {"role_type": "oidc", "user_claim": "sub"} => 400, {"errors": ["'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified."]};
        "POST auth/jwt/role/app", {"role_type": "jwt", "user_claim": "sub"} => 400, {"errors": ["~at least one bound constraint"]};
        "POST auth/jwt/role/app", {"user_claim": "sub", "bound_claims": "zz"} => 400, {"errors": ["~bound_claims"]};
        "POST auth/jwt/role/app", {"user_claim": "sub", "bound_audiences": "x", "bound_claims_type": "zz"} => 400, {"errors": ["invalid 'bound_claims_type': zz"]};
        "POST auth/jwt/role/app", {"user_claim": "sub", "bound_audiences": "x", "claim_mappings": {"a": "role"}} => 400, {"errors": ["~is reserved"]};
        "POST auth/jwt/role/app", {"user_claim": "sub", "bound_audiences": "x", "claim_mappings": {"a": "b", "c": "b"}} => 400, {"errors": ["~multiple keys are mapped"]};
        "POST auth/jwt/role/app", {"user_claim": "sub", "bound_audiences": "x", "clock_skew_leeway": "soon"} => 400, {"errors": ["~clock_skew_leeway is no duration"]};
        "POST auth/jwt/role/app", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "coffer", "policies": "app", "ttl": "1h", "clock_skew_leeway": -1,
            "claim_mappings": {"/team/name": "team", "admin": "admin"}, "bound_claims": {"groups": ["dev", "none"], "/team/name": "red"}} => 204, null;
        "GET auth/jwt/role/app" => 200, {"data": {"role_type": "jwt", "bound_audiences": ["coffer"], "user_claim": "sub", "clock_skew_leeway": -1,
            "token_policies": ["app"], "token_ttl": 3600, "bound_claims_type": "string", "claim_mappings": {"/team/name": "team", "admin": "admin"}}};
        "LIST auth/jwt/role" => 200, {"data": {"keys": ["app"]}};
        "DELETE auth/jwt/role/app" => 204, null;
        "GET auth/jwt/role/app" => 404, {"errors": []};
    }
    let nobody = root.with_token("");
    check! { nobody;
        "GET auth/jwt/config" => 403, {"errors": "*"};
        "POST auth/jwt/login", {} => 400, {"errors": ["missing token"]};
        "POST auth/jwt/login", {"jwt": "x"} => 400, {"errors": ["role \"app\" could not be found"]};
    }
}

/// What a token must claim, by its role; and that nobody but the issuer says so.
#[test]
#[rustfmt::skip]
fn who_logs_in() {
    let (mut server, keys) = Server::ready().unwrap();
    let root = server.client();
    root.post("sys/auth/jwt", json!({"type": "jwt"})).ok();
    let (signer, other) = (Signer::new("a"), Signer::new("a"));
    let roles = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["other", "coffer"], "policies": "app", "ttl": "1h",
        "claim_mappings": {"/team/name": "team", "admin": "admin"}, "bound_claims": {"groups": ["dev", "none"], "/team/name": "red"}});
    let globs = json!({"role_type": "jwt", "user_claim": "/team/name", "user_claim_json_pointer": true, "bound_audiences": "coffer", "bound_claims_type": "glob",
        "bound_claims": {"groups": "d*v", "sub": ["j*", "x"]}, "clock_skew_leeway": "-1", "expiration_leeway": "10s"});
    check! { root;
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem()), "bound_issuer": "me"} => 204, null;
        "POST auth/jwt/role/app", (roles) => 204, null;
        "POST auth/jwt/role/glob", (globs) => 204, null;
        "POST auth/jwt/role/subject", {"role_type": "jwt", "user_claim": "sub", "bound_subject": "joe"} => 204, null;
    }
    let told = login(&root, "app", &signer.token(&claims())).ok();
    assert_eq!(told["auth"]["policies"], json!(["app", "default"]));
    assert_eq!(told["auth"]["metadata"], json!({"role": "app", "team": "red", "admin": "true"}));
    assert_eq!(told["auth"]["lease_duration"], 3600);
    let token = root.with_token(told["auth"]["client_token"].as_str().unwrap());
    check! { token;
        "GET auth/token/lookup-self" => 200, {"data": {"display_name": "jwt-joe", "path": "auth/jwt/login"}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 3600}};
    }
    let no_key = "error validating token: no known key successfully validated the token signature";
    let rows: Vec<(&str, Value, &str)> = vec![
        ("app", json!({"iss": "you"}), "error validating token: invalid issuer (iss) claim"),
        ("app", json!({"iss": null}), "error validating token: invalid issuer (iss) claim"),
        ("app", json!({"aud": "else"}), "error validating token: invalid audience (aud) claim"),
        ("app", json!({"aud": ["else", "where"]}), "error validating token: invalid audience (aud) claim"),
        ("app", json!({"aud": null}), "error validating token: invalid audience (aud) claim"),
        ("app", json!({"exp": now() - 100}), "token is expired"),
        ("app", json!({"exp": -1}), "the token's exp is no time"),
        ("app", json!({"exp": "zz"}), "the token's exp is no time"),
        ("app", json!({"nbf": now() + 100}), "token not yet valid"),
        ("app", json!({"iat": now() + 100}), "token not yet valid"),
        ("app", json!({"iat": null, "exp": null}), "no issued at (iat), not before (nbf), or expiration time (exp) claims in token"),
        ("app", json!({"iat": now() - 1000, "exp": null}), "token is expired"),
        ("app", json!({"sub": null}), "claim \"sub\" not found in token"),
        ("app", json!({"sub": 7}), "claim \"sub\" could not be converted to string"),
        ("app", json!({"groups": "ops"}), "claim \"groups\" does not match any associated bound claim values"),
        ("app", json!({"groups": null}), "claim \"groups\" is missing"),
        ("app", json!({"team": "red"}), "claim \"/team/name\" is missing"),
        ("app", json!({"admin": {"a": 1}}), "error converting claim 'admin' to string"),
        ("subject", json!({}), "audience claim found in JWT but no audiences bound to the role"),
        ("subject", json!({"aud": null, "sub": "jim"}), "invalid subject (sub) claim"),
        ("glob", json!({"sub": "moe"}), "claim \"sub\" does not match any associated bound claim values"),
        ("glob", json!({"exp": now() - 2}), "token is expired"),
        ("glob", json!({"exp": null, "iat": now() - 30}), "token is expired"),
        ("none", json!({}), "role \"none\" could not be found"),
    ];
    for (role, other, why) in rows {
        let refused = login(&root, role, &signer.token(&but(&other)));
        assert!(refused.status == 400 && refused.errors().contains(why), "{other}: {refused:?}");
    }
    for (role, other) in [
        ("app", json!({"aud": ["x", "other"]})), ("app", json!({"groups": "dev"})), ("app", json!({"admin": null})), ("app", json!({"exp": now() - 30})),
        ("app", json!({"exp": (now() + 100) as f64 + 0.5})), ("subject", json!({"aud": null})), ("glob", json!({})), ("glob", json!({"groups": ["dv"]})),
    ] {
        login(&root, role, &signer.token(&but(&other))).ok();
    }
    // Whose key it is, how it is signed, and what it is.
    let good = signer.token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let header = |header: Value| signer.with_header(&header, &claims());
    let hmac = {
        // The public key for a shared secret.
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), parts[1]);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.pem().as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes())))
    };
    let bare = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), parts[1]);
    let rows: Vec<(String, &str)> = vec![
        (other.token(&claims()), no_key),
        (hmac, "the token is signed with \"HS256\", which no public key verifies"),
        (bare, "the token is signed with \"none\", which no public key verifies"),
        (header(json!({"alg": "nOnE"})), "which no public key verifies"),
        (header(json!({"alg": "RS256"})), no_key),
        (header(json!({"alg": "ES384"})), no_key),
        (header(json!({"alg": "EdDSA"})), no_key),
        (header(json!({"alg": "ES256", "crit": ["exp"], "exp": 1})), "an extension that must be understood"),
        (header(json!({"alg": "ES256", "crit": []})), "an extension that must be understood"),
        (header(json!({"typ": "JWT"})), "the token is malformed"),
        (other.with_header(&json!({"alg": "ES256", "kid": "../../etc/passwd"}), &claims()), no_key),
        (other.with_header(&json!({"alg": "ES256", "jku": "https://127.0.0.1:1/jwks", "jwk": other.jwk(), "x5u": "https://127.0.0.1:1"}), &claims()), no_key),
        (format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(but(&json!({"sub": "root"})).to_string()), parts[2]), no_key),
        (format!("{}.{}.", parts[0], parts[1]), no_key),
        (format!("{good}.x"), "the token is malformed"),
        (format!("{good}="), "the token is malformed"),
        (format!(" {good}"), "the token is malformed"),
        ("a.b.c".to_owned(), "the token is malformed"),
        ("x".repeat(100_000), "the token is malformed"),
        (signer.token(&json!(["claims"])), "the token is malformed"),
    ];
    for (token, why) in rows {
        let refused = login(&root, "app", &token);
        assert!(refused.status == 400 && refused.errors().contains(why), "{}: {refused:?}", token.chars().take(200).collect::<String>());
    }
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    login(&root, "app", &good).ok();
    check! { token; "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 3600}}; }
    root.delete("auth/jwt/role/app").expect(204);
    check! { token; "POST auth/token/renew-self", {} => 403, {"errors": ["~role app does not exist during renewal"]}; }
}

/// Keys that the issuer publishes: it may have new ones at any time, and nobody makes the server ask for them all the time.
#[test]
fn published_keys() {
    let (server, root) = dev();
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let set = Arc::new(Mutex::new(json!({ "keys": [first.jwk()] }).to_string()));
    let issuer = Arc::new(Mutex::new(String::new()));
    let (says, is) = (set.clone(), issuer.clone());
    let https = Https::start(move |asked| match asked.path.as_str() {
        "/keys" => (200, says.lock().unwrap().clone()),
        "/.well-known/openid-configuration" => {
            let issuer = is.lock().unwrap().clone();
            let jwks = format!("{}/keys", issuer.trim_end_matches("/other"));
            (200, json!({"issuer": issuer, "jwks_uri": jwks}).to_string())
        }
        _ => (404, String::new()),
    });
    *issuer.lock().unwrap() = https.url();
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "coffer"});
    root.post("auth/jwt/role/app", role).ok();
    let configure = |mut config: Value| {
        config["jwks_ca_pem"] = json!(https.certificate());
        config["oidc_discovery_ca_pem"] = json!(https.certificate());
        root.post("auth/jwt/config", config)
    };
    let asked = || {
        https
            .asked()
            .iter()
            .filter(|one| one.path == "/keys")
            .count()
    };
    configure(json!({"jwks_url": format!("{}/keys", https.url())})).ok();
    for _ in 0..20 {
        login(&root, "app", &first.token(&claims())).ok();
    }
    let before = asked();
    assert!(
        before <= 3,
        "once when it was configured, and once at the first login: {before}"
    );
    // A key that is not known is asked for, but not by every token.
    for _ in 0..20 {
        let refused = login(&root, "app", &second.token(&claims()));
        assert!(refused.errors().contains("no known key"), "{refused:?}");
    }
    assert!(asked() <= before + 2);
    *set.lock().unwrap() = json!({ "keys": [first.jwk(), second.jwk(), {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "new"}, 7] }).to_string();
    coffer_tests::until(
        std::time::Duration::from_secs(30),
        "the new key counts",
        || login(&root, "app", &second.token(&claims())).is_ok(),
    );
    login(&root, "app", &first.token(&claims())).ok();
    // By what the issuer says of itself, which must be the one that was meant.
    configure(json!({ "oidc_discovery_url": https.url() })).ok();
    let by = |issuer: &str| second.token(&but(&json!({ "iss": issuer })));
    login(&root, "app", &by(&https.url())).ok();
    let refused = login(&root, "app", &by("me"));
    assert!(refused.errors().contains("invalid issuer"), "{refused:?}");
    *issuer.lock().unwrap() = format!("{}/other", https.url());
    let refused = configure(json!({ "oidc_discovery_url": https.url() }));
    assert!(
        refused.status == 400 && refused.errors().contains("another issuer"),
        "{refused:?}"
    );
    // What is no set, or a large one, does no harm.
    for body in [
        "no set".to_owned(),
        format!("{{\"keys\": [{}1]}}", "1,".repeat(5_000_000)),
    ] {
        *set.lock().unwrap() = body;
        let refused = configure(json!({"jwks_url": format!("{}/keys", https.url())}));
        assert!(
            refused.status == 400 && refused.errors().contains("error checking jwks URL"),
            "{refused:?}"
        );
    }
    let rogue = json!({"jwks_url": format!("{}/keys", https.url())});
    let refused = root.post("auth/jwt/config", rogue);
    assert!(
        refused.errors().contains("certificate"),
        "without its certificate: {refused:?}"
    );
    drop(server);
}

/// The issuer says in which groups somebody is: those that have a name for it here are theirs, as of each login.
#[test]
#[rustfmt::skip]
fn groups() {
    let (_server, root) = dev();
    let signer = Signer::new("a");
    check! { root;
        "POST auth/jwt/config", {"jwt_validation_pubkeys": (signer.pem())} => 204, null;
        "POST auth/jwt/role/app", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "coffer", "groups_claim": "groups"} => 204, null;
        "POST auth/jwt/role/deep", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "coffer", "groups_claim": "/team/groups"} => 204, null;
        "POST auth/jwt/role/none", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "coffer"} => 204, null;
        "GET auth/jwt/role/deep" => 200, {"data": {"groups_claim": "/team/groups"}};
        "POST sys/auth/other", {"type": "jwt"} => 204, null;
    }
    let accessor = |mount: &str| root.get(&format!("sys/auth/{mount}")).text("/data/accessor");
    let external = |name: &str, alias: &str, mount: &str| {
        let made = root.post("identity/group", json!({"name": name, "type": "external", "policies": name}));
        let alias = json!({"name": alias, "mount_accessor": accessor(mount), "canonical_id": made.text("/data/id")});
        root.post("identity/group-alias", alias).ok();
    };
    external("developers", "dev", "jwt");
    external("operators", "ops", "jwt");
    external("elsewhere", "dev", "other");
    let mine = |claims: Value, role: &str| login(&root, role, &signer.token(&but(&claims)));
    #[allow(clippy::type_complexity)]
    let table: [(Value, &str, &[&str]); 8] = [
        (json!({}), "app", &["developers", "operators"]),
        (json!({"groups": ["dev", "dev", "unknown", ""]}), "app", &["developers"]),
        (json!({"groups": "OPS"}), "app", &["operators"]),
        (json!({"team": {"groups": ["dev"]}}), "deep", &["developers"]),
        (json!({"groups": []}), "app", &[]),
        (json!({}), "app", &["developers", "operators"]),
        (json!({}), "none", &[]),
        (json!({"sub": "ann", "groups": ["dev"]}), "app", &["developers"]),
    ];
    for (claims, role, expected) in table {
        let told = mine(claims.clone(), role).ok();
        let have = told["auth"].get("identity_policies").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(have, json!(expected), "{claims} {role}");
    }
    for (claims, role, why) in [
        (json!({"groups": null}), "app", "failed to fetch groups: \"groups\" claim not found in token"),
        (json!({}), "deep", "failed to fetch groups: \"/team/groups\" claim not found in token"),
        (json!({"groups": ["dev", 1]}), "app", "value 1 in groups claim could not be parsed as string"),
        (json!({"groups": {"dev": true}}), "app", "\"groups\" claim could not be converted to string list"),
    ] {
        let refused = mine(claims, role).expect(400);
        assert_eq!(refused["errors"], json!([why]));
    }
    let many: Vec<_> = (0..1025).map(|n| n.to_string()).collect();
    mine(json!({"groups": many}), "app").expect(400);
    mine(json!({"groups": ["x".repeat(1025)]}), "app").expect(400);
    // Who is in a group that operators fill stays there, whatever an issuer says.
    let joe = mine(json!({}), "app").text("/auth/entity_id");
    root.post("identity/group", json!({"name": "board", "policies": "board", "member_entity_ids": [joe]})).ok();
    let told = mine(json!({"groups": ["ops"]}), "app").ok();
    assert_eq!(told["auth"]["identity_policies"], json!(["board", "operators"]));
    // An external group that nothing is known by here any more has nobody, from the next login on.
    let alias = root.get("identity/group/name/operators").text("/data/alias/id");
    root.delete(&format!("identity/group-alias/id/{alias}")).expect(204);
    let told = mine(json!({"groups": ["ops"]}), "app").ok();
    assert_eq!(told["auth"]["identity_policies"], json!(["board"]));
    check! { root; "GET identity/group/name/operators" => 200, {"data": {"member_entity_ids": null}}; }
}
