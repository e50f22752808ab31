//! Clients that people run, as their makers publish them. `cargo xtask test` installs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_tests::{Cli, Server};

fn installed(program: &str) -> PathBuf {
    let folder = std::env::var_os("CLIENTS_BIN").expect("CLIENTS_BIN: `cargo xtask test` sets it");
    PathBuf::from(folder).join(program)
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
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{}", server.log());
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
