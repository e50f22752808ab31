//! The transit engine beside OpenBao's: keys go from one to the other, and what one has made the other reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coffer_tests::{Client, KEY_TYPES, Server, port, until};
use serde_json::{Value, json};

/// OpenBao in development mode, as its makers publish it; `cargo xtask test` installs it.
struct Bao {
    child: Child,
    client: Client,
}

impl Bao {
    fn start() -> Self {
        let folder = std::env::var_os("CLIENTS_BIN").expect("`cargo xtask test` sets CLIENTS_BIN");
        let address = port::free();
        let home = std::env::temp_dir();
        let child = Command::new(PathBuf::from(folder).join("bao"))
            .args([
                "server",
                "-dev",
                "-dev-no-store-token",
                "-dev-root-token-id=root",
            ])
            .arg(format!("-dev-listen-address={address}"))
            .env("HOME", home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = Client::new(&format!("http://{address}"), "root");
        let bao = Self { child, client };
        until(Duration::from_secs(30), "OpenBao answers", || {
            bao.client
                .send("GET", "sys/health", None)
                .is_ok_and(|reply| reply.is_ok())
        });
        bao
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both servers, each with the engine, and each with the other's wrapping key by the name `other`.
fn peers() -> (Server, Bao, [Client; 2]) {
    let server = Server::dev().unwrap();
    let bao = Bao::start();
    let both = [server.client(), bao.client.clone()];
    for client in &both {
        client
            .post("sys/mounts/transit", json!({"type": "transit"}))
            .ok();
    }
    for (at, client) in both.iter().enumerate() {
        let theirs = both[1 - at]
            .get("transit/wrapping_key")
            .text("/data/public_key");
        let body = json!({"type": "rsa-4096", "public_key": theirs});
        client.post("transit/keys/other/import", body).ok();
    }
    (server, bao, both)
}

fn make(client: &Client, name: &str, kind: &str, more: Value) {
    let mut body = json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
    if kind == "hmac" {
        body["key_size"] = json!(64);
    }
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    client.post(&format!("transit/keys/{name}"), body).ok();
}

/// What `maker` makes with the key, `reader` reads; and signatures in every way that both have.
#[track_caller]
fn reads(maker: &Client, reader: &Client, name: &str, kind: &str, context: Option<&str>) {
    let with = |mut body: Value| {
        if let Some(context) = context {
            body["context"] = json!(context);
        }
        body
    };
    let text = "d2hhdCB0aGUgb25lIHdyaXRlcyB0aGUgb3RoZXIgcmVhZHM=";
    let encrypts = !matches!(kind, "ed25519" | "hmac") && !kind.starts_with("ecdsa");
    let signs = kind == "ed25519" || kind.starts_with("ecdsa") || kind.starts_with("rsa");
    if encrypts {
        let sealed = maker
            .post(
                &format!("transit/encrypt/{name}"),
                with(json!({ "plaintext": text })),
            )
            .text("/data/ciphertext");
        let opened = reader.post(
            &format!("transit/decrypt/{name}"),
            with(json!({ "ciphertext": sealed })),
        );
        assert_eq!(opened.text("/data/plaintext"), text, "{kind}");
    }
    let ways = match kind {
        _ if kind.starts_with("rsa") => vec![
            json!({}),
            json!({"hash_algorithm": "sha3-384", "signature_algorithm": "pkcs1v15"}),
            json!({"hash_algorithm": "sha1", "salt_length": "hash"}),
            json!({"hash_algorithm": "sha2-512", "salt_length": "12", "marshaling_algorithm": "jws"}),
            json!({"hash_algorithm": "none", "prehashed": true, "signature_algorithm": "pkcs1v15"}),
        ],
        _ => vec![
            json!({}),
            json!({"hash_algorithm": "sha3-224"}),
            json!({"hash_algorithm": "sha2-512", "marshaling_algorithm": "jws"}),
        ],
    };
    for way in ways.iter().filter(|_| signs) {
        let mut body = with(json!({ "input": text }));
        body.as_object_mut()
            .unwrap()
            .extend(way.as_object().unwrap().clone());
        let signature = maker
            .post(&format!("transit/sign/{name}"), body.clone())
            .text("/data/signature");
        body["signature"] = json!(signature);
        let verified = reader.post(&format!("transit/verify/{name}"), body);
        assert_eq!(verified.ok()["data"]["valid"], true, "{kind} {way}");
    }
}

#[track_caller]
fn authenticates(maker: &Client, reader: &Client, name: &str) {
    let made = maker
        .post(
            &format!("transit/hmac/{name}/sha2-384"),
            json!({"input": "eA=="}),
        )
        .text("/data/hmac");
    let body = json!({"input": "eA==", "hmac": made});
    let verified = reader.post(&format!("transit/verify/{name}/sha2-384"), body);
    assert_eq!(verified.ok()["data"]["valid"], true, "{name}");
}

#[test]
fn exported_keys_are_imported_on_the_other_side() {
    let (_server, _bao, both) = peers();
    for at in [0, 1] {
        let (from, to) = (&both[at], &both[1 - at]);
        for kind in KEY_TYPES {
            let name = format!("{kind}-from-{at}");
            make(from, &name, kind, json!({}));
            let wrapped = from
                .get(&format!("transit/byok-export/other/{name}"))
                .text("/data/keys/1");
            let body = json!({"type": kind, "ciphertext": wrapped, "exportable": true});
            to.post(&format!("transit/keys/{name}/import"), body).ok();
            reads(from, to, &name, kind, None);
            reads(to, from, &name, kind, None);
            if kind == "hmac" {
                authenticates(from, to, &name);
                authenticates(to, from, &name);
            }
            for what in ["encryption-key", "signing-key", "public-key"] {
                for format in ["", "raw", "der", "pem"] {
                    let path = format!("transit/export/{what}/{name}/1?format={format}");
                    let (ours, theirs) = (from.get(&path), to.get(&path));
                    assert_eq!(ours.is_ok(), theirs.is_ok(), "{path}");
                    let key = |reply: &coffer_tests::Reply| reply.body["data"]["keys"].clone();
                    assert_eq!(key(&ours), key(&theirs), "{path}");
                }
            }
        }
    }
}

#[test]
fn backups_are_played_back_on_the_other_side() {
    let (_server, _bao, both) = peers();
    let convergent = json!({"derived": true, "convergent_encryption": true});
    let mut kinds: Vec<(&str, Value)> = KEY_TYPES.iter().map(|kind| (*kind, json!({}))).collect();
    kinds.push(("ed25519", json!({"derived": true})));
    for kind in KEY_TYPES.iter().take(4) {
        kinds.push((kind, convergent.clone()));
    }
    for at in [0, 1] {
        let (from, to) = (&both[at], &both[1 - at]);
        for (number, (kind, more)) in kinds.iter().enumerate() {
            let name = format!("{number}-from-{at}");
            make(from, &name, kind, more.clone());
            for _ in 0..3 {
                from.post(&format!("transit/keys/{name}/rotate"), json!({}))
                    .ok();
            }
            let old = json!({"min_decryption_version": 2, "min_encryption_version": 3});
            from.post(&format!("transit/keys/{name}/config"), old).ok();
            if number % 2 == 0 {
                let trim = json!({"min_available_version": 2});
                from.post(&format!("transit/keys/{name}/trim"), trim).ok();
            }
            let backup = from
                .get(&format!("transit/backup/{name}"))
                .text("/data/backup");
            to.post(
                &format!("transit/restore/{name}"),
                json!({ "backup": backup }),
            )
            .ok();
            let context = more["derived"].as_bool().map(|_| "Zm9v");
            reads(from, to, &name, kind, context);
            reads(to, from, &name, kind, context);
            authenticates(from, to, &name);
            authenticates(to, from, &name);
            let shown = |client: &Client| {
                let mut data = client
                    .get(&format!("transit/keys/{name}?context=Zm9v"))
                    .ok()["data"]
                    .clone();
                let data = data.as_object_mut().unwrap();
                data.remove("restore_info");
                data.remove("backup_info");
                for version in data
                    .get_mut("keys")
                    .into_iter()
                    .flat_map(|keys| keys.as_object_mut().unwrap().values_mut())
                {
                    if let Some(version) = version.as_object_mut() {
                        version.remove("creation_time");
                    }
                }
                json!(data)
            };
            assert_eq!(shown(from), shown(to), "{kind} {more}");
            if more["convergent_encryption"] == true {
                let body = json!({"plaintext": "eA==", "context": "Zm9v"});
                let sealed = |client: &Client| {
                    client
                        .post(&format!("transit/encrypt/{name}"), body.clone())
                        .text("/data/ciphertext")
                };
                assert_eq!(sealed(from), sealed(to));
            }
        }
    }
}

/// Each derives the same key of its own and the other's public one.
#[test]
fn both_sides_agree_on_a_key() {
    let (_server, _bao, both) = peers();
    for kind in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] {
        for client in &both {
            make(client, kind, kind, json!({}));
        }
        for derived in KEY_TYPES.iter().take(4) {
            let name = format!("{kind}-{derived}");
            for (at, client) in both.iter().enumerate() {
                let peer = both[1 - at]
                    .get(&format!("transit/export/public-key/{kind}"))
                    .text("/data/keys/1");
                let body = json!({
                    "base_key_name": kind, "peer_public_key": peer, "derived_key_type": derived,
                });
                client
                    .post(&format!("transit/derive-key/{name}"), body)
                    .ok();
            }
            reads(&both[0], &both[1], &name, derived, None);
            reads(&both[1], &both[0], &name, derived, None);
        }
    }
}
