//! The command line against a real server: exit codes, formats, flags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use coffer_tests::{Cli, Server};
use serde_json::{Value, json};

fn dev() -> (Server, Cli) {
    let server = Server::dev().unwrap();
    let cli = Cli::new(&server).unwrap();
    (server, cli)
}

#[test]
fn a_person_sees_colours_and_that_something_takes_its_time() {
    let user = || Cli::at("http://127.0.0.1:1", "").unwrap();
    let seen = user().with("TERM", "xterm").on_a_terminal("read a/b");
    assert!(seen.contains("\u{1b}[31mError reading a/b:"), "{seen:?}");
    // Two more attempts, after one second and after two.
    assert!(
        seen.contains("Waiting for http://127.0.0.1:1 (2 s)"),
        "{seen:?}"
    );
    for (name, value) in [
        ("NO_COLOR", "1"),
        ("VAULT_CLI_NO_COLOR", "1"),
        ("TERM", "dumb"),
    ] {
        let user = user().with("VAULT_MAX_RETRIES", "0").with(name, value);
        let seen = user.on_a_terminal("read a/b");
        assert!(seen.contains("Error reading a/b:"), "{seen:?}");
        assert!(!seen.contains('\u{1b}'), "{name}: {seen:?}");
    }
    let piped = user().with("VAULT_MAX_RETRIES", "0").run("read a/b");
    assert!(!piped.stderr.contains('\u{1b}'), "{piped:?}");
}

#[test]
fn exit_codes() {
    let (mut server, cli) = dev();
    for (line, code) in [
        ("status", 0),
        ("secrets list", 0),
        ("kv get secret/none", 2),
        ("read secret/data/none", 2),
        ("list secret/metadata/none", 2),
        ("write", 1),
        ("kv get", 1),
        ("read one two", 1),
        ("lease revoke none", 0),
        ("policy read none", 2),
        ("token lookup none", 2),
        ("no-such-command", 127),
        ("secrets no-such-command", 1),
        ("list -field=x secret/metadata", 1),
        ("operator unseal one two", 1),
        ("secrets enable no-such-engine", 2),
        ("kv put secret/a x=1", 0),
        ("kv get -no-such-flag secret/a", 1),
        ("kv enable-versioning secret", 0),
        ("kv enable-versioning none", 2),
        ("secrets migrate kv secret", 1),
        ("secrets migrate -force transit secret", 1),
        ("kv delete secret/a", 0),
        ("kv get -field=x secret/a", 2),
        ("token create -ttl=-1", 1),
        ("token create -explicit-max-ttl=-1h", 1),
        ("token create -period -5m", 1),
        ("secrets enable -path=one -version=1 kv", 0),
        ("kv patch one/a x=1", 2),
        ("kv rollback -version=1 one/a", 2),
        ("read -address=nonsense secret/a", 2),
        ("status -address=nonsense", 1),
        ("operator init -status -address=nonsense", 1),
    ] {
        let ran = cli.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        assert!(
            code == 0 || !ran.stderr.is_empty(),
            "{line} says why: {ran:?}"
        );
    }
    let deleted = cli.run("kv get -field=x secret/a").stderr;
    assert!(
        deleted.contains("No data found at secret/data/a"),
        "{deleted}"
    );
    let unclear = Cli::new(&server)
        .unwrap()
        .with("VAULT_SKIP_VERIFY", "maybe");
    let ran = unclear.run("status");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("VAULT_SKIP_VERIFY"), "{ran:?}");
    let negative = cli.run("token create -ttl=-1").stderr;
    assert!(negative.contains("cannot be negative"), "{negative}");
    let stranger = Cli::at(&server.url(), "wrong").unwrap();
    let ran = stranger.run("kv get secret/a");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.contains("permission denied") && ran.stderr.contains("403"),
        "{ran:?}"
    );
    server.kill9();
    assert_eq!(cli.run("kv get secret/a").code, 2, "nobody answers");
    assert_eq!(cli.run("status").code, 1, "nobody answers");
}

#[test]
fn operators_bring_a_server_to_life() {
    let mut server = Server::durable().unwrap();
    let cli = Cli::at(&server.url(), "").unwrap();
    assert_eq!(cli.run("status").code, 2, "sealed");
    assert_eq!(cli.run("operator init -status").code, 2, "not initialised");
    let init = cli
        .run("operator init -key-shares=3 -key-threshold=2 -format=json")
        .json();
    assert_eq!(
        (
            init["unseal_threshold"].clone(),
            init["unseal_shares"].clone()
        ),
        (json!(2), json!(3)),
        "{init}"
    );
    assert_eq!(cli.run("operator init -status").code, 0);
    assert_ne!(
        cli.run("operator init -key-shares=1 -key-threshold=1").code,
        0,
        "only once"
    );
    let key = |n: usize| init["unseal_keys_b64"][n].as_str().unwrap().to_owned();
    let first = cli
        .words(["operator", "unseal", "-format=json", &key(0)])
        .json();
    assert_eq!(
        (first["sealed"].clone(), first["progress"].clone()),
        (json!(true), json!(1))
    );
    let reset = cli.run("operator unseal -reset -format=json").json();
    assert_eq!(reset["progress"], 0);
    cli.words(["operator", "unseal", &key(1)]).ok();
    cli.words(["operator", "unseal", &key(2)]).ok();
    let token = init["root_token"].as_str().unwrap();
    let root = Cli::at(&server.url(), token).unwrap();
    coffer_tests::until(std::time::Duration::from_secs(10), "active", || {
        root.run("token lookup").code == 0
    });
    let status = root.run("status -format=json").json();
    assert_eq!(
        (status["sealed"].clone(), status["initialized"].clone()),
        (json!(false), json!(true))
    );
    let key_of = |told: &Value, n: usize| told["keys_base64"][n].as_str().unwrap().to_owned();
    let nonce_of = |told: &Value, field: &str| format!("-nonce={}", told[field].as_str().unwrap());
    assert_eq!(
        root.words(["operator", "rekey", "-nonce=x", &key(0)]).code,
        2,
        "none began"
    );
    let begun = cli.run("operator rekey -init -verify -key-shares=2 -key-threshold=2 -format=json");
    let begun = begun.json();
    let nonce = nonce_of(&begun, "nonce");
    assert_eq!(
        cli.words(["operator", "rekey", &key(0)]).code,
        1,
        "no nonce"
    );
    let told = cli.words(["operator", "rekey", &nonce, &key(0)]).ok();
    assert!(told.contains("1/2"), "{told}");
    let made = cli
        .words(["operator", "rekey", "-format=json", &nonce, &key(1)])
        .json();
    let nonce = nonce_of(&made, "verification_nonce");
    let (one, two) = (key_of(&made, 0), key_of(&made, 1));
    cli.words(["operator", "rekey", "-verify", &nonce, &one])
        .ok();
    let told = cli
        .words(["operator", "rekey", "-verify", &nonce, &two])
        .ok();
    assert!(told.contains("in force"), "{told}");
    cli.run("operator rekey -init").ok();
    root.run("operator rekey -cancel").ok();
    assert_eq!(
        cli.run("operator rekey -status -format=json").json()["started"],
        false
    );

    let otp = cli.run("operator generate-root -generate-otp").ok();
    let otp = format!("-otp={}", otp.trim());
    let begun = cli
        .words(["operator", "generate-root", "-init", "-format=json", &otp])
        .json();
    let nonce = nonce_of(&begun, "nonce");
    cli.words(["operator", "generate-root", &nonce, &one]).ok();
    let made = cli
        .words(["operator", "generate-root", "-format=json", &nonce, &two])
        .json();
    let decode = format!("-decode={}", made["encoded_token"].as_str().unwrap());
    let token = cli.words(["operator", "generate-root", &decode, &otp]).ok();
    let made = Cli::at(&server.url(), token.trim()).unwrap();
    assert!(made.run("operator rotate").ok().contains("Key Term"));
    assert_eq!(
        made.run("operator key-status -format=json").json()["term"],
        2
    );

    root.run("operator seal").ok();
    assert_eq!(root.run("status").code, 2);
    assert!(server.terminate().unwrap().success());
}

#[test]
fn formats_and_fields() {
    let (_server, cli) = dev();
    let put = cli
        .run("kv put -format=json secret/app user=joe password=s3cret")
        .json();
    assert_eq!(put["data"]["version"], 1);
    let got = cli.run("kv get -format=json secret/app").json();
    assert_eq!(
        got["data"]["data"],
        json!({"user": "joe", "password": "s3cret"})
    );
    assert_eq!(cli.run("kv get -field=password secret/app").ok(), "s3cret");
    assert_eq!(cli.run("kv get -field=none secret/app").code, 1);
    // All of it, unless there is a field of that name.
    assert_eq!(
        cli.run("kv get -field=data -format=json secret/app").json(),
        json!({"user": "joe", "password": "s3cret"})
    );
    assert_eq!(
        cli.run("kv get -field=data secret/app").ok(),
        "map[password:s3cret user:joe]"
    );
    cli.run("kv put secret/named data=x").ok();
    assert_eq!(cli.run("kv get -field=data secret/named").ok(), "x");
    cli.run("kv metadata delete secret/named").ok();
    let table = cli.run("kv get secret/app").ok();
    for word in [
        "Metadata",
        "Data",
        "Key",
        "Value",
        "password",
        "s3cret",
        "version",
        "created_time",
    ] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let yaml = cli.run("kv get -format=yaml secret/app").ok();
    assert!(yaml.contains("password: s3cret"), "{yaml}");
    let listed = cli.run("kv list -format=json secret/").json();
    assert_eq!(listed, json!(["app"]));
    assert_eq!(
        cli.run("list -format=json secret/metadata").json(),
        json!(["app"])
    );
    assert_eq!(
        cli.run("read -field=type sys/internal/ui/mounts/secret")
            .ok(),
        "kv"
    );
    let by_environment = Cli::new(&_server)
        .unwrap()
        .with("VAULT_FORMAT", "json")
        .with("BAO_FORMAT", "json");
    assert_eq!(
        by_environment.run("kv get secret/app").json()["data"]["data"]["user"],
        "joe"
    );
}

#[test]
fn programs_get_data_or_nothing() {
    let (_server, cli) = dev();
    cli.run("secrets enable -path=one -version=1 kv").ok();
    cli.write("p.hcl", "path \"x\" {}\n");
    for line in [
        "write one/a x=1",
        "kv put one/a x=1",
        "delete one/a",
        "secrets tune -description=x one",
        "secrets disable none",
        "policy write p p.hcl",
        "lease revoke -prefix one",
    ] {
        for format in ["json", "yaml"] {
            let ran = cli.run(&format!("{line} -format={format}"));
            assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{line}: {ran:?}");
        }
        assert!(!cli.run(line).ok().is_empty(), "{line}");
    }
    let ran = cli.run("write -field=x one/a x=1");
    assert!(ran.ok().starts_with("Success!"));
    for line in [
        "list -format=json one/none",
        "list -format=yaml one/none",
        "kv list -format=json secret/none",
    ] {
        let ran = cli.run(line);
        assert_eq!(
            (ran.code, ran.stdout.trim(), ran.stderr.as_str()),
            (2, "{}", ""),
            "{line}"
        );
    }
}

#[test]
fn requests_can_be_shown_instead_of_sent() {
    let (_server, cli) = dev();
    for (line, path, capabilities) in [
        ("read secret/data/a", "secret/data/a", r#""read""#),
        ("list secret/metadata", "secret/metadata", r#""list""#),
        (
            "kv put secret/a x=1",
            "secret/data/a",
            r#""create", "update""#,
        ),
        ("kv patch secret/a x=1", "secret/data/a", r#""patch""#),
        ("policy delete p", "sys/policies/acl/p", r#""delete""#),
        ("status", "sys/seal-status", r#""read""#),
    ] {
        let shown = cli.run(&format!("{line} -output-policy")).ok();
        let expected = format!("path \"{path}\" {{\n  capabilities = [{capabilities}]\n}}");
        assert_eq!(shown, expected, "{line}");
    }
    let curl = cli.run("kv put -output-curl-string secret/a x=1").ok();
    assert!(curl.starts_with("curl -X PUT "), "{curl}");
    assert_eq!(cli.run("kv get secret/a").code, 2, "nothing was sent");
}

#[test]
fn secrets_are_not_echoed() {
    let (_server, cli) = dev();
    for line in [
        "kv put secret/a password=my hunter2",
        "kv put secret/a password=@hunter1 hunter2",
        "write secret/data/a -bogus=hunter2",
        "read -header=Authorization:hunter2 secret/a",
        "operator unseal one hunter2",
        "operator unseal hunter2",
        "token lookup hunter2",
        "token renew hunter2",
        "token revoke one hunter2",
        "unwrap one hunter2",
        "unwrap hunter2",
        "login hunter2",
        "login one hunter2",
        "login -method=approle role_id=one secret_id=hunter2",
        "token create -id=hunter2 -metadata=hunter2",
    ] {
        let ran = cli.run(line);
        assert_ne!(ran.code, 0, "{line}");
        let said = ran.stdout + &ran.stderr;
        assert!(!said.contains("hunter2"), "{line}: {said}");
    }
}

#[test]
fn values_come_from_arguments_files_and_json() {
    let (_server, cli) = dev();
    cli.write("value.txt", "from a file\n");
    cli.write("all.json", r#"{"data": {"n": 7, "deep": {"x": [1]}}}"#);
    cli.run("kv put secret/a file=@value.txt plain=x=y").ok();
    assert_eq!(
        cli.run("kv get -format=json secret/a").json()["data"]["data"],
        json!({"file": "from a file\n", "plain": "x=y"})
    );
    cli.run("write secret/data/b @all.json").ok();
    assert_eq!(
        cli.run("kv get -format=json secret/b").json()["data"]["data"],
        json!({"n": 7, "deep": {"x": [1]}})
    );
    assert_eq!(cli.run("kv put secret/a x=@none").code, 1);
    assert_eq!(cli.run("kv put secret/a").code, 1);
}

#[test]
fn the_kv_commands() {
    let (_server, cli) = dev();
    for line in [
        "kv put secret/a n=1",
        "kv put -cas=1 secret/a n=2",
        "kv patch secret/a more=x",
        "kv put -mount=secret a n=4",
        "kv get -version=1 secret/a",
        "kv delete secret/a",
        "kv undelete -versions=4 secret/a",
        "kv destroy -versions=1,2 secret/a",
        "kv metadata put -max-versions=3 -custom-metadata=owner=me secret/a",
        "kv metadata get secret/a",
        "kv rollback -version=3 secret/a",
        "kv list secret",
    ] {
        let ran = cli.run(line);
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
    }
    assert_eq!(
        cli.run("kv get -format=json secret/a").json()["data"]["data"],
        json!({"n": "2", "more": "x"})
    );
    assert_eq!(cli.run("kv put -cas=1 secret/a n=9").code, 2);
    assert_eq!(
        cli.run("kv metadata get -format=json secret/a").json()["data"]["custom_metadata"],
        json!({"owner": "me"})
    );
    cli.run("kv metadata delete secret/a").ok();
    assert_eq!(cli.run("kv get secret/a").code, 2);
    cli.run("secrets enable -path=old -version=1 kv").ok();
    cli.run("kv put old/a n=1").ok();
    assert_eq!(cli.run("kv get -field=n old/a").ok(), "1");
}

#[test]
fn mounts_policies_tokens_and_leases() {
    let (_server, cli) = dev();
    cli.write(
        "app.hcl",
        "path \"secret/data/app\" {\n  capabilities = [\"read\"]\n}\n",
    );
    for line in [
        "secrets enable -path=team -description=ours kv-v2",
        "secrets tune -default-lease-ttl=10m team",
        "auth enable approle",
        "auth tune -default-lease-ttl=5m approle",
        "policy write app app.hcl",
        "policy list",
        "write auth/approle/role/app token_policies=app token_ttl=20m",
        "read auth/approle/role/app",
        "kv put secret/app x=1",
    ] {
        let ran = cli.run(line);
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
    }
    let listed = cli.run("auth list").ok();
    let title = listed.lines().next().unwrap();
    assert!(
        title.ends_with("Description                Version"),
        "{listed}"
    );
    let mounts = cli.run("secrets list -format=json").json();
    assert_eq!(
        (
            mounts["team/"]["type"].clone(),
            mounts["team/"]["config"]["default_lease_ttl"].clone()
        ),
        (json!("kv"), json!(600))
    );
    assert_eq!(
        cli.run("auth list -format=json").json()["approle/"]["config"]["default_lease_ttl"],
        300
    );
    assert!(cli.run("policy read app").ok().contains("secret/data/app"));

    let role = cli
        .run("read -field=role_id auth/approle/role/app/role-id")
        .ok();
    let secret = cli
        .run("write -f -field=secret_id auth/approle/role/app/secret-id")
        .ok();
    let login = cli
        .words([
            "write",
            "-format=json",
            "auth/approle/login",
            &format!("role_id={role}"),
            &format!("secret_id={secret}"),
        ])
        .json();
    let app = Cli::at(
        &_server.url(),
        login["auth"]["client_token"].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!(app.run("kv get -field=x secret/app").ok(), "1");
    assert_eq!(app.run("kv put secret/app x=2").code, 2);
    assert_eq!(
        app.run("token lookup -format=json").json()["data"]["policies"],
        json!(["app", "default"])
    );
    assert_eq!(app.run("token capabilities secret/data/app").ok(), "read");
    app.run("token renew").ok();
    app.run("token revoke -self").ok();
    assert_eq!(app.run("token lookup").code, 2);

    let made = cli
        .run("token create -policy=app -ttl=1h -format=json")
        .json();
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    assert_eq!(made["auth"]["lease_duration"], 3600);
    assert_eq!(
        cli.run("token create -policy=app -orphan -field=token_policies")
            .ok(),
        "[app default]"
    );
    // A policy's name may have a comma in it.
    assert_eq!(
        cli.run("token create -policy=a,b -policy=c -format=json")
            .json()["auth"]["token_policies"],
        json!(["a,b", "c", "default"])
    );
    cli.words(["token", "renew", "-increment=2h", &token]).ok();
    cli.words(["token", "revoke", &token]).ok();
    assert_eq!(cli.words(["token", "lookup", &token]).code, 2);
    assert_eq!(cli.run("lease renew database/creds/app/none").code, 2);
    cli.run("lease revoke -force -prefix database/creds").ok();

    cli.run("policy delete app").ok();
    cli.run("auth disable approle").ok();
    cli.run("secrets disable team").ok();
    assert!(
        cli.run("secrets list -format=json")
            .json()
            .get("team/")
            .is_none()
    );
}

#[test]
fn a_login_is_remembered() {
    let (server, cli) = dev();
    let made = cli.run("token create -policy=default -format=json").json();
    let token = made["auth"]["client_token"].as_str().unwrap();
    let user = Cli::at(&server.url(), "").unwrap();
    assert_eq!(user.run("token lookup").code, 2);
    let ran = user.words(["login", token]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let looked = user.run("token lookup -format=json").json();
    assert_eq!(looked["data"]["id"], token);
    assert_eq!(user.words(["login", "wrong"]).code, 2);
}
