//! What Kubernetes lays into the server's pod, for a plugin that was granted it, and for one that was not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::server::binary;
use coffer_tests::{Client, Reply, Server, check, plugin, port};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server that looks for the pod's files there.
fn server_in(folder: &Path) -> Server {
    let config = format!("service_account_directory = {folder:?}\n");
    Server::dev_configured(&binary().unwrap(), port::free(), &config).unwrap()
}

/// As Kubernetes lays it: links, so that what they lead to can be exchanged at once.
fn lay(folder: &Path, edition: &str, token: &str) {
    let there = folder.join(format!("..{edition}"));
    fs::create_dir(&there).unwrap();
    fs::write(there.join("token"), token).unwrap();
    fs::write(there.join("ca.crt"), format!("certificates of {edition}")).unwrap();
    // What is no business of any plugin.
    fs::write(there.join("namespace"), "prod").unwrap();
    symlink(format!("..{edition}"), folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    for name in ["token", "ca.crt", "namespace"] {
        let link = folder.join(name);
        if !link.is_symlink() {
            symlink(format!("..data/{name}"), link).unwrap();
        }
    }
}

fn register(client: &Client, component: &[u8]) -> Reply {
    let body = json!({ "component": BASE64_STANDARD.encode(component), "source": "test" });
    client.post("sys/plugins/catalog/secret/echo", body)
}

fn echo(version: &str, needs: Value) -> Vec<u8> {
    plugin::echo(&plugin::build("tests/guests/echo"), version, needs)
}

#[test]
fn only_for_whom_it_was_granted() {
    let folder = TempDir::new().unwrap();
    lay(folder.path(), "first", "the first token");
    let server = server_in(folder.path());
    let client = server.client();
    register(&client, &echo("1.0.0-aaaa", json!({}))).ok();
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        // It imports it, but its manifest does not ask.
        "GET e/pod/token" => 403, {"errors": ["~the plugin was not granted pod"]};
        "GET e/pod/certificates" => 403, {"errors": ["~the plugin was not granted pod"]};
    }
    let asking = echo("2.0.0-aaaa", json!({"pod": true}));
    let told = register(&client, &asking).ok();
    assert!(
        told["warnings"]
            .to_string()
            .contains("it asks for pod, which nobody has granted"),
        "{told}"
    );
    check! { client;
        "POST sys/plugins/reload/secret/echo" => 200, {"warnings": ["~waits for an operator to grant it pod"]};
        "GET e/pod/token" => 403, {"errors": ["~the plugin was not granted pod"]};
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["pod"]} => 204;
        "POST sys/plugins/reload/secret/echo" => 204;
        "GET e/pod/token" => 200, {"data": {"text": "the first token"}};
        "GET e/pod/certificates" => 200, {"data": {"text": "certificates of first"}};
    }
    // It is renewed under the server's feet.
    lay(folder.path(), "second", "the second token");
    check! { client;
        "GET e/pod/token" => 200, {"data": {"text": "the second token"}};
        "DELETE sys/plugins/grants/secret/echo?capabilities=pod" => 204;
        "GET e/pod/token" => 503, {"errors": ["~waits for an operator to grant it pod"]};
    }
    assert!(!server.log().contains("the second token"));
}

#[test]
fn what_is_no_such_file_is_an_error() {
    let folder = TempDir::new().unwrap();
    let server = server_in(folder.path());
    let client = server.client();
    register(&client, &echo("1.0.0-aaaa", json!({"pod": true}))).ok();
    check! { client;
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["pod"]} => 204;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "GET e/pod/token" => 200, {"data": {"text": null}};
        "GET e/pod/certificates" => 200, {"data": {"text": null}};
    }
    let at = folder.path().join("token");
    let most = 64 << 10;
    let write = |bytes: &[u8]| fs::write(&at, bytes).unwrap();
    write(&b"x".repeat(most));
    assert_eq!(client.get("e/pod/token").text("/data/text").len(), most);
    type Lay<'a> = &'a dyn Fn();
    let table: [(Lay, &str); 5] = [
        (&|| write(&b"x".repeat(most + 1)), "more than 65536 bytes"),
        (&|| write(&[0xff; 10]), "no text"),
        (&|| fs::create_dir(&at).unwrap(), "no file"),
        (&|| symlink("/dev/zero", &at).unwrap(), "no file"),
        (
            &|| assert!(Command::new("mkfifo").arg(&at).status().unwrap().success()),
            "no file",
        ),
    ];
    for (lay, expected) in table {
        let _ = fs::remove_file(&at);
        lay();
        let reply = client.get("e/pod/token");
        assert_eq!(reply.status, 502, "{expected}: {reply:?}");
        let named = format!("the pod's {} cannot be read: ", at.display());
        assert!(
            reply.errors().contains(&named) && reply.errors().contains(expected),
            "{expected}: {reply:?}"
        );
        let _ = fs::remove_dir(&at);
    }
    let _ = fs::remove_file(&at);
    symlink("nowhere", &at).unwrap();
    check! { client; "GET e/pod/token" => 200, {"data": {"text": null}}; }
}

/// Nothing of a pod is there for plugins where the operator says so.
#[test]
fn a_server_that_does_not_look() {
    let server = server_in(Path::new(""));
    let client = server.client();
    register(&client, &echo("1.0.0-aaaa", json!({"pod": true}))).ok();
    check! { client;
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["pod"]} => 204;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "GET e/pod/token" => 200, {"data": {"text": null}};
    }
}
