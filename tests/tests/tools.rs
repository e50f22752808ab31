//! Randomness, hashes and password policies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use coffer_tests::{Client, Server, check};
use serde_json::json;

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    (server, client)
}

#[test]
#[rustfmt::skip]
fn hashes() {
    let (_server, root) = dev();
    check! { root;
        "POST sys/tools/hash", {"input": "YWJj"} => 200, {"data": {"sum": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}};
        "POST sys/tools/hash/sha3-256", {"input": "YWJj", "format": "base64"} => 200, {"data": {"sum": "Ophdp0/iJbIEXBcta9OQvYVfCG4+nVJbRr/iRRFDFTI="}};
        "POST sys/tools/hash", {"input": "YWJj", "algorithm": "sha2-224"} => 200, {"data": {"sum": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"}};
        "POST sys/tools/hash", {} => 200, {"data": {"sum": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}};
        "POST sys/tools/hash/md5", {"input": "YWJj"} => 400, {"errors": ["unsupported algorithm md5"]};
        "POST sys/tools/hash", {"input": "!"} => 400, {"errors": ["~unable to decode input as base64"]};
        "POST sys/tools/hash", {"input": "YWJj", "format": "x"} => 400, {"errors": ["~unsupported encoding format"]};
    }
}

#[test]
#[rustfmt::skip]
fn random_bytes() {
    let (_server, root) = dev();
    let random = |path: &str, body| root.post(&format!("sys/tools/random{path}"), body).text("/data/random_bytes");
    assert_ne!(random("", json!({})), random("", json!({})));
    assert_eq!(random("", json!({})).len(), 44);
    assert_eq!(random("/8", json!({"format": "hex"})).len(), 16);
    assert_eq!(random("/platform/8", json!({"format": "hex"})).len(), 16);
    assert_eq!(random("/all", json!({"format": "hex", "bytes": 3})).len(), 6);
    check! { root;
        "POST sys/tools/random/0", {} => 400, {"errors": ["'bytes' cannot be less than 1"]};
        "POST sys/tools/random", {"bytes": 200000} => 400, {"errors": ["'bytes' should be less than 131072"]};
        "POST sys/tools/random", {"bytes": -1} => 400, {"errors": "*"};
        "POST sys/tools/random", {"format": "x"} => 400, {"errors": ["unsupported encoding format \"x\"; must be \"hex\" or \"base64\""]};
        "POST sys/tools/random/dice", {} => 400, {"errors": ["~unsupported entropy source"]};
    }
}

#[test]
#[rustfmt::skip]
fn passwords() {
    let (_server, root) = dev();
    check! { root;
        "LIST sys/policies/password" => 404, {"errors": []};
        "GET sys/policies/password/none" => 404, {"errors": ["~policy does not exist"]};
        "GET sys/policies/password/none/generate" => 404, {"errors": ["~policy does not exist"]};
        "DELETE sys/policies/password/none" => 204, null;
        "POST sys/policies/password/p", {} => 400, {"errors": ["~missing policy"]};
        "POST sys/policies/password/p", {"policy": "length=5"} => 400, {"errors": ["~no charset specified"]};
        "POST sys/policies/password/p", {"policy": "length=12 rule \"charset\" { charset = \"ab\" min-chars = 1 }"} => 204, null;
        "GET sys/policies/password/p" => 200, {"data": {"policy": "~length=12"}};
        "LIST sys/policies/password" => 200, {"data": {"keys": ["p"]}};
    }
    let password = root.get("sys/policies/password/p/generate").text("/data/password");
    assert!(password.len() == 12 && password.chars().all(|c| c == 'a' || c == 'b'), "{password}");
    check! { root;
        "DELETE sys/policies/password/p" => 204, null;
        "GET sys/policies/password/p/generate" => 404, {"errors": "*"};
    }
}
