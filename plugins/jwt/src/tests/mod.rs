//! Logins at a provider that says whatever a test wants, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod begins;
mod configured;
mod provider;
mod waits;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use coffer_sdk::Operation::{Delete, Read, Write};
use coffer_sdk::keys::{Hash, Signing, fixed_signature};
use coffer_sdk::testing::Host;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;

const URL: &str = "https://idp.test";
const BACK: &str = "http://localhost:8250/oidc/callback";

/// What the provider says, and what it was asked.
struct Idp {
    /// Beside what is right.
    claims: Value,
    header: Value,
    discovery: Value,
    user_info: (u16, Value),
    /// In place of tokens.
    refuses: Option<(u16, Value)>,
    /// The forms that it got, each with its `authorization`.
    forms: Vec<BTreeMap<String, String>>,
    nonce: String,
}

fn merged(mut into: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().unwrap() {
        into[name] = value.clone();
    }
    into.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    into
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

impl Idp {
    fn new() -> Self {
        Self {
            claims: json!({}),
            header: json!({"alg": "ES256", "kid": "a"}),
            discovery: json!({}),
            user_info: (200, json!({"sub": "joe", "team": "red"})),
            refuses: None,
            forms: Vec::new(),
            nonce: String::new(),
        }
    }

    fn token(&self, access_token: &str) -> String {
        let now = clock::now() / 1000;
        let half = Sha256::digest(access_token);
        let right = json!({"iss": URL, "aud": "me", "sub": "joe", "iat": now, "exp": now + 600, "nonce": self.nonce,
            "auth_time": now - 30, "at_hash": URL_SAFE_NO_PAD.encode(&half[..16])});
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            encoded(&self.header),
            encoded(&merged(right, &self.claims))
        );
        let key = keys::open("issuer").unwrap().unwrap();
        let der = key
            .sign_with(signed.as_bytes(), Signing::message(Hash::Sha2B256))
            .unwrap();
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(fixed_signature(&der, 32).unwrap())
        )
    }

    fn answer(&mut self, request: &coffer_sdk::http::Request) -> (u16, Value) {
        let header = |name: &str| {
            let found = request.headers.iter().find(|(have, _)| have == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        match request.url.strip_prefix(URL).unwrap() {
            "/.well-known/openid-configuration" => {
                let right = json!({"issuer": URL, "jwks_uri": format!("{URL}/keys"),
                    "authorization_endpoint": format!("{URL}/auth?tenant=1"), "token_endpoint": format!("{URL}/token"),
                    "userinfo_endpoint": format!("{URL}/me"), "device_authorization_endpoint": format!("{URL}/device")});
                (200, merged(right, &self.discovery))
            }
            "/keys" => {
                let der = keys::open("issuer").unwrap().unwrap().public_key().unwrap();
                let (x, y) = der[der.len() - 64..].split_at(32);
                let encoded = |bytes| URL_SAFE_NO_PAD.encode(bytes);
                (
                    200,
                    json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": encoded(x), "y": encoded(y)}]}),
                )
            }
            "/me" if header("authorization") == "Bearer access" => self.user_info.clone(),
            path @ ("/token" | "/device") => {
                let mut form = pairs(std::str::from_utf8(&request.body).unwrap());
                form.insert("authorization".to_owned(), header("authorization"));
                self.forms.push(form);
                match (&self.refuses, path) {
                    (Some(refusal), _) => refusal.clone(),
                    (None, "/token") => (
                        200,
                        json!({"access_token": "access", "token_type": "Bearer", "id_token": self.token("access")}),
                    ),
                    (None, _) => (
                        200,
                        json!({"device_code": "dc", "user_code": "AB-CD", "verification_uri": format!("{URL}/go"), "interval": 7}),
                    ),
                }
            }
            _ => (404, json!({})),
        }
    }
}

/// A mount with this provider, and a role `app`.
struct Mount {
    host: Host,
    idp: Rc<RefCell<Idp>>,
}

impl Mount {
    fn new(config: Value, role: Value) -> Self {
        let host = Host::new();
        keys::generate("issuer", keys::ECDSA_P256).unwrap();
        let idp = Rc::new(RefCell::new(Idp::new()));
        let answers = idp.clone();
        host.serve_http(move |request| Ok(answers.borrow_mut().answer(request)));
        let mount = Self { host, idp };
        let config = merged(
            json!({"oidc_discovery_url": URL, "oidc_client_id": "me", "oidc_client_secret": "s e:c"}),
            &config,
        );
        mount.call(Write, "config", config).unwrap();
        let role = merged(
            json!({"user_claim": "sub", "allowed_redirect_uris": [BACK, "https://app.test/cb"], "policies": "app"}),
            &role,
        );
        mount.call(Write, "role/app", role).unwrap();
        mount
    }

    fn call(&self, operation: coffer_sdk::Operation, path: &str, data: Value) -> Result<Response> {
        self.host.call(&JWT, operation, path, data)
    }

    fn auth_url(&self, more: Value) -> Result<Value> {
        let asked = merged(
            json!({"role": "app", "redirect_uri": BACK, "client_nonce": "n"}),
            &more,
        );
        self.call(Write, "oidc/auth_url", asked)
            .map(|response| response.value())
    }

    /// Begins a login, and says what the browser carries.
    fn begin(&self) -> String {
        let told = self.auth_url(json!({})).unwrap();
        let url = told["auth_url"].as_str().unwrap();
        let query = pairs(url.split_once('?').unwrap().1);
        self.idp.borrow_mut().nonce = query["nonce"].clone();
        query["state"].clone()
    }

    fn come_back(&self, state: &str, more: Value) -> Result<Response> {
        let brought = merged(
            json!({"state": state, "code": "good", "client_nonce": "n"}),
            &more,
        );
        self.call(Read, "oidc/callback", brought)
    }

    fn page(&self) -> String {
        String::from_utf8(self.host.content().unwrap().1).unwrap()
    }
}

fn refused<T>(result: Result<T>) -> String {
    result.map(drop).unwrap_err().message
}

const EXPIRED: &str = "Vault login failed. Expired or missing OAuth state.";
