//! The contract's promise: a component that was built once loads for ever. The fixtures were built against the version of the
//! contract that their folder is named after, and are never built again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::{Server, check};
use serde_json::json;

#[test]
fn components_of_every_version_of_the_contract_load() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut seen = 0;
    for version in std::fs::read_dir(folder).unwrap() {
        let version = version.unwrap().path();
        let server = Server::dev().unwrap();
        let client = server.client();
        for (kind, file) in [("secret", "plugin.wasm"), ("database", "database.wasm")] {
            let component = std::fs::read(version.join(file)).unwrap();
            let body = json!({ "component": BASE64_STANDARD.encode(component) });
            client
                .post(&format!("sys/plugins/catalog/{kind}/old"), body)
                .ok();
        }
        check! { client;
            "POST sys/mounts/old", {"type": "old"} => 204;
            "POST old/a", {"value": "x"} => 204;
            "GET old/a" => 200, {"data": {"value": "x"}};
            "GET sys/plugins/catalog/database/old" => 200, {"data": {"contract": "0.1.0"}};
        }
        seen += 1;
    }
    assert!(seen > 0);
}
