//! Plugins on their way: signed, pushed to a real OCI registry, pulled, saved and loaded; and everything that a signature or
//! a registry can do wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::TcpListener;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::registry::Registry;
use coffer_tests::server::binary;
use coffer_tests::{Cli, Server, check, plugin, port};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;

const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

fn pem(prefix: &[u8], key: &[u8]) -> String {
    let text = BASE64_STANDARD.encode([prefix, key].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

fn key() -> Ed25519KeyPair {
    let random = ring::rand::SystemRandom::new();
    Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap()
}

fn echo(version: &str) -> Vec<u8> {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    plugin::echo(
        BUILT.get_or_init(|| plugin::build("tests/guests/echo")),
        version,
        json!({}),
    )
}

fn ok(cli: &Cli, line: &str) -> String {
    let ran = cli.run(line);
    assert_eq!(ran.code, 0, "{line}: {ran:?}");
    ran.stdout
}

fn refused(cli: &Cli, line: &str, expected: &str) {
    let ran = cli.run(line);
    assert_ne!(ran.code, 0, "{line}: {ran:?}");
    assert!(ran.stderr.contains(expected), "{line}: {expected}: {ran:?}");
}

/// Writes a component, and a signature beside it.
fn write_signed(cli: &Cli, file: &str, component: &[u8], key: &Ed25519KeyPair) {
    std::fs::write(cli.home().join(file), component).unwrap();
    cli.write(
        &format!("{file}.sig"),
        &BASE64_STANDARD.encode(key.sign(component)),
    );
}

#[test]
fn a_plugin_goes_through_a_registry() {
    let mut registry = Registry::start().unwrap();
    let server = Server::dev().unwrap();
    let (client, cli) = (server.client(), Cli::new(&server).unwrap());
    let place = format!("oci://{}/plugins/echo", registry.address());
    let author = key();
    write_signed(&cli, "echo.wasm", &echo("1.0.0-aaaa"), &author);
    cli.write("author.pub", &pem(ED25519, author.public_key().as_ref()));
    let pushed = ok(&cli, &format!("plugin push echo.wasm {place}:1.0.0"));
    let digest = pushed.trim().rsplit_once('@').unwrap().1.to_owned();
    ok(
        &cli,
        &format!("plugin register -key=author.pub secret echo 1.0.0-aaaa {place}:1.0.0"),
    );
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "GET e/version" => 200, {"data": {"version": "1.0.0-aaaa"}};
        "GET sys/plugins/catalog/secret/echo" => 200, {"data": {"signed_by": "*", "command": format!("oci://{}/plugins/echo@{digest}", registry.address())}};
    }
    // Pulled, and the same.
    ok(
        &cli,
        &format!("plugin pull -out=pulled.wasm {place}@{digest}"),
    );
    assert_eq!(
        std::fs::read(cli.home().join("pulled.wasm")).unwrap(),
        echo("1.0.0-aaaa")
    );
    // To a place without a registry: saved here, loaded there.
    ok(&cli, "plugin save -out=saved.wasm secret echo");
    let elsewhere = Server::dev().unwrap();
    let there = Cli::new(&elsewhere).unwrap();
    for file in ["saved.wasm", "saved.wasm.sig", "author.pub"] {
        std::fs::copy(cli.home().join(file), there.home().join(file)).unwrap();
    }
    ok(&there, "plugin load -key=author.pub saved.wasm");
    let listed = ok(&there, "plugin list -detailed secret");
    assert!(
        listed.contains("echo") && listed.contains("registered, in force"),
        "{listed}"
    );
    // A tag that moved: the version is the same, the component is not.
    write_signed(
        &cli,
        "moved.wasm",
        &plugin::echo(
            &plugin::build("tests/guests/echo"),
            "1.0.0-aaaa",
            json!({"periodic": true}),
        ),
        &author,
    );
    ok(&cli, &format!("plugin push moved.wasm {place}:1.0.0"));
    refused(
        &cli,
        &format!("plugin register secret echo {place}:1.0.0"),
        "is registered with another component",
    );
    ok(
        &cli,
        &format!("plugin register secret echo {place}@{digest}"),
    );
    // What is not there, what is no plugin, and a registry that is down.
    refused(
        &cli,
        &format!("plugin register secret echo {place}:9.9.9"),
        "9.9.9",
    );
    refused(
        &cli,
        "plugin register secret echo oci://UPPER//x",
        "is no reference",
    );
    refused(&cli, &format!("plugin push {place}:1"), "which file");
    registry.stop();
    refused(
        &cli,
        &format!("plugin register secret echo {place}:1.0.0"),
        "Connection refused",
    );
}

#[test]
fn cosigns_signatures_count_too() {
    let registry = Registry::start().unwrap();
    let server = Server::dev().unwrap();
    let cli = Cli::new(&server).unwrap();
    let repository = "plugins/signed";
    let place = format!("oci://{}/{repository}", registry.address());
    std::fs::write(cli.home().join("echo.wasm"), echo("1.0.0-aaaa")).unwrap();
    let pushed = ok(&cli, &format!("plugin push echo.wasm {place}:1"));
    let digest = pushed.trim().rsplit_once('@').unwrap().1.to_owned();
    let random = ring::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random)
            .unwrap();
    cli.write("cosign.pub", &pem(P256, pair.public_key().as_ref()));
    refused(
        &cli,
        &format!("plugin register -key=cosign.pub secret echo {place}:1"),
        "it is not signed",
    );
    // As `cosign sign --key` leaves it.
    let payload = json!({
        "critical": {"identity": {"docker-reference": place}, "image": {"docker-manifest-digest": digest}, "type": "cosign container image signature"},
        "optional": null,
    })
    .to_string();
    let sha256 = |bytes: &[u8]| {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("sha256:{hex}")
    };
    registry.blob(repository, &sha256(payload.as_bytes()), payload.as_bytes());
    registry.blob(repository, &sha256(b"{}"), b"{}");
    let signature = BASE64_STANDARD.encode(pair.sign(&random, payload.as_bytes()).unwrap());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": sha256(b"{}")},
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": payload.len(), "digest": sha256(payload.as_bytes()),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        }],
    });
    registry.manifest(
        repository,
        &format!("{}.sig", digest.replace(':', "-")),
        &manifest.to_string(),
    );
    ok(
        &cli,
        &format!("plugin register -key=cosign.pub secret echo {place}:1"),
    );
    // For another component it is none.
    std::fs::write(cli.home().join("other.wasm"), echo("1.1.0-aaaa")).unwrap();
    ok(&cli, &format!("plugin push other.wasm {place}:2"));
    refused(
        &cli,
        &format!("plugin register secret echo {place}:2"),
        "it is not signed",
    );
}

#[test]
fn signatures_are_asked_for_as_the_server_is_configured() {
    let (author, stranger) = (key(), key());
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pub");
    std::fs::write(&trusted, pem(ED25519, author.public_key().as_ref())).unwrap();
    let start = |config: &str| {
        let server = Server::dev_configured(&binary().unwrap(), port::free(), config).unwrap();
        let cli = Cli::new(&server).unwrap();
        cli.write("author.pub", &pem(ED25519, author.public_key().as_ref()));
        cli.write(
            "stranger.pub",
            &pem(ED25519, stranger.public_key().as_ref()),
        );
        let component = echo("1.0.0-aaaa");
        std::fs::write(cli.home().join("bare.wasm"), &component).unwrap();
        write_signed(&cli, "good.wasm", &component, &author);
        write_signed(&cli, "bad.wasm", &component, &stranger);
        (server, cli)
    };
    // Required, by a key of the configuration.
    let (_server, cli) = start(&format!(
        "plugin_signatures = \"require\"\nplugin_keys = [{trusted:?}]\n"
    ));
    refused(
        &cli,
        "plugin register secret echo ./bare.wasm",
        "it is not signed",
    );
    refused(
        &cli,
        "plugin register secret echo ./bad.wasm",
        "none of its signatures is by a key that is known",
    );
    refused(
        &cli,
        "plugin register -key=stranger.pub secret echo ./bad.wasm",
        "does not trust this key",
    );
    ok(&cli, "plugin register secret echo ./good.wasm");
    // Required, by whatever key the operator names.
    let (_server, cli) = start("plugin_signatures = \"require\"\n");
    refused(
        &cli,
        "plugin register secret echo ./good.wasm",
        "no key is known that could have signed it",
    );
    ok(
        &cli,
        "plugin register -key=author.pub secret echo ./good.wasm",
    );
    // Only asked for: what has a key keeps it.
    let (_server, cli) = start("plugin_signatures = \"warn\"\n");
    let ran = cli.run("plugin register secret echo ./bare.wasm");
    assert!(
        ran.code == 0 && ran.stderr.contains("it is not signed"),
        "{ran:?}"
    );
    ok(
        &cli,
        "plugin register -key=author.pub secret echo ./good.wasm",
    );
    refused(
        &cli,
        "plugin register secret echo ./bare.wasm",
        "it is not signed",
    );
    refused(
        &cli,
        "plugin register secret echo ./bad.wasm",
        "none of its signatures",
    );
    refused(
        &cli,
        "plugin register -key=stranger.pub secret echo ./bad.wasm",
        "pinned to the key",
    );
    // Off.
    let (_server, cli) = start("plugin_signatures = \"off\"\n");
    ok(&cli, "plugin register secret echo ./bad.wasm");
}

#[test]
fn a_file_on_the_server_is_registered_as_vault_does() {
    let folder = tempfile::tempdir().unwrap();
    let component = echo("1.0.0-aaaa");
    std::fs::write(folder.path().join("echo"), &component).unwrap();
    let config = format!("plugin_directory = {:?}\n", folder.path());
    let server = Server::dev_configured(&binary().unwrap(), port::free(), &config).unwrap();
    let cli = Cli::new(&server).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &component);
    let sha256: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    refused(&cli, "plugin register secret echo", "missing SHA-256 value");
    refused(
        &cli,
        &format!("plugin register -sha256={} secret echo", "0".repeat(64)),
        "the component has the SHA-256",
    );
    refused(
        &cli,
        &format!("plugin register -sha256={sha256} -command=../echo secret echo"),
        "is no name of a file",
    );
    refused(
        &cli,
        &format!("plugin register -sha256={sha256} -command=nothing secret echo"),
        "cannot be read",
    );
    ok(
        &cli,
        &format!("plugin register -sha256={sha256} -version=v1.0.0-aaaa secret echo"),
    );
    let info = ok(&cli, "plugin info secret echo");
    assert!(
        info.contains(&sha256) && info.contains("v1.0.0-aaaa"),
        "{info}"
    );
    let grants = ok(&cli, "plugin grants echo");
    assert_eq!(grants.trim(), "It asks for nothing.");
    ok(&cli, "plugin deregister secret echo");
    refused(&cli, "plugin info secret echo", "No value found");
}

#[test]
fn a_registry_that_accepts_and_says_nothing_does_not_hold_anybody_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let cli = Cli::at("http://127.0.0.1:1", "")
        .unwrap()
        .with("COFFER_REGISTRY_TIMEOUT", "1");
    refused(
        &cli,
        &format!("plugin pull oci://{address}/x:1"),
        "timed out",
    );
    drop(silent);
}
