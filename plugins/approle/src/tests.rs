#![allow(clippy::unwrap_used)]

use coffer_sdk::Operation::{Delete, List, Read, Write};
use coffer_sdk::testing::Host;
use serde_json::{Value, json};

use super::*;

fn role(host: &Host, settings: Value) -> String {
    host.call(&APPROLE, Write, "role/App", settings).unwrap();
    text(host, Read, "role/app/role-id", json!({}), "role_id")
}

fn text(
    host: &Host,
    operation: coffer_sdk::Operation,
    path: &str,
    data: Value,
    field: &str,
) -> String {
    host.call(&APPROLE, operation, path, data).unwrap().value()[field]
        .as_str()
        .unwrap()
        .to_owned()
}

fn secret(host: &Host, data: Value) -> String {
    text(host, Write, "role/app/secret-id", data, "secret_id")
}

fn login(host: &Host, role_id: &str, secret_id: &str) -> Result<Auth> {
    login_from(host, role_id, secret_id, "127.0.0.1")
}

fn login_from(host: &Host, role_id: &str, secret_id: &str, from: &str) -> Result<Auth> {
    let data = json!({ "role_id": role_id, "secret_id": secret_id });
    Ok(host
        .call_from(&APPROLE, Write, "login", data, from)?
        .auth
        .unwrap())
}

#[test]
fn a_login_gives_what_the_role_says() {
    let host = Host::new();
    let id = role(
        &host,
        json!({"token_policies": ["b ", "a", "A"], "token_ttl": "20m", "token_max_ttl": 3600, "token_num_uses": 5, "token_type": "service"}),
    );
    let secret_id = secret(&host, json!({"metadata": "{\"k\":\"v\"}"}));
    let before = host.keys();
    let auth = login(&host, &format!(" {id}\n"), &format!(" {secret_id}\n")).unwrap();
    assert_eq!(auth.policies, ["a", "b"]);
    let kept = host.call(&APPROLE, Read, "role/app", json!({})).unwrap();
    assert_eq!(kept.value()["token_policies"], json!(["b", "a", "A"]));
    assert_eq!(
        (auth.ttl, auth.max_ttl, auth.num_uses, auth.kind),
        (1200, 3600, 5, TokenKind::Service)
    );
    assert_eq!(
        auth.metadata,
        [
            ("k".to_owned(), "v".to_owned()),
            ("role_name".to_owned(), "app".to_owned())
        ]
    );
    assert_eq!(auth.alias.unwrap().name, id);
    assert_eq!(host.keys(), before, "a login without limits writes nothing");
    assert!(
        !host
            .keys()
            .iter()
            .any(|key| key.contains(&secret_id) || key.contains(&id)),
        "no id stands in a key"
    );
    for (role_id, secret_id, message) in [
        (id.as_str(), "wrong", "invalid role or secret ID"),
        ("wrong", secret_id.as_str(), "invalid role or secret ID"),
        ("", secret_id.as_str(), "missing role_id"),
        (id.as_str(), "", "missing secret_id"),
    ] {
        assert_eq!(
            login(&host, role_id, secret_id).unwrap_err().message,
            message
        );
    }
}

#[test]
fn uses_and_times_end() {
    let host = Host::new();
    let id = role(&host, json!({"secret_id_num_uses": 2, "secret_id_ttl": 60}));
    let secret_id = secret(&host, json!({}));
    for ok in [true, true, false] {
        assert_eq!(login(&host, &id, &secret_id).is_ok(), ok);
    }
    let left = || {
        let keys = host.keys().into_iter();
        keys.filter(|key| !key.starts_with("role")).count()
    };
    assert_eq!(left(), 0, "nothing is left of it");
    let made = host
        .call(&APPROLE, Write, "role/app/secret-id", json!({"ttl": 10}))
        .unwrap()
        .value();
    host.advance(11);
    assert!(login(&host, &id, made["secret_id"].as_str().unwrap()).is_err());
    let accessor = json!({"secret_id_accessor": made["secret_id_accessor"]});
    let path = "role/app/secret-id-accessor/lookup";
    let found = host.call(&APPROLE, Write, path, accessor).unwrap();
    assert!(found.data.is_none(), "as if it was gone");
    tidy::tick().unwrap();
    assert_eq!(left(), 0);
    for (data, message) in [
        (json!({"num_uses": 3}), "num_uses"),
        (json!({"num_uses": 0}), "num_uses"),
        (json!({"ttl": 61}), "ttl"),
        (json!({"ttl": 0}), "ttl"),
    ] {
        let error = host
            .call(&APPROLE, Write, "role/app/secret-id", data)
            .unwrap_err();
        assert!(error.message.starts_with(message), "{error:?}");
    }
}

#[test]
fn all_that_has_expired_is_removed() {
    const EXPIRED: usize = 2001;
    let host = Host::new();
    role(&host, json!({}));
    for _ in 0..EXPIRED {
        secret(&host, json!({"ttl": 60}));
    }
    secret(&host, json!({}));
    secret(&host, json!({"ttl": 62}));
    host.advance(61);
    host.call(&APPROLE, Write, "tidy/secret-id", json!({}))
        .unwrap();
    let count = |prefix: &str| {
        let keys = host.keys().into_iter();
        keys.filter(|key| key.starts_with(prefix)).count()
    };
    assert_eq!(
        (count("secret-id/"), count("accessor/"), count("expires/")),
        (2, 2, 1)
    );
}

#[test]
fn a_secret_id_lives_no_longer_than_the_mount_says() {
    let host = Host::new().lease_ttls(60, 600);
    role(&host, json!({"secret_id_ttl": "10h"}));
    for (data, ttl) in [(json!({}), 600), (json!({"ttl": 30}), 30)] {
        let made = host
            .call(&APPROLE, Write, "role/app/secret-id", data)
            .unwrap();
        assert_eq!(made.value()["secret_id_ttl"], ttl);
        let secret_id = json!({"secret_id": made.value()["secret_id"]});
        let known = host
            .call(&APPROLE, Write, "role/app/secret-id/lookup", secret_id)
            .unwrap();
        assert_eq!(
            known.value()["expiration_time"],
            clock::rfc3339(clock::now() + ttl * 1000)
        );
    }
    // 0 is for ever.
    host.call(&APPROLE, Write, "role/app", json!({"secret_id_ttl": 0}))
        .unwrap();
    let made = host
        .call(&APPROLE, Write, "role/app/secret-id", json!({}))
        .unwrap();
    assert_eq!(made.value()["secret_id_ttl"], 0);
}

#[test]
fn metadata_has_several_forms() {
    let host = Host::new();
    role(&host, json!({}));
    for (sent, expected) in [
        (json!("{\"a\":\"b\"}"), Some(json!({"a": "b"}))),
        (json!({"a": "b"}), Some(json!({"a": "b"}))),
        (json!("a=b, c = d,"), Some(json!({"a": "b", "c": "d"}))),
        (json!("eyJhIjoiYiJ9"), Some(json!({"a": "b"}))),
        (json!("YT1i"), Some(json!({"a": "b"}))),
        (json!(""), Some(json!({}))),
        (json!(null), Some(json!({}))),
        (json!("=b"), None),
        (json!("a="), None),
        (json!("a=b=c"), None),
        (json!("nonsense"), None),
        (json!("{\"a\":1}"), None),
        (json!(5), None),
    ] {
        let path = "role/app/secret-id";
        let made = host.call(&APPROLE, Write, path, json!({ "metadata": sent }));
        let Some(expected) = expected else {
            made.unwrap_err();
            continue;
        };
        let secret_id = json!({"secret_id": made.unwrap().value()["secret_id"]});
        let path = "role/app/secret-id/lookup";
        let known = host.call(&APPROLE, Write, path, secret_id).unwrap();
        assert_eq!(known.value()["metadata"], expected, "{sent}");
    }
}

#[test]
fn tokens_are_bound_to_where_their_login_came_from() {
    let host = Host::new();
    let id = role(&host, json!({"token_strictly_bind_ip": true}));
    let secret_id = secret(&host, json!({}));
    let auth = login_from(&host, &id, &secret_id, "10.1.2.3").unwrap();
    assert_eq!(auth.bound_cidrs, ["10.1.2.3"]);
    let read = host.call(&APPROLE, Read, "role/app", json!({})).unwrap();
    assert_eq!(read.value()["token_strictly_bind_ip"], true);
    let both = json!({"token_bound_cidrs": "10.0.0.0/8"});
    let error = host.call(&APPROLE, Write, "role/app", both).unwrap_err();
    assert!(error.message.contains("conflicts"), "{error:?}");
}

#[test]
fn null_resets_a_setting() {
    let host = Host::new();
    role(&host, json!({}));
    #[rustfmt::skip]
    let table = [
        ("token_policies", json!(["a"]), json!([])),
        ("token_bound_cidrs", json!(["127.0.0.1"]), json!([])),
        ("secret_id_bound_cidrs", json!(["127.0.0.1/32"]), json!([])),
        ("secret_id_num_uses", json!(3), json!(0)),
        ("token_no_default_policy", json!(true), json!(false)),
        // These keep what they were.
        ("token_ttl", json!(60), json!(60)),
        ("token_type", json!("service"), json!("service")),
        ("bind_secret_id", json!(true), json!(true)),
    ];
    for (field, value, expected) in table {
        for value in [value, json!(null)] {
            host.call(&APPROLE, Write, "role/app", json!({ field: value }))
                .unwrap();
        }
        let read = host.call(&APPROLE, Read, "role/app", json!({})).unwrap();
        assert_eq!(read.value()[field], expected, "{field}");
    }
}

#[test]
fn names_of_roles() {
    let host = Host::new();
    for name in ["a", "_a", "a.b-c_d", "a..b", "1", "MiXed"] {
        host.call(&APPROLE, Write, &format!("role/{name}"), json!({}))
            .unwrap();
    }
    for name in ["-x", "x.", "a-", "bad name", "a@b", "x:y", "é"] {
        let path = format!("role/{name}");
        let error = host.call(&APPROLE, Write, &path, json!({})).unwrap_err();
        assert_eq!(error.message, "unsupported path", "{name}");
        assert_eq!(host.exists(&APPROLE, &path, json!({})), Ok(Some(false)));
    }
    let listed =
        |data: Value| host.call(&APPROLE, List, "role", data).unwrap().value()["keys"].clone();
    assert_eq!(
        listed(json!({"after": "_a", "limit": 2})),
        json!(["a", "a..b"])
    );
}

#[test]
fn addresses() {
    let host = Host::new();
    let id = role(
        &host,
        json!({"secret_id_bound_cidrs": "10.0.0.0/8", "token_bound_cidrs": ["10.0.0.0/8"]}),
    );
    let inside = secret(&host, json!({"cidr_list": "10.1.0.0/16"}));
    for (from, ok) in [
        ("10.1.2.3", true),
        ("10.2.0.1", false),
        ("192.168.0.1", false),
        ("", false),
    ] {
        assert_eq!(login_from(&host, &id, &inside, from).is_ok(), ok, "{from}");
    }
    assert!(
        host.call(
            &APPROLE,
            Write,
            "role/app/secret-id",
            json!({"cidr_list": "11.0.0.0/8"})
        )
        .unwrap_err()
        .message
        .contains("subset")
    );
    assert!(
        host.call(
            &APPROLE,
            Write,
            "role/app",
            json!({"token_bound_cidrs": "nonsense"})
        )
        .is_err()
    );
}

#[test]
fn every_setting_has_a_path() {
    let host = Host::new();
    role(&host, json!({}));
    #[rustfmt::skip]
    let table = [
        ("bind-secret-id", "bind_secret_id", json!(true), json!(true)),
        ("secret-id-bound-cidrs", "secret_id_bound_cidrs", json!(["10.0.0.0/8"]), json!([])),
        ("bound-cidr-list", "bound_cidr_list", json!(["10.0.0.0/8"]), json!([])),
        ("secret-id-num-uses", "secret_id_num_uses", json!(3), json!(0)),
        ("secret-id-ttl", "secret_id_ttl", json!(30), json!(0)),
        ("policies", "token_policies", json!(["p"]), json!([])),
        ("policies", "policies", json!(["q"]), json!([])),
        ("token-ttl", "token_ttl", json!(30), json!(0)),
        ("token-max-ttl", "token_max_ttl", json!(60), json!(0)),
        ("period", "token_period", json!(60), json!(0)),
        ("period", "period", json!(61), json!(0)),
        ("token-num-uses", "token_num_uses", json!(2), json!(0)),
        ("token-bound-cidrs", "token_bound_cidrs", json!(["10.0.0.1"]), json!([])),
        ("token-explicit-max-ttl", "token_explicit_max_ttl", json!(60), json!(0)),
        ("token-no-default-policy", "token_no_default_policy", json!(true), json!(false)),
        ("token-type", "token_type", json!("service"), json!("default")),
        ("token-strictly-bind-ip", "token_strictly_bind_ip", json!(true), json!(false)),
    ];
    for (path, field, value, default) in table {
        let path = format!("role/app/{path}");
        host.call(&APPROLE, Write, &path, json!({ field: value }))
            .unwrap();
        assert_eq!(
            host.call(&APPROLE, Read, &path, json!({})).unwrap().value()[field],
            value,
            "{path}"
        );
        host.call(&APPROLE, Delete, &path, json!({})).unwrap();
        assert_eq!(
            host.call(&APPROLE, Read, &path, json!({})).unwrap().value()[field],
            default,
            "{path}"
        );
        // Addresses may be left out.
        assert_eq!(
            host.call(&APPROLE, Write, &path, json!({})).is_ok(),
            field.contains("cidr"),
            "{path} without a value"
        );
    }
    let both = json!({"policies": "old", "token_policies": ["New "]});
    host.call(&APPROLE, Write, "role/app/policies", both)
        .unwrap();
    let read = host.call(&APPROLE, Read, "role/app/policies", json!({}));
    assert_eq!(read.unwrap().value()["token_policies"], json!(["New"]));
    for (operation, path) in [
        (Read, "secret-id"),
        (Read, "custom-secret-id"),
        (Delete, "role-id"),
        (Write, "local-secret-ids"),
    ] {
        let path = format!("role/app/{path}");
        let error = host
            .call(&APPROLE, operation, &path, json!({}))
            .unwrap_err();
        assert_eq!(error.message, "unsupported operation", "{path}");
    }
    assert_eq!(
        host.call(&APPROLE, Read, "role/app/nonsense", json!({}))
            .unwrap_err()
            .message,
        "unsupported path"
    );
}

#[test]
fn accessors_and_deletion() {
    let host = Host::new();
    let id = role(&host, json!({}));
    let made = host
        .call(
            &APPROLE,
            Write,
            "role/app/custom-secret-id",
            json!({"secret_id": "mine"}),
        )
        .unwrap()
        .value();
    let accessor = json!({"secret_id_accessor": made["secret_id_accessor"]});
    assert_eq!(
        host.call(&APPROLE, List, "role/app/secret-id", json!({}))
            .unwrap()
            .value()["keys"],
        json!([made["secret_id_accessor"]])
    );
    assert_eq!(
        host.call(
            &APPROLE,
            Write,
            "role/app/secret-id-accessor/lookup",
            accessor.clone()
        )
        .unwrap()
        .value()["secret_id_accessor"],
        made["secret_id_accessor"]
    );
    assert!(
        host.call(
            &APPROLE,
            Write,
            "role/app/secret-id/lookup",
            json!({"secret_id": "mine"})
        )
        .unwrap()
        .data
        .is_some()
    );
    host.call(&APPROLE, Write, "role/other", json!({})).unwrap();
    assert!(
        host.call(
            &APPROLE,
            Write,
            "role/other/secret-id-accessor/lookup",
            accessor.clone()
        )
        .is_err(),
        "another role's"
    );
    host.call(
        &APPROLE,
        Write,
        "role/app/secret-id-accessor/destroy",
        accessor,
    )
    .unwrap();
    assert!(login(&host, &id, "mine").is_err());
    let long = json!({"secret_id": "x".repeat(4097)});
    host.call(&APPROLE, Write, "role/app/custom-secret-id", long)
        .unwrap_err();
    secret(&host, json!({"ttl": 60}));
    host.call(&APPROLE, Delete, "role/app", json!({})).unwrap();
    host.call(&APPROLE, Delete, "role/other", json!({}))
        .unwrap();
    assert_eq!(host.keys(), Vec::<String>::new(), "nothing is left");
}

#[test]
fn bad_roles() {
    let host = Host::new();
    role(&host, json!({"role_id": "fixed"}));
    for data in [
        json!({"role_id": "fixed"}),
        json!({"bind_secret_id": false}),
        json!({"token_ttl": 10, "token_max_ttl": 5}),
        json!({"token_type": "x"}),
        json!({"token_type": "batch", "token_num_uses": 1}),
        json!({"secret_id_num_uses": -1}),
        json!({"token_type": "default-batch", "token_period": 1}),
        json!({"token_ttl": {}}),
    ] {
        assert!(
            host.call(&APPROLE, Write, "role/new", data.clone())
                .is_err(),
            "{data}"
        );
    }
    assert!(
        host.call(
            &APPROLE,
            Write,
            "role/app",
            json!({"local_secret_ids": true})
        )
        .is_err()
    );
}

#[test]
fn what_a_role_is_warned_of() {
    let host = Host::new();
    for (given, kept) in [("default-batch", "batch"), ("default-service", "service")] {
        for path in ["role/app", "role/app/token-type"] {
            let data = json!({ "token_type": given });
            let answer = host.call(&APPROLE, Write, path, data).unwrap();
            assert_eq!(
                answer.warnings,
                [format!(
                    "{given} has no useful meaning; adjusting to {kept}"
                )]
            );
        }
        let read = host.call(&APPROLE, Read, "role/app", json!({})).unwrap();
        assert_eq!(read.value()["token_type"], kept);
    }
    // The host caps it, and says so at each login.
    host.call(
        &APPROLE,
        Write,
        "role/app",
        json!({"token_period": "9000h"}),
    )
    .unwrap();
}

#[test]
fn a_renewal_needs_the_role() {
    let host = Host::new();
    role(&host, json!({"token_ttl": 60, "token_period": 30}));
    let lease = Lease::of("login", &json!({"role_name": "app"}), 0, 0);
    let renewal = login::renew(&lease, 0).unwrap();
    assert_eq!((renewal.ttl, renewal.period), (60, 30));
    host.call(&APPROLE, Delete, "role/app", json!({})).unwrap();
    assert!(login::renew(&lease, 0).is_err());
}
