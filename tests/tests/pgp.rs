//! Key shares and root tokens for the eyes of those who hold a PGP key, read by a real GnuPG.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::server::Keys;
use coffer_tests::{Cli, Server, check};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Somebody with a key.
struct Holder {
    home: TempDir,
    /// In base64.
    public: String,
    fingerprint: String,
}

impl Holder {
    fn new(algorithm: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut holder = Self {
            home,
            public: String::new(),
            fingerprint: String::new(),
        };
        let usage = if algorithm == "future-default" {
            "default"
        } else {
            "encrypt,sign"
        };
        holder.gpg(
            &[
                "--quick-generate-key",
                "Holder <holder@example.com>",
                algorithm,
                usage,
                "never",
            ],
            b"",
        );
        holder.public = BASE64_STANDARD.encode(holder.gpg(&["--export"], b""));
        let told = String::from_utf8(holder.gpg(&["--with-colons", "--fingerprint"], b"")).unwrap();
        let line = told.lines().find(|line| line.starts_with("fpr:")).unwrap();
        holder.fingerprint = line.trim_matches(|c| "fpr:".contains(c)).to_lowercase();
        holder
    }

    fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut gpg = Command::new("gpg")
            .arg("--homedir")
            .arg(self.home.path())
            .args([
                "--batch",
                "--quiet",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg, from the package gnupg");
        gpg.stdin.take().unwrap().write_all(input).unwrap();
        let output = gpg.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// What a message in base64 says.
    fn reads(&self, message: &str) -> String {
        let message = BASE64_STANDARD.decode(message).unwrap();
        String::from_utf8(self.gpg(&["--decrypt"], &message)).unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The agent that gpg has started would outlive its home.
        let agent = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .output();
        agent.ok();
    }
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{path}: {value}"))
}

#[test]
fn shares_and_root_tokens_are_read_by_their_holders_only() {
    let holders = ["rsa2048", "future-default"].map(Holder::new);
    let server = Server::durable().unwrap();
    let client = server.anonymous();
    let keys: Vec<_> = holders.iter().map(|holder| holder.public.clone()).collect();
    check! { client;
        "PUT sys/init", {"secret_shares": 3, "secret_threshold": 2, "pgp_keys": keys} => 400, {"errors": ["~incorrect number of PGP keys"]};
        "PUT sys/init", {"secret_shares": 2, "secret_threshold": 2, "pgp_keys": ["AAAA", keys[0]]} => 400, {"errors": ["~PGP key"]};
        "GET sys/init" => 200, {"initialized": false};
    }
    let body = json!({"secret_shares": 2, "secret_threshold": 2, "pgp_keys": keys, "root_token_pgp_key": keys[1]});
    let made = client.send("PUT", "sys/init", Some(&body)).unwrap().ok();
    let read = |made: &Value, path: &str| -> Vec<String> {
        let shares = holders.iter().enumerate();
        shares
            .map(|(at, holder)| holder.reads(text(made, &format!("{path}/{at}"))))
            .collect()
    };
    let shares = Keys {
        shares: read(&made, "/keys_base64"),
        root_token: holders[1].reads(text(&made, "/root_token")),
    };
    // What is in hexadecimal is the same message.
    assert_eq!(
        BASE64_STANDARD.encode(decode_hex(text(&made, "/keys/0"))),
        text(&made, "/keys_base64/0")
    );
    server.unseal(&shares).unwrap();
    let root = client.with_token(&shares.root_token);
    check! { root; "GET auth/token/lookup-self" => 200, {"data": {"policies": ["root"]}}; }

    // A rekey for the same holders, the shares kept.
    let body = json!({"secret_shares": 2, "secret_threshold": 2, "pgp_keys": keys, "backup": true});
    let begun = client
        .send("PUT", "sys/rekey/init", Some(&body))
        .unwrap()
        .ok();
    let fingerprints = json!([holders[0].fingerprint, holders[1].fingerprint]);
    assert_eq!(begun["pgp_fingerprints"], fingerprints);
    assert_eq!(begun["backup"], true);
    let mut rekeyed = Value::Null;
    for share in &shares.shares {
        let body = json!({"key": share, "nonce": begun["nonce"]});
        rekeyed = client
            .send("PUT", "sys/rekey/update", Some(&body))
            .unwrap()
            .ok();
    }
    assert_eq!(rekeyed["complete"], true);
    assert_eq!(rekeyed["pgp_fingerprints"], fingerprints);
    let new = read(&rekeyed, "/keys_base64");
    let kept = root.get("sys/rekey/backup").ok();
    assert_eq!(kept["nonce"], begun["nonce"]);
    let of_first = format!("/keys_base64/{}/0", holders[0].fingerprint);
    assert_eq!(holders[0].reads(text(&kept, &of_first)), new[0]);
    check! { root;
        "DELETE sys/rekey/backup" => 204;
        "GET sys/rekey/backup" => 400, {"errors": ["no backed-up keys found"]};
        "PUT sys/seal", {} => 204;
    }
    let new = Keys {
        shares: new,
        root_token: shares.root_token.clone(),
    };
    server.unseal(&new).unwrap();

    // A root token.
    check! { client;
        "PUT sys/generate-root/attempt", {"pgp_key": "x"} => 400, {"errors": ["~PGP key"]};
        "PUT sys/generate-root/attempt", {"pgp_key": keys[0], "otp": "x"} => 400, {"errors": ["~not both"]};
    }
    let body = json!({ "pgp_key": keys[0] });
    let begun = client
        .send("PUT", "sys/generate-root/attempt", Some(&body))
        .unwrap()
        .ok();
    assert_eq!(
        (&begun["otp"], text(&begun, "/pgp_fingerprint")),
        (&json!(""), &*holders[0].fingerprint)
    );
    let mut made = Value::Null;
    for share in &new.shares {
        let body = json!({"key": share, "nonce": begun["nonce"]});
        made = client
            .send("PUT", "sys/generate-root/update", Some(&body))
            .unwrap()
            .ok();
    }
    let token = client.with_token(&holders[0].reads(text(&made, "/encoded_token")));
    check! { token; "GET auth/token/lookup-self" => 200, {"data": {"policies": ["root"]}}; }
}

fn decode_hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn by_the_command_line() {
    let holder = Holder::new("future-default");
    let server = Server::durable().unwrap();
    let cli = Cli::at(&server.url(), "").unwrap();
    std::fs::write(
        cli.home().join("binary.gpg"),
        holder.gpg(&["--export"], b""),
    )
    .unwrap();
    std::fs::write(
        cli.home().join("armored.asc"),
        holder.gpg(&["--armor", "--export"], b""),
    )
    .unwrap();
    let init = cli.run("operator init -n 2 -t 2 -pgp-keys=binary.gpg,armored.asc -root-token-pgp-key=armored.asc -format=json");
    let init = init.json();
    let share = |at: usize| holder.reads(text(&init, &format!("/unseal_keys_b64/{at}")));
    let shares = [share(0), share(1)];
    for share in &shares {
        cli.run(&format!("operator unseal {share}"));
    }
    assert_eq!(cli.run("status").code, 0);
    let root = holder.reads(text(&init, "/root_token"));
    let cli = Cli::at(&server.url(), &root).unwrap();
    std::fs::write(
        cli.home().join("key.asc"),
        holder.gpg(&["--armor", "--export"], b""),
    )
    .unwrap();
    let begun = cli
        .run("operator rekey -init -n 1 -t 1 -pgp-keys=key.asc -backup -format=json")
        .json();
    let nonce = text(&begun, "/nonce");
    cli.run(&format!("operator rekey -nonce={nonce} {}", shares[0]));
    let ran = cli.run(&format!("operator rekey -nonce={nonce} {}", shares[1]));
    assert!(
        ran.stdout
            .contains(&format!("fingerprint: {}; value", holder.fingerprint)),
        "{ran:?}"
    );
    let kept = cli.run("operator rekey -backup-retrieve");
    assert!(
        kept.stdout
            .starts_with(&format!("{}: ", holder.fingerprint)),
        "{kept:?}"
    );
    assert_eq!(cli.run("operator rekey -backup-delete").code, 0);
    assert_eq!(cli.run("operator rekey -backup-retrieve").code, 2);
    assert_eq!(cli.run("operator init -pgp-keys=keybase:somebody").code, 1);
}
