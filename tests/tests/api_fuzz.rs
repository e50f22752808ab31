//! Every operation of the OpenAPI document, called with whatever its description allows and more: schemathesis. No answer is
//! a 5xx, none is missing, nothing panics. `COFFER_FUZZ_EXAMPLES=200` goes deeper than the few that every run has time for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::process::Command;

use coffer_tests::{Server, check};

/// By how much the server may grow, in KiB: it keeps in memory what it is told to store.
const GROWTH: u64 = 400 << 10;

#[test]
fn nothing_that_is_described_breaks_the_server() {
    let server = Server::dev().unwrap();
    let client = server.client();
    client.mount_builtins();
    let file = server.folder().join("openapi.json");
    let document = client.get("sys/internal/specs/openapi").expect(200);
    std::fs::write(&file, document.to_string()).unwrap();
    let before = server.resident();
    let folder = std::env::var_os("CLIENTS_BIN").expect("CLIENTS_BIN: `cargo xtask test` sets it");
    let examples = std::env::var("COFFER_FUZZ_EXAMPLES").unwrap_or("2".to_owned());
    let ran = Command::new(PathBuf::from(folder).join("schemathesis"))
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("{}/v1", server.url())])
        .args([
            "--header",
            &format!("X-Vault-Token: {}", server.root_token()),
        ])
        .args([
            "--checks",
            "not_a_server_error",
            "--phases",
            "coverage,fuzzing",
            "--workers",
            "1",
        ])
        .args(["--max-examples", &examples, "--request-timeout", "30"])
        // With more than one worker the tool trips over itself now and then.
        // What goes on for ever, and what ends the server or the token: those are tried elsewhere.
        .args([
            "--exclude-path",
            "/sys/monitor",
            "--exclude-path",
            "/sys/seal",
        ])
        .args([
            "--exclude-path-regex",
            r"^/auth/token/revoke|^/sys/(mounts|auth)/\{path\}$",
        ])
        .current_dir(server.folder())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(ran.status.success(), "{said}");
    check! { client; "GET sys/health" => 200, {}; }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} KiB more");
}
