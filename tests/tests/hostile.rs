//! Plugins with malice on a running server: what each row of the threat model in `SECURITY.md` tries, and what becomes of it,
//! while a good mount serves beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::server::binary;
use coffer_tests::{Cli, Client, Reply, Server, check, plugin, port, until};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(30);

fn register(client: &Client, kind: &str, name: &str, component: &[u8]) -> Reply {
    let body = json!({ "component": BASE64_STANDARD.encode(component), "source": "test" });
    client.post(&format!("sys/plugins/catalog/{kind}/{name}"), body)
}

/// The runtime's own guest, which attacks the sandbox as its paths say.
fn guest() -> Vec<u8> {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let built = BUILT.get_or_init(|| plugin::build("host/runtime/tests/guests/plugin"));
    let manifest =
        json!({"kind": "secret", "name": "guest", "version": "1.2.3", "needs": {"keys": ["mac"]}});
    plugin::with_manifest(built, &manifest)
}

/// A server with a good mount, `kv/`, that holds something.
fn with_a_good_mount() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/mounts/kv", {"type": "kv"} => 204;
        "POST kv/a", {"x": "1"} => 204;
    }
    (server, client)
}

fn good_mount_serves(client: &Client) {
    assert_eq!(client.get("kv/a").text("/data/x"), "1");
}

/// The server, a client of it, and this badness mounted at `m/`.
fn mounted(mode: &str, needs: Value, limits: Value) -> (Server, Client) {
    let (server, client) = with_a_good_mount();
    register(
        &client,
        "secret",
        "malice",
        &plugin::malice("secret", "malice", "6.6.6", mode, needs),
    )
    .ok();
    let mount = json!({"type": "malice", "config": {"plugin_limits": limits}});
    client.post("sys/mounts/m", mount).expect(204);
    (server, client)
}

#[test]
fn attacks_on_the_sandbox_fail_one_request() {
    let (server, client) = with_a_good_mount();
    register(&client, "secret", "guest", &guest()).ok();
    let limits = json!({"deadline": 1, "response_size": "1MiB"});
    client
        .post(
            "sys/mounts/g",
            json!({"type": "guest", "config": {"plugin_limits": limits}}),
        )
        .expect(204);
    client
        .post("g/put", json!({"key": "kept", "value": "1"}))
        .ok();
    #[rustfmt::skip]
    let table = [
        ("spin", json!({}), "deadline of 1000 ms exceeded"),
        ("allocate", json!({}), "memory limit of 67108864 bytes exceeded"),
        ("recurse", json!({}), "stack overflow"),
        ("recurse-in-memory", json!({}), "trap: out of bounds memory access"),
        ("panic", json!({}), "trap: wasm `unreachable` instruction executed"),
        ("put-then-panic", json!({"key": "half"}), "trap: wasm `unreachable` instruction executed"),
        ("beyond", json!({"len": 1 << 30}), "trap: string pointer/length out of bounds of memory"),
        ("aliases", json!({"count": 2000, "len": 1 << 20}), "response too large: more than may be passed to the host at once"),
        ("large", json!({"len": 1 << 30}), "memory limit of 67108864 bytes exceeded"),
        ("large", json!({"len": 2 << 20}), "response too large: data of 2097160 bytes; 1048576 are allowed"),
        ("warnings", json!({"count": 1001}), "response too large: warnings: at most 1000 items and 65536 bytes are allowed"),
        ("raw", json!({"text": "[]"}), "invalid response: the data is not a JSON object"),
        ("raw", json!({"text": "{\"a\":"}), "invalid response: the data is not JSON: EOF while parsing a value at line 1 column 5"),
        ("status", json!({"status": 99}), "invalid response: status 99 is not between 200 and 599"),
        ("random", json!({"len": 65_537}), "trap: 65537 random bytes asked for; 65536 are allowed at a time"),
    ];
    let before = server.resident();
    for (path, data, expected) in table {
        let reply = client.post(&format!("g/{path}"), data);
        assert_eq!(reply.status, 500, "{path}: {reply:?}");
        assert_eq!(
            reply.errors(),
            format!("plugin of mount \"g/\" failed: {expected}"),
            "{path}"
        );
        good_mount_serves(&client);
    }
    assert!(
        server.resident() < before + (256 << 10),
        "the server has grown"
    );
    check! { client;
        "POST g/get", {"key": "half"} => 200, {"data": {"value": null}};
        "POST g/get", {"key": "kept"} => 200, {"data": {"value": "1"}};
        "POST g/get", {"key": "../kv/a"} => 400, {"errors": ["invalid storage key: it contains a segment \".\" or \"..\""]};
        "POST g/get", {"key": "/ns/root"} => 400, {"errors": ["invalid storage key: it starts with a slash"]};
    }
    // A flood of lines is cut off, and what is in a line begins no other.
    client
        .post(
            "g/log",
            json!({"count": 5000, "message": "flood\nINFO forged"}),
        )
        .ok();
    let log = server.log();
    assert_eq!(
        log.matches("flood\\\\nINFO forged")
            .count()
            .max(log.matches("flood\\nINFO forged").count()),
        1000
    );
    assert!(log.contains("what else this call logs is dropped"));
}

#[test]
fn no_caller_finds_what_another_left_in_memory() {
    let (_server, client) = with_a_good_mount();
    register(&client, "secret", "guest", &guest()).ok();
    let policy =
        json!({"policy": "path \"g/*\" { capabilities = [\"create\", \"read\", \"update\"] }"});
    client.post("sys/policies/acl/g", policy).expect(204);
    for mount in ["g", "other"] {
        client
            .post(&format!("sys/mounts/{mount}"), json!({"type": "guest"}))
            .expect(204);
    }
    let token = || {
        let made = client.post("auth/token/create", json!({"policies": ["g"]}));
        client.with_token(&made.text("/auth/client_token"))
    };
    let (alice, bob) = (token(), token());
    let remembered = |client: &Client, mount: &str, secret: &str| {
        client
            .post(&format!("{mount}/remember"), json!({"secret": secret}))
            .body["data"]["remembered"]
            .clone()
    };
    assert_eq!(remembered(&alice, "g", "a1"), json!(["a1"]));
    // The same caller may find its own instance again.
    assert_eq!(remembered(&alice, "g", "a2"), json!(["a1", "a2"]));
    assert_eq!(remembered(&bob, "g", "b1"), json!(["b1"]));
    assert_eq!(remembered(&client, "g", "r1"), json!(["r1"]));
    assert_eq!(remembered(&client, "other", "r2"), json!(["r2"]));
    // Nor does a key outlive its call.
    client.post("g/make-key", json!({})).ok();
    client.post("g/keep-key", json!({})).ok();
    let reply = client.post("g/use-kept-key", json!({}));
    assert!(
        reply
            .errors()
            .contains("a key was used after the call that opened it had ended"),
        "{reply:?}"
    );
}

#[test]
fn a_mount_that_hangs_has_its_share_and_no_more() {
    let (_server, client) = with_a_good_mount();
    register(&client, "secret", "guest", &guest()).ok();
    client.post("sys/mounts/g", json!({"type": "guest", "config": {"plugin_limits": {"deadline": 3, "concurrency": 8}}})).expect(204);
    thread::scope(|threads| {
        for _ in 0..24 {
            threads.spawn(|| {
                let reply = client.clone().post("g/spin", json!({}));
                assert!(matches!(reply.status, 429 | 500), "{reply:?}");
            });
        }
        let begun = Instant::now();
        let mut served = 0;
        while begun.elapsed() < Duration::from_secs(2) {
            good_mount_serves(&client);
            served += 1;
        }
        assert!(
            served > 20,
            "the good mount served {served} requests in two seconds"
        );
    });
}

#[test]
fn what_a_component_says_of_itself_is_checked() {
    let (server, client) = with_a_good_mount();
    #[rustfmt::skip]
    let table = [
        ("describe-spin", "the component failed to describe itself: no answer within 5s"),
        ("describe-panic", "the component failed to describe itself: trap: wasm `unreachable` instruction executed"),
        ("describe-store", "the component failed to describe itself: trap: this import needs a mount, and there is none here"),
        ("describe-paths", "the component failed to describe itself: "),
        ("describe-many", "the component's description is refused: 1001 paths; 1000 are allowed"),
        ("describe-fields", "257 fields; 256 are allowed"),
        ("describe-pattern", "the component's description is refused: "),
        ("describe-help", "the component's description is refused: "),
        ("describe-kind", "its kind is auth, but its manifest says secret"),
        ("describe-tick", "it has periodic work, which its manifest does not ask for"),
    ];
    for (mode, expected) in table {
        let component = plugin::malice("secret", "malice", "6.6.6", mode, json!({}));
        let refused = register(&client, "secret", "malice", &component);
        assert_eq!(refused.status, 400, "{mode}: {refused:?}");
        assert!(refused.errors().contains(expected), "{mode}: {refused:?}");
        good_mount_serves(&client);
    }
    // Built-in ones are not replaced by their name alone, and what is too large is refused unread.
    let component = plugin::malice("secret", "malice", "6.6.6", "plain", json!({}));
    let refused = register(&client, "secret", "kv", &component);
    assert!(refused.status == 400 || refused.is_ok(), "{refused:?}");
    good_mount_serves(&client);
    let cli = Cli::new(&server).unwrap();
    let large = cli.home().join("large.wasm");
    std::fs::File::create(&large)
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    let begun = Instant::now();
    let ran = cli.run("plugin register secret malice ./large.wasm");
    assert!(
        ran.code != 0 && ran.stderr.contains("209715200 bytes; 67108864 are allowed"),
        "{ran:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    let body = format!("{{\"component\":\"{}\"}}", "A".repeat(100 << 20));
    assert_eq!(
        raw_post(&server, "sys/plugins/catalog/secret/malice", &body),
        413
    );
}

/// The status of a request with this body.
fn raw_post(server: &Server, path: &str, body: &str) -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /v1/{path} HTTP/1.1\r\nhost: x\r\nx-vault-token: {}\r\ncontent-length: {}\r\n\r\n",
        server.root_token(),
        body.len()
    );
    // It may be refused before all of it has been sent.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()));
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_component_that_never_ends_compiling_is_given_up() {
    let server = Server::dev_configured(
        &binary().unwrap(),
        port::free(),
        "plugin_compile_timeout = \"1s\"\n",
    )
    .unwrap();
    let client = server.client();
    let bomb = format!(
        "(component (core module (func (export \"f\") (param i32) (result i32) local.get 0 {})) (instance $e) (export \"coffer:plugin/engine@0.1.0\" (instance $e)))",
        "local.get 0 i32.const 7 i32.mul i32.xor local.get 0 i32.add ".repeat(400_000)
    );
    let manifest = json!({"kind": "secret", "name": "bomb", "version": "1.0.0"});
    let bomb = plugin::with_manifest(&wat::parse_str(bomb).unwrap(), &manifest);
    let refused = register(&client, "secret", "bomb", &bomb);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused
            .errors()
            .contains("compiling it takes longer than 1s (plugin_compile_timeout)"),
        "{refused:?}"
    );
}

#[test]
fn answers_are_what_they_may_be() {
    let (_server, client) = mounted("plain", json!({}), json!({}));
    #[rustfmt::skip]
    let table = [
        (json!({"data": "nonsense"}), "invalid response: the data is not JSON: expected ident at line 1 column 2"),
        (json!({"data": "7"}), "invalid response: the data is not a JSON object"),
        (json!({"data": "{} {}"}), "invalid response: the data is not JSON: trailing characters at line 1 column 4"),
        (json!({"data": "{}", "status": 101}), "invalid response: status 101 is not between 200 and 599"),
        (json!({"data": "{}", "status": 999}), "invalid response: status 999 is not between 200 and 599"),
    ];
    for (say, expected) in table {
        let reply = client.post("m/say", say.clone());
        assert_eq!(
            reply.errors(),
            format!("plugin of mount \"m/\" failed: {expected}"),
            "{say}"
        );
        assert_eq!(reply.status, 500, "{say}");
    }
    let reply = client.post("m/nested", json!({"depth": 100_000}));
    assert!(
        reply
            .errors()
            .ends_with("invalid response: the data is nested more than 100 deep"),
        "{:?}",
        reply.errors()
    );
    // A warning ends up in JSON, wherever it has its line ends.
    let reply = client.post(
        "m/say",
        json!({"data": "{}", "warnings": "a\r\nset-cookie: b"}),
    );
    assert_eq!(reply.body["warnings"], json!(["a\r\nset-cookie: b"]));
    let reply = client.post(
        "m/refuse",
        json!({"message": "0123456789", "times": 100_000}),
    );
    assert!(
        reply.status == 400 && reply.errors().len() <= 65_536,
        "{}",
        reply.errors().len()
    );
    good_mount_serves(&client);
}

#[test]
fn leases_are_what_the_mount_allows() {
    let (_server, client) = mounted("plain", json!({}), json!({"deadline": 1}));
    let max = client
        .get("sys/mounts/m/tune")
        .number("/data/max_lease_ttl");
    let most = json!({"ttl": u64::MAX, "max_ttl": u64::MAX});
    let granted = client.post("m/creds", most);
    assert_eq!(granted.number("/lease_duration"), max, "{granted:?}");
    let renewed = client.post(
        "sys/leases/renew",
        json!({"lease_id": granted.text("/lease_id"), "increment": u64::MAX}),
    );
    assert!(
        renewed.status == 400 || renewed.number("/lease_duration") <= max,
        "{renewed:?}"
    );
    let renewed = client.post(
        "sys/leases/renew",
        json!({"lease_id": granted.text("/lease_id")}),
    );
    assert!(renewed.number("/lease_duration") <= max, "{renewed:?}");
    check! { client;
        "POST sys/leases/renew", {"lease_id": "m/creds/none", "increment": -1} => 400, {"errors": ["~a duration that is not negative"]};
        "POST auth/token/create", {"ttl": "-1h"} => 400, {"errors": ["~expected a duration"]};
        "POST m/creds", {"internal": "nonsense"} => 500, {"errors": ["~the lease's internal data is not JSON"]};
        "POST m/creds", {"padding": 70000} => 500, {"errors": ["the lease's internal data has 70028 bytes; 65536 are allowed"]};
        "POST m/creds", {"twice": true} => 500, {"errors": ["a request can have one lease only"]};
        "POST m/creds", {"again": 10} => 200, {"lease_id": "~m/creds/"};
    }
    let group = client.post("m/creds", json!({"group": "g".repeat(257)}));
    assert_eq!(group.status, 500, "{group:?}");
    // What was promised before a panic is taken back.
    let before = client.get("m/revoked").number("/data/count");
    assert_eq!(client.post("m/creds", json!({"then": "panic"})).status, 500);
    until(WAIT, "it is taken back", || {
        client.get("m/revoked").number("/data/count") > before
    });
}

#[test]
fn what_cannot_be_revoked_is_told_and_holds_up_nobody() {
    let (_server, client) = mounted("plain", json!({}), json!({"deadline": 1}));
    for how in ["panic", "spin"] {
        let bad = client
            .post("m/creds", json!({"revoke": how, "group": "bad"}))
            .text("/lease_id");
        let refused = client.post("sys/leases/revoke", json!({"lease_id": bad, "sync": true}));
        assert!(refused.status >= 400, "{how}: {refused:?}");
        let good = client
            .post("m/creds", json!({"group": "good"}))
            .text("/lease_id");
        client
            .post("sys/leases/revoke", json!({"lease_id": good, "sync": true}))
            .expect(204);
        let kept = client.post("sys/leases/lookup", json!({"lease_id": bad}));
        assert!(kept.is_ok(), "it is not forgotten: {kept:?}");
    }
    // To disable always works; what is left is forgotten by force only.
    client.delete("sys/mounts/m").expect(204);
    client
        .post("sys/leases/revoke-force/m", json!({}))
        .expect(204);
    good_mount_serves(&client);
}

#[test]
fn a_swap_in_the_middle_of_a_revocation_loses_nothing() {
    let (_server, client) = mounted("plain", json!({}), json!({}));
    let lease = client
        .post("m/creds", json!({"revoke": "hold"}))
        .text("/lease_id");
    let next = plugin::malice("secret", "malice", "6.6.7", "plain", json!({}));
    register(&client, "secret", "malice", &next).ok();
    thread::scope(|threads| {
        let revoking = threads.spawn(|| {
            client.clone().post(
                "sys/leases/revoke",
                json!({"lease_id": lease, "sync": true}),
            )
        });
        client
            .post("sys/plugins/reload/secret/malice", json!({}))
            .expect(204);
        assert_eq!(
            client
                .get("sys/mounts/m")
                .text("/data/running_plugin_version"),
            "v6.6.7"
        );
        assert!(client.get("m/any").is_ok());
        revoking.join().unwrap().expect(204);
    });
    assert_eq!(client.get("m/revoked").number("/data/count"), 1);
    assert_eq!(
        client
            .post("sys/leases/lookup", json!({"lease_id": lease}))
            .status,
        400
    );
}

#[test]
fn a_login_gives_no_more_than_an_auth_method_may() {
    let (_server, client) = with_a_good_mount();
    register(
        &client,
        "auth",
        "malice",
        &plugin::malice("auth", "malice", "6.6.6", "auth", json!({})),
    )
    .ok();
    client
        .post("sys/auth/m", json!({"type": "malice"}))
        .expect(204);
    let nobody = client.with_token("");
    check! { nobody;
        "POST auth/m/login", {"policies": ["root"]} => 400, {"errors": ["auth methods cannot create root tokens"]};
        "POST auth/m/login", {"policies": ["a", " ROOT "]} => 400, {"errors": ["auth methods cannot create root tokens"]};
        "POST auth/m/login", {"bound_cidrs": ["everywhere"]} => 400, {"errors": ["\"everywhere\" is neither an address nor a CIDR block"]};
        "POST auth/m/login", {"internal": "nonsense"} => 500, {"errors": ["~the auth's internal data is not JSON"]};
        "POST auth/m/login", {"policies": ["a", "A", "a "]} => 200, {"auth": {"policies": ["a", "default"]}};
    }
    let max = client.get("sys/auth/m/tune").number("/data/max_lease_ttl");
    for ttls in [
        json!({"ttl": u64::MAX}),
        json!({"ttl": u64::MAX, "max_ttl": u64::MAX, "explicit_max_ttl": u64::MAX}),
        json!({"period": u64::MAX}),
    ] {
        let made = nobody.post("auth/m/login", ttls.clone());
        assert!(
            (1..=max).contains(&made.number("/auth/lease_duration")),
            "{ttls}: {made:?}"
        );
        let token = client.with_token(&made.text("/auth/client_token"));
        let renewed = token.post("auth/token/renew-self", json!({}));
        assert!(
            (1..=max).contains(&renewed.number("/auth/lease_duration")),
            "{ttls}: {renewed:?}"
        );
        assert_eq!(token.get("kv/a").status, 403);
    }
}

#[test]
fn periodic_work_that_never_ends_is_ended() {
    let (server, client) = mounted("tick", json!({"periodic": true}), json!({"deadline": 1}));
    until(WAIT, "it was ended", || {
        server.log().contains("deadline of 1000 ms exceeded")
    });
    good_mount_serves(&client);
    // Nothing of it is stored.
    assert_eq!(client.get("m/ticked").body["data"]["ticked"], false);
}
