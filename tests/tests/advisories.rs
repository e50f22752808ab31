//! What was found in Vault and OpenBao, tried here: a test for each public advisory about the core, by its number. Those on
//! namespaces, MFA and identity come with what they are about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use coffer_tests::server::Keys;
use coffer_tests::{Server, check, port, until};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(20);
const SECRET: &str = "swordfish-9c1f";

/// A durable server that is unsealed, with these settings.
fn configured(settings: impl FnOnce(&Path) -> String) -> (Server, Keys) {
    Server::ready_with("", settings).unwrap()
}

/// The same, with audit devices that show what they may.
fn audited(names: &[(&str, bool)]) -> Server {
    let (server, _) = configured(|folder| format!("audit_directory = {folder:?}\n"));
    for (name, raw) in names {
        let file = server.folder().join(name);
        let body = json!({"type": "file", "options": {"file_path": file, "log_raw": raw}});
        server
            .client()
            .post(&format!("sys/audit/{name}"), body)
            .expect(204);
    }
    server
}

fn recorded(server: &Server, name: &str) -> String {
    std::fs::read_to_string(server.folder().join(name)).unwrap()
}

/// A token that is renewed just before its end does not live for ever.
#[test]
fn cve_2021_32923() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let body = json!({"policies": ["default"], "ttl": "2s", "explicit_max_ttl": "2s"});
    let made = client.post("auth/token/create", body);
    let token = client.with_token(&made.text("/auth/client_token"));
    until(WAIT, "it ends, however often it is renewed", || {
        let renewed = token.post("auth/token/renew-self", json!({}));
        if renewed.is_ok() {
            assert!(renewed.number("/auth/lease_duration") <= 2, "{renewed:?}");
        }
        !renewed.is_ok()
    });
    check! { token; "GET auth/token/lookup-self" => 403, {"errors": ["*"]}; }
}

/// Whoever may destroy secret ids of one role cannot destroy another's by its accessor.
#[test]
fn cve_2023_24999() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/auth/approle", {"type": "approle"} => 204;
        "POST auth/approle/role/mine", {} => 204;
        "POST auth/approle/role/theirs", {} => 204;
    }
    let role = client
        .get("auth/approle/role/theirs/role-id")
        .text("/data/role_id");
    let made = client
        .post("auth/approle/role/theirs/secret-id", json!({}))
        .ok();
    let accessor = &made["data"]["secret_id_accessor"];
    let rules =
        r#"path "auth/approle/role/mine/*" { capabilities = ["create", "update", "delete"] }"#;
    let mine = client.limited_to(rules);
    let path = "auth/approle/role/mine/secret-id-accessor/destroy";
    mine.post(path, json!({ "secret_id_accessor": accessor }));
    let login = json!({"role_id": role, "secret_id": made["data"]["secret_id"]});
    check! { client; "POST auth/approle/login", (login) => 200, {"auth": {"client_token": "*"}}; }
}

/// `log_raw` of one device says nothing of the others.
#[test]
fn cve_2024_0831() {
    let server = audited(&[("hashed", false), ("raw", true)]);
    let client = server.client();
    client
        .post("sys/mounts/kv", json!({"type": "kv"}))
        .expect(204);
    client
        .post("kv/a", json!({ "password": SECRET }))
        .expect(204);
    client.get("kv/a").expect(200);
    for name in ["hashed", "raw"] {
        until(WAIT, name, || {
            recorded(&server, name).matches("\"kv/a\"").count() == 4
        });
    }
    assert!(recorded(&server, "raw").contains(SECRET));
    assert!(!recorded(&server, "hashed").contains(SECRET));
}

/// A connection that a PROXY rule refuses harms nobody else.
#[test]
fn cve_2024_6468() {
    let closed = port::free();
    let (server, _) = configured(|_| {
        format!(
            "listener \"tcp\" {{\n address = \"{closed}\"\n tls_disable = true\n proxy_protocol_behavior = \"deny_unauthorized\"\n proxy_protocol_authorized_addrs = \"10.0.0.1\"\n}}\n"
        )
    });
    for _ in 0..50 {
        let stream = TcpStream::connect(closed).unwrap();
        drop(stream);
    }
    check! { server.client(); "GET auth/token/lookup-self" => 200, {}; }
    assert!(TcpStream::connect(closed).is_ok());
}

/// No record has a token, an accessor or a secret in clear, in whatever form it is answered (also CVE-2025-62513 and
/// CVE-2025-62705).
#[test]
fn cve_2024_8365() {
    let server = audited(&[("log", false)]);
    let client = server.client();
    client
        .post(
            "sys/mounts/kv",
            json!({"type": "kv", "options": {"version": "2"}}),
        )
        .expect(204);
    client
        .post(
            "kv/data/a",
            json!({"data": {"deep": {"list": [SECRET, {"x": SECRET}]}}}),
        )
        .ok();
    client.get("kv/data/a").ok();
    let made = client.post(
        "auth/token/create",
        json!({"policies": ["default"], "meta": {"a": "b"}}),
    );
    let (token, accessor) = (made.text("/auth/client_token"), made.text("/auth/accessor"));
    let theirs = client.with_token(&token);
    theirs.get("auth/token/lookup-self").ok();
    let wrapped = client.wrapping("1m").get("kv/data/a");
    let wrapping = wrapped.text("/wrap_info/token");
    client
        .post("sys/wrapping/lookup", json!({ "token": wrapping }))
        .ok();
    client
        .post("sys/wrapping/unwrap", json!({ "token": wrapping }))
        .ok();
    client
        .post(
            "auth/token/lookup-accessor",
            json!({ "accessor": accessor }),
        )
        .ok();
    client
        .post("sys/capabilities", json!({"token": token, "paths": ["x"]}))
        .ok();
    client
        .post("sys/tools/hash", json!({ "input": "c3dvcmRmaXNoLTljMWY=" }))
        .ok();
    // Whole bodies without an envelope, text, and a body that is none.
    client.get("sys/metrics?format=prometheus").expect(200);
    client.get("sys/internal/specs/openapi").expect(200);
    client.post("kv/data/a", json!(SECRET));
    client
        .post("auth/token/revoke", json!({ "token": token }))
        .ok();
    let log = recorded(&server, "log");
    for secret in [
        SECRET,
        &token,
        &accessor,
        &wrapping,
        server.root_token(),
        "c3dvcmRmaXNo",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(log.contains("sys/internal/specs/openapi"));
}

/// A payload of the wrong form is not quoted in the answer, the server's log or the audit log.
#[test]
fn cve_2025_4166() {
    let server = audited(&[("log", false)]);
    let client = server.client();
    client
        .post(
            "sys/mounts/kv",
            json!({"type": "kv", "options": {"version": "2"}}),
        )
        .expect(204);
    let bodies: [Value; 4] = [
        json!({ "data": SECRET }),
        json!({ "data": [SECRET] }),
        json!({"data": {"x": 1}, "options": SECRET}),
        json!([SECRET]),
    ];
    for body in bodies {
        let refused = client.post("kv/data/a", body.clone());
        assert_eq!(refused.status, 400, "{body}");
        assert!(!refused.body.to_string().contains(SECRET), "{refused:?}");
    }
    let token = format!("X-Vault-Token: {}", server.root_token());
    let broken = server.raw(
        "POST",
        "kv/data/a",
        &[&token],
        &format!("{{\"data\": {{\"x\": \"{SECRET}\" "),
    );
    assert_eq!(broken.status, 400);
    assert!(!broken.body.contains(SECRET));
    assert!(!recorded(&server, "log").contains(SECRET));
    assert!(!server.log().contains(SECRET));
}

/// A rekey, its verification and a root generation are not cancelled by whoever knows nothing of them (also CVE-2025-52894).
#[test]
fn cve_2025_4656() {
    let (server, _) = configured(|_| String::new());
    let anonymous = server.anonymous();
    let begun = anonymous
        .post(
            "sys/rekey/init",
            json!({"secret_shares": 1, "secret_threshold": 1}),
        )
        .ok();
    check! { anonymous;
        "DELETE sys/rekey/init" => 400, {"errors": ["*"]};
        "DELETE sys/rekey/init", {"nonce": "wrong"} => 400, {"errors": ["*"]};
        "GET sys/rekey/init" => 200, {"started": true};
    }
    let nonce = begun["nonce"].as_str().unwrap();
    check! { anonymous;
        "DELETE sys/rekey/init?nonce={nonce}" => 204;
        "GET sys/rekey/init" => 200, {"started": false};
        "PUT sys/generate-root/attempt", {} => 200, {"started": true};
        "DELETE sys/generate-root/attempt" => 400, {"errors": ["*"]};
        "GET sys/generate-root/attempt" => 200, {"started": true};
    }
}

/// The root policy is not to be had by another way of writing it, nor by who somebody is (also CVE-2025-54996 and
/// CVE-2025-64761).
#[test]
fn cve_2025_5999() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let rules = r#"path "auth/*" { capabilities = ["create", "read", "update", "sudo"] }"#;
    let operator = client.limited_to(rules);
    let rules = r#"path "identity/*" { capabilities = ["create", "read", "update", "sudo"] }"#;
    let operator_of_identity = client.limited_to(rules);
    client
        .post("sys/auth/userpass", json!({"type": "userpass"}))
        .expect(204);
    for name in [
        "root",
        "ROOT",
        "Root",
        " root",
        "root ",
        "\troot",
        "root\n",
        "default, root",
    ] {
        let made = operator.post(
            "auth/token/create",
            json!({"policies": [name], "no_default_policy": true}),
        );
        if made.is_ok() {
            let policies = made.body["auth"]["policies"].to_string();
            assert!(
                !policies.to_lowercase().contains("\"root\""),
                "{name:?}: {made:?}"
            );
            let token = client.with_token(&made.text("/auth/client_token"));
            check! { token; "GET sys/mounts" => 403, {"errors": ["*"]}; }
        }
        operator.post("auth/token/roles/r", json!({ "allowed_policies": [name] }));
        let made = operator.post("auth/token/create/r", json!({ "policies": [name] }));
        assert!(
            !made.is_ok()
                || !made.body["auth"]["policies"]
                    .to_string()
                    .contains("\"root\""),
            "{name:?}"
        );
        for what in ["entity", "group"] {
            let path = format!("identity/{what}/name/climber");
            operator_of_identity.post(&path, json!({ "policies": [name] }));
            let said = client.get(&path).body["data"]["policies"].to_string();
            assert!(
                !said.to_lowercase().contains("\"root\""),
                "{name:?}: {said}"
            );
        }
        let user = json!({"password": "right", "token_policies": [name]});
        if operator.post("auth/userpass/users/bo", user).is_ok() {
            let login = client.post("auth/userpass/login/bo", json!({"password": "right"}));
            assert!(
                !login.is_ok()
                    || !login.body["auth"]["policies"]
                        .to_string()
                        .contains("\"root\""),
                "{name:?}: {login:?}"
            );
        }
    }
}

/// An audit device that is made through the API writes no file that could be run, and connects nowhere (also
/// CVE-2025-54997).
#[test]
fn cve_2025_6000() {
    let (server, _) = configured(|folder| {
        format!(
            "audit_directory = {:?}\nplugin_directory = {:?}\n",
            folder.join("audit"),
            folder
        )
    });
    std::fs::create_dir(server.folder().join("audit")).unwrap();
    let client = server.client();
    let file = |path: &str| server.folder().join(path).display().to_string();
    let (inside, outside, up) = (file("audit/a"), file("evil"), file("audit/../evil"));
    check! { client;
        "POST sys/audit/a", {"type": "file", "options": {"file_path": outside}} => 400, {"errors": ["~not in a folder"]};
        "POST sys/audit/a", {"type": "file", "options": {"file_path": up}} => 400, {"errors": ["*"]};
        "POST sys/audit/a", {"type": "file", "options": {"file_path": inside, "mode": "0755"}} => 400, {"errors": ["~mode"]};
        "POST sys/audit/a", {"type": "file", "options": {"file_path": inside, "prefix": "#!/bin/sh\nid\n"}} => 400, {"errors": ["~prefix"]};
        "POST sys/audit/a", {"type": "socket", "options": {"address": "127.0.0.1:1"}} => 400, {"errors": ["~configuration"]};
        "GET sys/audit" => 200, {"data": {}};
    }
    assert!(!server.folder().join("evil").exists());
}

/// Another way to write a name is not another try (also CVE-2025-54998).
#[test]
fn cve_2025_6004() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/auth/userpass", {"type": "userpass"} => 204;
        "POST auth/userpass/users/bo", {"password": "right"} => 204;
    }
    for name in ["bo", "BO", "Bo", "bO", "%20bo", "bo%20", "bo/"] {
        client.post(
            &format!("auth/userpass/login/{name}"),
            json!({"password": "wrong"}),
        );
    }
    check! { client;
        "POST auth/userpass/login/bo", {"password": "right"} => 403, {"errors": ["*"]};
        "POST auth/userpass/login/BO", {"password": "right"} => 403, {"errors": ["*"]};
    }
}

/// Whether somebody is known is not told by the answer to a wrong password (also CVE-2025-54999).
#[test]
fn cve_2025_6011() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/auth/userpass", {"type": "userpass"} => 204;
        "POST auth/userpass/users/bo", {"password": "right"} => 204;
    }
    let answer = |name: &str| {
        client.post(
            &format!("auth/userpass/login/{name}"),
            json!({"password": "x"}),
        )
    };
    let (known, unknown) = (answer("bo"), answer("nobody"));
    assert_eq!((known.status, known.body), (unknown.status, unknown.body));
}

/// JSON that is dear to take apart is refused, or costs what it weighs (also CVE-2025-59043).
#[test]
fn cve_2025_6203() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let before = server.resident();
    let deep = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    let wide = format!("{{{}}}", vec!["\"k\":[[],[],[]]"; 300_000].join(","));
    let long = format!(
        "{{\"data\":{{\"{}\":\"{}\"}}}}",
        "k".repeat(1 << 20),
        "v".repeat(8 << 20)
    );
    for body in [deep, wide, long] {
        for path in ["sys/unseal", "secret/data/a", "sys/policies/acl/x"] {
            for headers in [&["X-Vault-Token: root"][..], &[]] {
                let answer = server.raw("POST", path, headers, &body);
                assert!(
                    (400..500).contains(&answer.status),
                    "{path}: {}",
                    answer.status
                );
            }
        }
        check! { client; "GET sys/health" => 200, {}; }
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 256 << 10, "{grown} KiB more");
}

/// A path leads nowhere but where it says.
#[test]
fn cve_2026_3605() {
    let server = Server::dev().unwrap();
    let client = server.client();
    client
        .post("secret/data/other", json!({"data": {"x": SECRET}}))
        .ok();
    let mine = client.limited_to(r#"path "secret/data/app/*" { capabilities = ["read"] }"#);
    let token = format!("X-Vault-Token: {}", mine.token());
    for path in [
        "secret/data/app/../other",
        "secret/data/app/%2e%2e/other",
        "secret/data/app/%2E./other",
        "secret/data/app/..%2fother",
        "secret/data/app/./../other",
        "secret/data/app//../other",
        "secret/data/app/..;/other",
        "./secret/data/other",
        "secret/data/app/%252e%252e/other",
        "secret//data/other",
        "secret/data//other",
        "secret/data/other/",
    ] {
        let answer = server.raw("GET", path, &[&token], "");
        assert!((400..405).contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains(SECRET), "{path}");
    }
}

/// What a policy denies stays denied with a slash more or less, and in capitals it is another path.
#[test]
fn denied_paths_have_no_second_name() {
    let server = Server::dev().unwrap();
    let client = server.client();
    client
        .post("secret/data/x", json!({"data": {"x": SECRET}}))
        .ok();
    let rules = r#"path "secret/*" { capabilities = ["read", "list", "update", "delete"] }
        path "secret/data/x" { capabilities = ["deny"] }"#;
    let theirs = client.limited_to(rules);
    let token = format!("X-Vault-Token: {}", theirs.token());
    for path in [
        "secret/data/x",
        "secret/data/x/",
        "secret/data//x",
        "secret/data/X",
        "secret//data/x//",
        "secret/data/%78",
        "SECRET/data/x",
    ] {
        let answer = server.raw("GET", path, &[&token], "");
        assert!((400..405).contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains(SECRET), "{path}");
    }
}
