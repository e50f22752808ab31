//! Clients that people run, as their makers publish them. `cargo xtask test` installs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use coffer_tests::{Cli, Server, check, until};
use serde_json::json;

fn installed(program: &str) -> PathBuf {
    let folder = std::env::var_os("CLIENTS_BIN").expect("CLIENTS_BIN: `cargo xtask test` sets it");
    PathBuf::from(folder).join(program)
}

/// A client's program went well; else what it and the server said.
#[track_caller]
fn succeeded(ran: &Output, server: &Server) {
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{}", server.log());
}

#[test]
fn hvac() {
    let (server, keys) = Server::ready().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/hvac_client.py");
    let ran = Command::new(installed("python"))
        .arg(script)
        .env("VAULT_ADDR", server.url())
        .env("VAULT_TOKEN", &keys.root_token)
        .output()
        .unwrap();
    succeeded(&ran, &server);
}

/// Every command of node-vault, whose schemas say what answers must be.
#[test]
fn node_vault() {
    let server = Server::durable().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new("node")
        .arg(root.join("clients/node_vault.cjs"))
        .env("VAULT_ADDR", server.url())
        .env(
            "NODE_MODULES",
            root.join("../examples/typescript-app/package.json"),
        )
        .env_remove("VAULT_TOKEN")
        .output()
        .expect("Node.js");
    succeeded(&ran, &server);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "done\n");
}

/// Vault's client for Go: its key/value client, unwrapping, errors, and the watcher that renews a token until it can no more.
#[test]
fn go() {
    let (server, keys) = Server::ready().unwrap();
    let client = server.client();
    let mount = json!({"type": "kv", "options": {"version": "2"}});
    client.post("sys/mounts/secret", mount).expect(204);
    let go = std::env::var_os("GO_BIN").expect("GO_BIN: `cargo xtask test` sets it");
    let ran = Command::new(Path::new(&go).join("go"))
        .args(["run", "."])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/go"))
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("VAULT_ADDR", server.url())
        .env("VAULT_TOKEN", &keys.root_token)
        .output()
        .unwrap();
    succeeded(&ran, &server);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "done\n");
}

/// The agent beside a service: it logs in, keeps its token alive, and writes files out of secrets, also when they change.
#[test]
fn bao_agent() {
    let (server, keys) = Server::ready().unwrap();
    let client = server.client();
    let mount = json!({"type": "kv", "options": {"version": "2"}});
    let rules = json!({"policy": "path \"secret/data/app\" { capabilities = [\"read\"] }"});
    let role = json!({"token_policies": ["app"], "token_ttl": "3s", "token_max_ttl": "1h"});
    check! { client;
        "POST sys/mounts/secret", (mount) => 204;
        "POST secret/data/app", {"data": {"password": "first"}} => 200, {};
        "POST sys/policies/acl/app", (rules) => 204;
        "POST sys/auth/approle", {"type": "approle"} => 204;
        "POST auth/approle/role/app", (role) => 204;
    }
    let bao = Cli::at(&server.url(), &keys.root_token)
        .unwrap()
        .program(installed("bao"));
    bao.write(
        "role-id",
        &client
            .get("auth/approle/role/app/role-id")
            .text("/data/role_id"),
    );
    let secret = client.post("auth/approle/role/app/secret-id", json!({}));
    bao.write("secret-id", &secret.text("/data/secret_id"));
    let home = bao.home().to_owned();
    let (rendered, token) = (home.join("rendered"), home.join("token"));
    bao.write(
        "agent.hcl",
        &format!(
            r#"vault {{ address = "{}" }}
auto_auth {{
  method "approle" {{
    config = {{
      role_id_file_path = "{home}/role-id"
      secret_id_file_path = "{home}/secret-id"
    }}
  }}
  sink "file" {{ config = {{ path = "{}" }} }}
}}
template_config {{ static_secret_render_interval = "1s" }}
template {{
  contents = "{{{{ with secret \"secret/data/app\" }}}}password={{{{ .Data.data.password }}}}{{{{ end }}}}"
  destination = "{}"
}}
"#,
            server.url(),
            token.display(),
            rendered.display(),
            home = home.display(),
        ),
    );
    let says = home.join("says");
    let agent = bao.spawn("agent -config=agent.hcl", &says);
    let reads = |what: &str| std::fs::read_to_string(&rendered).is_ok_and(|text| text == what);
    let wait = Duration::from_secs(30);
    until(wait, "the template is rendered", || reads("password=first"));
    client
        .post("secret/data/app", json!({"data": {"password": "second"}}))
        .expect(200);
    until(wait, "it is rendered anew", || reads("password=second"));
    // Longer than its token would live that nobody renews.
    let theirs = std::fs::read_to_string(&token).unwrap();
    let theirs = client.with_token(theirs.trim());
    let issued = theirs
        .get("auth/token/lookup-self")
        .number("/data/creation_time");
    until(wait, "the token is renewed", || {
        let now = theirs.get("auth/token/lookup-self");
        let last = now.ok()["data"]["last_renewal_time"].as_i64();
        last.is_some_and(|last| last > issued + 3)
    });
    drop(agent);
}

/// A long day of an operator with OpenBao's own command.
#[test]
fn bao() {
    let (server, keys) = Server::ready().unwrap();
    let bao = Cli::at(&server.url(), &keys.root_token)
        .unwrap()
        .program(installed("bao"));
    bao.write(
        "app.hcl",
        "path \"kv/data/app\" { capabilities = [\"read\"] }",
    );
    for (line, told) in [
        ("status", "Sealed false"),
        (
            "secrets enable -path=kv -version=2 kv",
            "Enabled the kv secrets engine",
        ),
        ("kv put -mount=kv app a=1", "version 1"),
        ("kv patch -mount=kv app b=2", "version 2"),
        ("kv get -mount=kv -field=b app", "2"),
        ("kv rollback -mount=kv -version=1 app", "version 3"),
        ("kv metadata get -mount=kv app", "current_version 3"),
        ("kv list -mount=kv", "app"),
        ("kv delete -mount=kv app", "Data deleted"),
        ("kv undelete -mount=kv -versions=3 app", "kv/undelete/app"),
        ("secrets list -detailed", "kv/"),
        ("secrets tune -default-lease-ttl=1h kv", "Tuned"),
        ("policy write app app.hcl", "Uploaded policy"),
        ("policy read app", "kv/data/app"),
        ("policy list", "app"),
        ("policy fmt app.hcl", "Formatted"),
        ("token create -policy=app -ttl=1h -display-name=x", "app"),
        ("token lookup", "root"),
        ("token capabilities kv/data/app", "root"),
        ("auth enable userpass", "Enabled userpass auth method"),
        ("auth tune -user-lockout-threshold=3 userpass", "Tuned"),
        (
            "write auth/userpass/users/amy password=swordfish policies=app",
            "Data written",
        ),
        (
            "login -no-store -method=userpass username=amy password=swordfish",
            "token_policies",
        ),
        ("auth list", "userpass/"),
        ("auth move auth/userpass auth/people", "Finished moving"),
        ("auth disable people/", "Disabled"),
        ("lease lookup none", "!"),
        ("read -format=json sys/health", "\"sealed\": false"),
        ("list sys/policies/acl", "app"),
        ("write -force sys/tools/random/8", "random_bytes"),
        ("path-help sys/rekey/init", "Begins"),
        ("operator key-status", "Key Term 1"),
        ("operator rotate", "Key Term 2"),
        (
            "operator rekey -init -key-shares=1 -key-threshold=1",
            "Nonce",
        ),
        ("operator rekey -status", "Progress 0/1"),
        ("operator rekey -cancel", "Canceled rekeying"),
        ("operator generate-root -init", "OTP"),
        ("operator generate-root -status", "Started"),
        ("operator generate-root -cancel", "canceled"),
        ("operator members", "Active Node"),
        ("version-history", "Installation Time"),
        ("operator seal", "sealed"),
    ] {
        let ran = bao.run(line);
        // Columns are as wide as what else is in them.
        let said = format!("{} {}", ran.stdout, ran.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        if told == "!" {
            assert_ne!(ran.code, 0, "bao {line}: {said}");
            continue;
        }
        assert_eq!(ran.code, 0, "bao {line}: {said}");
        assert!(said.contains(told), "bao {line}: {said}");
    }
    assert_eq!(bao.run("status").code, 2);
}
