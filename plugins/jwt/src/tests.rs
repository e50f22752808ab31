//! Logins at a provider that says whatever a test wants, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

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

#[test]
fn a_login_asks_for_what_it_needs_and_shows_who_it_is() {
    let mount = Mount::new(
        json!({}),
        json!({"oidc_scopes": ["email", "openid"], "max_age": "2m", "claim_mappings": {"team": "team"}}),
    );
    let told = mount.auth_url(json!({})).unwrap();
    assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
    let url = told["auth_url"].as_str().unwrap();
    assert!(url.starts_with("https://idp.test/auth?tenant=1&"), "{url}");
    let query = pairs(url.split_once('?').unwrap().1);
    for (name, value) in [
        ("client_id", "me"),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("max_age", "120"),
    ] {
        assert_eq!(query[name], value);
    }
    assert!(!query.contains_key("response_mode"));
    let stored = mount.host.keys();
    for _ in 0..50 {
        mount.begin();
    }
    assert_eq!(mount.host.keys(), stored, "who only asks stores nothing");
    mount.idp.borrow_mut().nonce = query["nonce"].clone();
    let auth = mount
        .come_back(&query["state"], json!({}))
        .unwrap()
        .auth
        .unwrap();
    assert_eq!(
        (auth.policies, auth.display_name.as_str()),
        (vec!["app".to_owned()], "joe")
    );
    assert_eq!(
        auth.metadata,
        [
            ("role".to_owned(), "app".to_owned()),
            ("team".to_owned(), "red".to_owned())
        ]
    );
    let form = mount.idp.borrow().forms[0].clone();
    assert_eq!(
        (form["code"].as_str(), form["redirect_uri"].as_str()),
        ("good", BACK)
    );
    assert_eq!(
        URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"])),
        query["code_challenge"]
    );
    assert_eq!(
        form["authorization"],
        format!("Basic {}", STANDARD.encode("me:s+e%3Ac"))
    );
    let again = mount.begin();
    mount.idp.borrow_mut().discovery =
        json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    mount.host.advance(9 * 60);
    mount.call(Write, "config", json!({"oidc_discovery_url": URL, "oidc_client_id": "me", "oidc_client_secret": "s e:c"})).unwrap();
    assert_eq!(
        refused(mount.come_back(&again, json!({}))),
        EXPIRED,
        "a new configuration is a new beginning"
    );
    let state = mount.begin();
    mount.come_back(&state, json!({})).unwrap();
    let form = mount.idp.borrow().forms.last().unwrap().clone();
    assert_eq!(
        (
            form["client_secret"].as_str(),
            form["authorization"].as_str()
        ),
        ("s e:c", "")
    );
}

#[test]
fn a_state_serves_once_for_whoever_asked_for_it_and_for_ten_minutes() {
    let mount = Mount::new(json!({}), json!({}));
    let state = mount.begin();
    for (given, why) in [
        (json!({"client_nonce": "other"}), "invalid client_nonce"),
        (json!({"client_nonce": null}), "invalid client_nonce"),
        (json!({"state": null}), EXPIRED),
        (json!({"state": format!("{state}A")}), EXPIRED),
        (json!({"state": "x".repeat(20_000)}), EXPIRED),
        (
            json!({"code": null}),
            "Vault login failed. No code or id_token received.",
        ),
        (
            json!({"code": "no_code"}),
            "Vault login failed. No code or id_token received.",
        ),
        (
            json!({"code": null, "id_token": "a.b.c"}),
            "Vault login failed. No code or id_token received.",
        ),
        (
            json!({"error": "access_denied", "error_description": "<no>"}),
            "Vault login failed. access_denied",
        ),
        (
            json!({"error": "<script>"}),
            "Vault login failed. The provider refuses the login. The server's log says why.",
        ),
    ] {
        assert_eq!(
            refused(mount.come_back(&state, given.clone())),
            why,
            "{given}"
        );
    }
    // Each letter of it counts.
    for at in [0, state.len() / 2, state.len() - 2] {
        let mut bytes = state.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(bytes).unwrap();
        assert_eq!(refused(mount.come_back(&other, json!({}))), EXPIRED);
    }
    mount.come_back(&state, json!({})).unwrap();
    assert_eq!(refused(mount.come_back(&state, json!({}))), EXPIRED);
    let kept = |mount: &Mount| {
        mount
            .host
            .keys()
            .iter()
            .filter(|key| key.starts_with("login/"))
            .count()
    };
    assert_eq!(kept(&mount), 1);
    let late = mount.begin();
    mount.host.advance(601);
    assert_eq!(refused(mount.come_back(&late, json!({}))), EXPIRED);
    mount.host.tick(&JWT).unwrap();
    assert_eq!(kept(&mount), 0);
    let state = mount.begin();
    mount.host.tick(&JWT).unwrap();
    mount.call(Delete, "role/app", json!({})).unwrap();
    assert_eq!(
        refused(mount.come_back(&state, json!({}))),
        "Vault login failed. Role could not be found"
    );
}

#[test]
fn where_nobody_logs_in() {
    let mount = Mount::new(json!({}), json!({}));
    mount.call(Write, "role/jwt", json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "x", "allowed_redirect_uris": BACK})).unwrap();
    for (asked, why) in [
        (json!({"role": null}), Some("missing role")),
        (
            json!({"role": "none"}),
            Some("role \"none\" could not be found"),
        ),
        (json!({"redirect_uri": null}), Some("missing redirect_uri")),
        (
            json!({"client_nonce": "x".repeat(300)}),
            Some("client_nonce can have 256 bytes"),
        ),
        (json!({"redirect_uri": "https://evil.test/cb"}), None),
        (json!({"redirect_uri": "https://app.test/cb?x"}), None),
        (
            json!({"redirect_uri": "http://localhost:8250@evil.test/oidc/callback"}),
            None,
        ),
        (
            json!({"redirect_uri": format!("{BACK}{}", "x".repeat(3000))}),
            None,
        ),
        (json!({"role": "jwt"}), None),
    ] {
        mount.host.log();
        match (mount.auth_url(asked.clone()), why) {
            (Err(error), Some(why)) => assert_eq!(error.message, why),
            (Ok(told), None) => {
                assert_eq!(told, json!({"auth_url": ""}), "{asked}");
                assert!(mount.host.log()[0].contains("Warn: no login at the OpenID provider: "));
            }
            (other, _) => panic!("{asked}: {other:?}"),
        }
    }
    for uri in ["http://localhost:1/oidc/callback", "https://app.test/cb"] {
        assert_ne!(
            mount.auth_url(json!({"redirect_uri": uri})).unwrap()["auth_url"],
            ""
        );
    }
    assert_eq!(
        refused(mount.call(Write, "login", json!({"role": "app", "jwt": "x"}))),
        "role with oidc role_type is not allowed"
    );
    mount
        .call(Write, "config", json!({"oidc_discovery_url": URL}))
        .unwrap();
    assert_eq!(
        refused(mount.auth_url(json!({}))),
        "OIDC login is not configured for this mount"
    );
}

#[test]
fn what_the_provider_says_must_be_true() {
    let mount = Mount::new(
        json!({}),
        json!({"max_age": 60, "bound_claims": {"team": "red"}, "bound_audiences": ["me", "x"]}),
    );
    let now = clock::now() / 1000;
    let verify = "Token verification failed. ";
    for (claims, why) in [
        (json!({"nonce": "other"}), "Invalid ID token nonce."),
        (json!({"nonce": null}), "Invalid ID token nonce."),
        (json!({"iss": "https://evil.test"}), "invalid issuer"),
        (json!({"aud": "x"}), "invalid audience"),
        (json!({"aud": null}), "invalid audience"),
        (json!({"azp": "x"}), "invalid authorized party"),
        (
            json!({"aud": ["me", "x"], "azp": 7}),
            "invalid authorized party",
        ),
        (json!({"exp": now - 100}), "token is expired"),
        (json!({"exp": null}), "the token has no exp"),
        (json!({"iat": null}), "the token has no iat"),
        (json!({"iat": now + 100}), "not yet valid"),
        (
            json!({"auth_time": null}),
            "does not say when its owner logged in",
        ),
        (
            json!({"auth_time": now - 200}),
            "longer ago than the role's max_age",
        ),
        (json!({"at_hash": "x"}), "(at_hash)"),
    ] {
        let state = mount.begin();
        mount.idp.borrow_mut().claims = claims.clone();
        let said = refused(mount.come_back(&state, json!({})));
        assert!(
            said.starts_with(verify) && said.contains(why),
            "{claims}: {said}"
        );
    }
    mount.idp.borrow_mut().claims =
        json!({"azp": "me", "aud": ["me", "y"], "at_hash": null, "auth_time": now - 100});
    let state = mount.begin();
    mount.come_back(&state, json!({})).unwrap();
    for (header, why) in [
        (json!({"alg": "none"}), "which no public key verifies"),
        (json!({"alg": "HS256"}), "which no public key verifies"),
        (json!({"alg": "ES256", "kid": "b"}), "no known key"),
        (json!({"alg": "RS256", "kid": "a"}), "no known key"),
    ] {
        let state = mount.begin();
        mount.idp.borrow_mut().header = header;
        let said = refused(mount.come_back(&state, json!({})));
        assert!(said.starts_with(verify) && said.contains(why), "{said}");
    }
    *mount.idp.borrow_mut() = Idp::new();
    for (status, tokens, why) in [
        (
            400,
            json!({"error": "invalid_grant", "error_description": "no"}),
            "Error exchanging oidc code: \"invalid_grant no\".",
        ),
        (
            500,
            json!({}),
            "the provider answers with status 500 and no tokens",
        ),
        (
            200,
            json!([1]),
            "the provider answers with status 200 and no tokens",
        ),
        (
            200,
            json!({"access_token": "access"}),
            "Token verification failed. No id_token found in response.",
        ),
        (
            200,
            json!({"id_token": "a.b.c"}),
            "Token verification failed. the token is malformed",
        ),
    ] {
        mount.idp.borrow_mut().refuses = Some((status, tokens));
        let state = mount.begin();
        let said = refused(mount.come_back(&state, json!({})));
        assert!(said.contains(why), "{said}");
    }
    mount.idp.borrow_mut().refuses = None;
    // What it says besides is of the same person, or nothing.
    for info in [
        (200, json!({"sub": "root", "team": "red"})),
        (200, json!({"team": "red"})),
        (500, json!({})),
        (200, json!("x")),
    ] {
        mount.idp.borrow_mut().user_info = info;
        let state = mount.begin();
        assert_eq!(
            refused(mount.come_back(&state, json!({}))),
            "error validating claims: claim \"team\" is missing"
        );
    }
    mount
        .call(
            Write,
            "role/app",
            json!({"bound_claims": {}, "bound_subject": "ann"}),
        )
        .unwrap();
    let state = mount.begin();
    assert_eq!(
        refused(mount.come_back(&state, json!({}))),
        "Token verification failed. invalid subject (sub) claim"
    );
    mount
        .call(
            Write,
            "role/app",
            json!({"bound_subject": "", "bound_audiences": "y"}),
        )
        .unwrap();
    let state = mount.begin();
    assert!(refused(mount.come_back(&state, json!({}))).contains("invalid audience"));
    mount
        .call(
            Write,
            "role/app",
            json!({"bound_audiences": "", "token_bound_cidrs": "10.0.0.0/8"}),
        )
        .unwrap();
    let state = mount.begin();
    assert_eq!(
        refused(mount.come_back(&state, json!({}))),
        "permission denied"
    );
}

#[test]
fn what_a_browser_posts_is_for_whoever_asked() {
    let mount = Mount::new(
        json!({"oidc_response_mode": "form_post", "oidc_response_types": "id_token"}),
        json!({}),
    );
    assert_eq!(
        refused(mount.auth_url(json!({"client_nonce": null}))),
        "missing client_nonce"
    );
    let state = mount.begin();
    let token = mount.idp.borrow().token("none");
    let post = |more: Value| {
        let posted = merged(
            json!({"state": state, "id_token": token, "client_nonce": "n"}),
            &more,
        );
        (
            mount.call(Write, "oidc/callback", posted).unwrap().status,
            mount.page(),
        )
    };
    for (more, why) in [
        (json!({"client_nonce": "x"}), "invalid client_nonce"),
        (json!({"client_nonce": null}), "invalid client_nonce"),
        (json!({"state": "x"}), "Expired or missing"),
        (json!({"id_token": "<b>"}), "the token is malformed"),
        (json!({"id_token": null}), "No code or id_token"),
    ] {
        let (status, page) = post(more);
        assert!(status == Some(400) && page.contains(why), "{page}");
    }
    let bare = json!({"code": null});
    assert_eq!(
        refused(mount.come_back(&state, bare.clone())),
        "Vault login failed. No code or id_token received."
    );
    let (status, page) = post(json!({}));
    assert!(status == Some(200) && page.contains("Logged in"), "{page}");
    assert_eq!(post(json!({})).0, Some(400), "once");
    assert_eq!(
        refused(mount.come_back(&state, json!({"code": null, "client_nonce": "x"}))),
        "invalid client_nonce"
    );
    mount.come_back(&state, bare.clone()).unwrap().auth.unwrap();
    assert_eq!(refused(mount.come_back(&state, bare)), EXPIRED);
    let url = mount.auth_url(json!({})).unwrap();
    let query = pairs(url["auth_url"].as_str().unwrap().split_once('?').unwrap().1);
    assert_eq!(
        (
            query["response_type"].as_str(),
            query["response_mode"].as_str()
        ),
        ("id_token", "form_post")
    );
    assert!(!query.contains_key("code_challenge"));
    let plain = Mount::new(json!({}), json!({}));
    assert_eq!(
        plain
            .call(Write, "oidc/callback", json!({}))
            .unwrap_err()
            .kind,
        coffer_sdk::ErrorKind::UnsupportedOperation
    );
}

#[test]
fn a_login_that_somebody_waits_for() {
    let mount = Mount::new(
        json!({}),
        json!({"callback_mode": "direct", "poll_interval": 2}),
    );
    assert_eq!(
        refused(mount.auth_url(json!({"client_nonce": null}))),
        "missing client_nonce"
    );
    let told = mount.auth_url(json!({})).unwrap();
    assert_eq!(told["poll_interval"], "2");
    let state = mount.begin();
    let poll = |nonce: &str| {
        mount.call(
            Write,
            "oidc/poll",
            json!({"state": state, "client_nonce": nonce}),
        )
    };
    assert_eq!(refused(poll("x")), "invalid client_nonce");
    assert_eq!(refused(poll("n")), "authorization_pending");
    // The browser asks whether it was its owner who wanted that.
    let browser = |more: Value| {
        let brought = merged(json!({"state": state, "code": "<\"good\">"}), &more);
        (
            mount.call(Read, "oidc/callback", brought).unwrap().status,
            mount.page(),
        )
    };
    let (status, page) = browser(json!({}));
    assert!(
        status == Some(200)
            && page.contains("127.0.0.1")
            && page.contains("value=\"&lt;&quot;good&quot;&gt;\""),
        "{page}"
    );
    assert_eq!(refused(poll("n")), "authorization_pending");
    let (status, page) = browser(json!({"error": "access_denied"}));
    assert!(
        status == Some(400) && page.contains("access_denied"),
        "{page}"
    );
    let (status, page) = browser(json!({"confirmation": "yes"}));
    assert!(status == Some(200) && page.contains("Logged in"), "{page}");
    assert_eq!(browser(json!({"confirmation": "yes"})).0, Some(400), "once");
    assert_eq!(refused(poll("x")), "invalid client_nonce");
    assert_eq!(poll("n").unwrap().auth.unwrap().policies, ["app"]);
    assert_eq!(refused(poll("n")), EXPIRED);
    mount
        .call(
            Write,
            "role/app",
            json!({"oidc_disable_confirmation": true}),
        )
        .unwrap();
    let state = mount.begin();
    mount
        .call(
            Read,
            "oidc/callback",
            json!({"state": state, "code": "good"}),
        )
        .unwrap();
    assert!(mount.page().contains("Logged in"));
    mount.host.advance(601);
    assert_eq!(
        refused(mount.call(
            Write,
            "oidc/poll",
            json!({"state": state, "client_nonce": "n"})
        )),
        EXPIRED
    );
}

#[test]
fn a_login_on_another_device() {
    let mount = Mount::new(
        json!({}),
        json!({"callback_mode": "device", "oidc_scopes": "email"}),
    );
    let told = mount.auth_url(json!({"redirect_uri": null})).unwrap();
    assert_eq!(
        (
            &told["auth_url"],
            &told["user_code"],
            &told["poll_interval"]
        ),
        (&json!("https://idp.test/go"), &json!("AB-CD"), &json!("7"))
    );
    assert_eq!(mount.idp.borrow().forms[0]["scope"], "openid email");
    let poll = || {
        mount.call(
            Write,
            "oidc/poll",
            json!({"state": told["state"], "client_nonce": "n"}),
        )
    };
    for (error, why) in [
        ("authorization_pending", "authorization_pending"),
        ("slow_down", "slow_down"),
        ("expired_token", "authorization failed: expired_token"),
    ] {
        mount.idp.borrow_mut().refuses = Some((400, json!({"error": error})));
        assert_eq!(refused(poll()), why);
    }
    mount.idp.borrow_mut().refuses = None;
    assert_eq!(
        refused(mount.come_back(told["state"].as_str().unwrap(), json!({}))),
        EXPIRED
    );
    assert_eq!(poll().unwrap().auth.unwrap().policies, ["app"]);
    assert_eq!(
        mount.idp.borrow().forms.last().unwrap()["device_code"],
        "dc"
    );
    assert_eq!(refused(poll()), EXPIRED);
}

#[test]
fn what_cannot_be_configured() {
    let mount = Mount::new(json!({}), json!({}));
    let shown = mount.call(Read, "config", json!({})).unwrap().value();
    assert_eq!(shown["oidc_client_id"], "me");
    assert!(shown.get("oidc_client_secret").is_none() && !shown.to_string().contains("s e:c"));
    for (config, why) in [
        (
            json!({"oidc_client_secret": null}),
            "both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC",
        ),
        (json!({"oidc_client_id": null}), "both 'oidc_client_id' and"),
        (
            json!({"oidc_response_types": "token"}),
            "invalid response_types [\"token\"]",
        ),
        (
            json!({"oidc_response_mode": "fragment"}),
            "invalid response_mode: \"fragment\"",
        ),
        (
            json!({"oidc_response_types": "id_token"}),
            "query response_mode may not be used with an id_token response_type",
        ),
        (
            json!({"provider_config": {"provider": "azure"}}),
            "invalid provider_config",
        ),
        (
            json!({"oidc_discovery_url": null, "jwks_url": format!("{URL}/keys")}),
            "'oidc_discovery_url' must be set for OIDC",
        ),
    ] {
        let asked = merged(
            json!({"oidc_discovery_url": URL, "oidc_client_id": "me", "oidc_client_secret": "s"}),
            &config,
        );
        let said = refused(mount.call(Write, "config", asked));
        assert!(said.starts_with(why), "{config}: {said}");
    }
    let given =
        json!({"oidc_discovery_url": URL, "oidc_client_id": "me", "oidc_client_secret": "s"});
    for (discovery, why) in [
        (
            json!({"authorization_endpoint": null}),
            "has no authorization_endpoint",
        ),
        (json!({"token_endpoint": null}), "has no token_endpoint"),
        (
            json!({"token_endpoint": "https://other.test/token"}),
            "at other.test:443, where nothing may be asked",
        ),
        (json!({"issuer": "https://evil.test"}), "of another issuer"),
    ] {
        mount.idp.borrow_mut().discovery = discovery;
        let said = refused(mount.call(Write, "config", given.clone()));
        assert!(said.contains(why), "{said}");
    }
    mount.idp.borrow_mut().discovery = json!({"token_endpoint": "https://other.test/token"});
    let granted = merged(
        given,
        &json!({"oidc_discovery_hosts": "other.test:443", "oidc_discovery_url": format!("{URL}/.well-known/openid-configuration")}),
    );
    let said = refused(mount.call(Write, "config", granted.clone()));
    assert!(
        said.contains("of another issuer"),
        "the slash counts: {said}"
    );
    mount.idp.borrow_mut().discovery =
        json!({"token_endpoint": "https://other.test/token", "issuer": format!("{URL}/")});
    assert_eq!(
        mount.call(Write, "config", granted).unwrap().warnings.len(),
        1
    );
    for (role, why) in [
        (json!({}), "a user claim must be defined"),
        (
            json!({"user_claim": "sub"}),
            "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.",
        ),
        (
            json!({"user_claim": "sub", "allowed_redirect_uris": BACK, "callback_mode": "x"}),
            "invalid 'callback_mode': x",
        ),
        (
            json!({"user_claim": "sub", "allowed_redirect_uris": BACK, "poll_interval": -1}),
            "poll_interval can be",
        ),
        (
            json!({"user_claim": "sub", "allowed_redirect_uris": BACK, "role_type": "x"}),
            "invalid 'role_type': x",
        ),
    ] {
        let said = refused(mount.call(Write, "role/new", role.clone()));
        assert!(said.starts_with(why), "{role}: {said}");
    }
    let verbose =
        json!({"user_claim": "sub", "allowed_redirect_uris": BACK, "verbose_oidc_logging": true});
    assert_eq!(
        mount
            .call(Write, "role/new", verbose)
            .unwrap()
            .warnings
            .len(),
        1
    );
    let shown = mount.call(Read, "role/new", json!({})).unwrap().value();
    assert_eq!(
        (
            &shown["role_type"],
            &shown["callback_mode"],
            &shown["allowed_redirect_uris"]
        ),
        (&json!("oidc"), &json!("client"), &json!([BACK]))
    );
}
