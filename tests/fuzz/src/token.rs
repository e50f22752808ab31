//! A token as somebody says it: who has none that was issued gets nowhere, in a header or in a body.
//!
//! `{service}`, `{accessor}`, `{batch}` and `{wrapped}` in the input stand for what was issued.

use axum::http::Request;
use serde_json::{Value, json};

use crate::world::{Answer, ROOT, World};

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    World::with(|world| {
        let issued = &world.issued;
        let token = text
            .replace("{service}", &issued.service)
            .replace("{accessor}", &issued.accessor)
            .replace("{batch}", &issued.batch)
            .replace("{wrapped}", &issued.wrapped);
        let token = token.trim();
        // Who names none means the caller's.
        if token.is_empty() {
            return;
        }
        let is = |known: &[&str]| known.contains(&token);
        let logged_in = is(&[ROOT, &issued.service, &issued.batch]);

        // That would be a wrapping token's only use.
        if !is(&[&issued.wrapped]) {
            let own = get(world, token, "/v1/auth/token/lookup-self");
            check(&own, logged_in);
            assert!(!logged_in || own.body["data"]["id"] == token);
        }
        let data = post(world, ROOT, "auth/token/lookup", &json!({"token": token}));
        // Of a wrapping token root may look at everything but what it wraps.
        check(&data, logged_in || is(&[&issued.wrapped]));
        let data = post(
            world,
            ROOT,
            "auth/token/lookup-accessor",
            &json!({"accessor": token}),
        );
        if data.is_ok() {
            assert_eq!(data.body["data"]["id"], "", "an accessor tells no token");
        }
        let of_token = post(
            world,
            ROOT,
            "sys/capabilities",
            &json!({"token": token, "path": "sys/mounts"}),
        );
        if of_token.is_ok() && token != ROOT {
            assert_eq!(of_token.body["data"]["capabilities"], json!(["deny"]));
        }
        let about = post(world, "", "sys/wrapping/lookup", &json!({"token": token}));
        check(&about, is(&[&issued.wrapped]));
        // The last: it uses the token up.
        let unwrapped = match text.len() % 2 {
            0 => post(world, token, "sys/wrapping/unwrap", &Value::Null),
            _ => post(world, ROOT, "sys/wrapping/unwrap", &json!({"token": token})),
        };
        check(&unwrapped, is(&[&issued.wrapped]));
    });
}

impl Answer {
    fn is_ok(&self) -> bool {
        self.status.is_success()
    }
}

fn check(answer: &Answer, expected: bool) {
    assert_eq!(
        answer.is_ok(),
        expected,
        "{} {}",
        answer.status,
        answer.body
    );
}

fn get(world: &World, token: &str, path: &str) -> Answer {
    ask(world, Request::get(path), token, Vec::new())
}

fn post(world: &World, token: &str, path: &str, body: &Value) -> Answer {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    ask(world, Request::post(format!("/v1/{path}")), token, body)
}

fn ask(world: &World, request: axum::http::request::Builder, token: &str, body: Vec<u8>) -> Answer {
    // What cannot stand in a header is nobody's token.
    let sendable = axum::http::HeaderValue::from_str(token);
    let request = match sendable {
        Ok(token) if !token.is_empty() => request.header("X-Vault-Token", token),
        _ => request,
    };
    world.ask(request.body(body).unwrap())
}
