//! Logging in at a real OpenID provider with a real browser, by our command and by OpenBao's. `cargo xtask test` installs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coffer_tests::https::Https;
use coffer_tests::jwt::{Signer, now};
use coffer_tests::oidc::{Browser, CLIENT_ID, CLIENT_SECRET, Provider};
use coffer_tests::{Cli, Client, Server, check, port, until};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A command that logs in, and what it says.
struct Login {
    cli: Cli,
    says: PathBuf,
    running: coffer_tests::cli::Running,
}

impl Login {
    /// Begins it, with `-method=oidc` and these words more.
    fn begin(cli: Cli, words: &str) -> Self {
        let says = cli.home().join("says");
        let running = cli.spawn(
            &format!("login -format=json -no-store -method=oidc skip_browser=true {words}"),
            &says,
        );
        Self { cli, says, running }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.says).unwrap_or_default()
    }

    /// The URL that it wants to be opened.
    fn url(&self) -> String {
        until(PATIENCE, "a URL, and that it waits", || {
            self.said().contains("Waiting for OIDC authentication")
        });
        let said = self.said();
        let line = said
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with("http"));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// What it prints when somebody has logged in.
    fn token(mut self) -> Value {
        until(PATIENCE, "its end", || self.running.has_ended());
        let said = self.said();
        let json = said.find("\n{").map(|at| &said[at..]);
        let json = json.unwrap_or_else(|| panic!("{said}"));
        let token = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {said}"));
        drop(self.cli);
        token
    }

    /// What it complains of.
    fn failure(mut self) -> String {
        until(PATIENCE, "its end", || self.running.has_ended());
        self.said()
    }
}

fn bao() -> PathBuf {
    let folder = std::env::var_os("CLIENTS_BIN").expect("CLIENTS_BIN: `cargo xtask test` sets it");
    Path::new(&folder).join("bao")
}

fn configure(root: &Client, provider: &Provider, more: Value) {
    let mut config = json!({"oidc_discovery_url": provider.issuer, "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET, "default_role": "dev"});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    root.post("auth/oidc/config", config).expect(204);
}

/// By both commands, in each mode; what the provider says of people is what roles and metadata go by.
#[test]
#[rustfmt::skip]
fn people_log_in_with_a_browser() {
    let server = Server::dev().unwrap();
    let root = server.client();
    let direct = format!("{}/v1/auth/oidc/oidc/callback", server.url());
    let provider = Provider::start(&["http://localhost/oidc/callback", &direct]).unwrap();
    let mut browser = Browser::start().unwrap();
    let role = |more: Value| {
        let mut role = json!({"user_claim": "sub", "allowed_redirect_uris": ["http://localhost:8250/oidc/callback", direct],
            "oidc_scopes": ["email", "groups"], "bound_claims": {"groups": "dev"}, "claim_mappings": {"email": "mail"}, "policies": "app",
            "poll_interval": 1});
        for (name, value) in more.as_object().unwrap() {
            role[name] = value.clone();
        }
        role
    };
    check! { root;
        "POST sys/auth/oidc", {"type": "oidc"} => 204, null;
        "GET sys/auth/oidc" => 200, {"data": {"type": "oidc"}};
        "POST auth/oidc/role/dev", (role(json!({"max_age": "1h"}))) => 204, null;
        "POST auth/oidc/role/direct", (role(json!({"callback_mode": "direct"}))) => 204, null;
        "POST auth/oidc/role/device", (role(json!({"callback_mode": "device"}))) => 204, null;
    }
    configure(&root, &provider, json!({}));
    let user = || Cli::at(&server.url(), "").unwrap();
    let users = || [user(), user().program(bao())];
    let is_joe = |auth: &Value| {
        assert_eq!(auth["auth"]["policies"], json!(["app", "default"]), "{auth}");
        let (role, mail) = (&auth["auth"]["metadata"]["role"], &auth["auth"]["metadata"]["mail"]);
        assert!(role.is_string() && mail == "joe@example.test", "{auth}");
        let token = root.with_token(auth["auth"]["client_token"].as_str().unwrap());
        assert_eq!(token.get("auth/token/lookup-self").text("/data/display_name"), "oidc-joe");
    };
    for (cli, role) in users().into_iter().zip(["", "role=dev"]) {
        let login = Login::begin(cli, &format!("{role} port={}", port::free().port()));
        let shown = browser.login(&login.url(), "joe");
        assert!(shown.url.contains("/oidc/callback"), "{shown:?}");
        is_joe(&login.token());
    }
    // Who the role is not for.
    let login = Login::begin(user(), &format!("role=dev port={}", port::free().port()));
    let url = login.url();
    // A page that anybody can send a browser to ends nothing.
    let stranger = url_of_listener(&url);
    assert!(browser.login(&format!("{stranger}?code=x&state=x"), "").text.contains("not the login that is waited for"));
    assert_eq!(browser.login(&url, "ann").title, "Not logged in");
    assert!(login.failure().contains("error validating claims: claim \"groups\" does not match"));
    let login = Login::begin(user(), &format!("port={}", port::free().port()));
    assert_eq!(browser.refuse(&login.url()).title, "Not logged in");
    assert!(login.failure().contains("the provider refuses: access_denied"));
    // The browser comes back to the server.
    for mode in ["query", "form_post"] {
        configure(&root, &provider, json!({"oidc_response_mode": mode}));
        for cli in users() {
            let login = Login::begin(cli, "role=direct callbackmode=direct");
            let shown = browser.login(&login.url(), "joe");
            assert_eq!((shown.title.as_str(), shown.url.starts_with(&direct)), ("Logged in", true), "{shown:?}");
            is_joe(&login.token());
        }
    }
    for cli in users() {
        let login = Login::begin(cli, &format!("role=dev port={}", port::free().port()));
        browser.login(&login.url(), "joe");
        is_joe(&login.token());
    }
    for cli in users() {
        let login = Login::begin(cli, "role=device callbackmode=device");
        let shown = browser.login(&login.url(), "joe");
        assert!(shown.url.starts_with(&provider.issuer), "{shown:?}");
        is_joe(&login.token());
    }
    // What does not go together is said.
    let refused = user().run("login -method=oidc role=direct port=0 skip_browser=true");
    assert!(refused.code == 2 && refused.stderr.contains("say callbackmode=direct"), "{refused:?}");
    let refused = user().run("login -method=oidc role=dev callbackmode=device skip_browser=true");
    assert!(refused.code == 2 && refused.stderr.contains("leave out callbackmode"), "{refused:?}");
    let refused = user().run("login -method=oidc role=dev port=0 callbackhost=evil.test");
    assert!(refused.code == 2 && refused.stderr.contains("Unable to authorize role \"dev\""), "{refused:?}");
    let refused = user().run("login -method=oidc role=dev port=0 prot=8251");
    assert!(refused.code == 1 && refused.stderr.contains("\"prot\" is no field"), "{refused:?}");
}

/// A provider that does not mean well, or does not answer at all; and many who come with the same state at once.
#[test]
#[rustfmt::skip]
fn providers_and_clients_that_mean_no_good() {
    let (mut server, keys) = Server::ready_with("", |folder| {
        format!("audit_directory = {folder:?}\nunsafe_allow_api_audit_creation = true\n")
    }).unwrap();
    let audit = server.folder().join("audit.log");
    let root = server.client();
    root.post("sys/audit/file", json!({"type": "file", "options": {"file_path": audit}})).expect(204);
    let signer = Signer::new("a");
    let says = Arc::new(Mutex::new(String::new()));
    let (jwk, tokens) = (signer.jwk(), says.clone());
    let base = Arc::new(Mutex::new(String::new()));
    let is = base.clone();
    let https = Https::start(move |asked| {
        let url = is.lock().unwrap().clone();
        match asked.path.as_str() {
            "/.well-known/openid-configuration" => (200, json!({"issuer": url, "jwks_uri": format!("{url}/keys"),
                "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token")}).to_string()),
            "/keys" => (200, json!({ "keys": [jwk] }).to_string()),
            "/token" => match tokens.lock().unwrap().clone() {
                slow if slow == "slow" => { std::thread::sleep(Duration::from_secs(15)); (200, slow) }
                moved if moved == "moved" => (302, moved),
                other => (200, other),
            },
            _ => (404, String::new()),
        }
    });
    *base.lock().unwrap() = https.url();
    let back = "http://127.0.0.1:8250/oidc/callback";
    let config = json!({"oidc_discovery_url": https.url(), "oidc_discovery_ca_pem": https.certificate(), "oidc_client_id": "me", "oidc_client_secret": "tell-nobody"});
    check! { root;
        "POST sys/auth/oidc", {"type": "oidc"} => 204, null;
        "POST auth/oidc/config", (config) => 204, null;
        "GET auth/oidc/config" => 200, {"data": {"oidc_client_id": "me", "oidc_response_mode": "", "oidc_response_types": []}};
        "POST auth/oidc/role/dev", {"user_claim": "sub", "allowed_redirect_uris": back, "policies": "app"} => 204, null;
        "POST auth/oidc/role/direct", {"user_claim": "sub", "allowed_redirect_uris": back, "callback_mode": "direct"} => 204, null;
    }
    assert!(!root.get("auth/oidc/config").body.to_string().contains("tell-nobody"));
    let nobody = root.with_token("");
    let begin = |role: &str| {
        let asked = json!({"role": role, "redirect_uri": back, "client_nonce": "n"});
        let url = nobody.post("auth/oidc/oidc/auth_url", asked).text("/data/auth_url");
        let value = |name: &str| url.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap().to_owned();
        (value("state"), value("nonce"))
    };
    let come_back = |client: &Client, state: &str, nonce: &str| client.get(&format!("auth/oidc/oidc/callback?state={state}&code=c&client_nonce={nonce}"));
    let id_token = |nonce: &str, aud: &str| {
        let claims = json!({"iss": https.url(), "aud": aud, "sub": "joe", "iat": now(), "exp": now() + 600, "nonce": nonce});
        json!({"access_token": "a", "id_token": signer.token(&claims)}).to_string()
    };
    let (state, nonce) = begin("dev");
    for (tokens, why) in [
        ("slow".to_owned(), "Error exchanging oidc code"),
        ("moved".to_owned(), "Error exchanging oidc code"),
        ("garbage".to_owned(), "Error exchanging oidc code"),
        ("[".repeat(100_000), "Error exchanging oidc code"),
        ("x".repeat(2 << 20), "Error exchanging oidc code"),
        (json!({"access_token": "a", "id_token": "x".repeat(100_000)}).to_string(), "the token is malformed"),
        (id_token(&nonce, "another client"), "invalid audience"),
        (id_token("another", "me"), "Invalid ID token nonce"),
    ] {
        *says.lock().unwrap() = tokens;
        let refused = come_back(&nobody, &state, "n");
        assert!(refused.status == 400 && refused.errors().contains(why), "{refused:?}");
        assert!(!refused.errors().contains("tell-nobody"), "{refused:?}");
    }
    *says.lock().unwrap() = id_token(&nonce, "me");
    assert!(come_back(&nobody, &state, "m").errors().contains("invalid client_nonce"));
    // It is good after a restart, and for one.
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    let at_once: Vec<_> = (0..8).map(|_| {
        let (client, state) = (nobody.clone(), state.clone());
        std::thread::spawn(move || client.get(&format!("auth/oidc/oidc/callback?state={state}&code=c&client_nonce=n")).status)
    }).collect();
    let served = at_once.into_iter().map(|thread| thread.join().unwrap()).filter(|status| *status == 200).count();
    assert_eq!(served, 1);
    assert!(come_back(&nobody, &state, "n").errors().contains("Expired or missing OAuth state."));
    // What a browser is shown says nothing that somebody else wrote.
    let served = state;
    let (state, _) = begin("direct");
    let shown = server.raw("GET", &format!("auth/oidc/oidc/callback?state={state}&code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"), &[], "");
    assert!(shown.status == 200 && shown.head.contains("content-security-policy: sandbox allow-forms;"), "{shown:?}");
    assert!(shown.body.contains("127.0.0.1") && shown.body.contains("&quot;&gt;&lt;script&gt;") && !shown.body.contains("<script"), "{shown:?}");
    check! { nobody;
        "POST auth/oidc/oidc/poll", {"state": (state.clone()), "client_nonce": "n"} => 400, {"errors": ["authorization_pending"]};
        "POST auth/oidc/oidc/poll", {"state": (state.clone()), "client_nonce": "m"} => 400, {"errors": ["invalid client_nonce"]};
        "POST auth/oidc/oidc/poll", {"state": [1], "client_nonce": {}} => 400, {"errors": "*"};
        "POST auth/oidc/oidc/poll", {} => 400, {"errors": ["Vault login failed. Expired or missing OAuth state."]};
        "GET auth/oidc/oidc/callback" => 400, {"errors": ["Vault login failed. Expired or missing OAuth state."]};
        "POST auth/oidc/oidc/callback", {"state": (state.clone())} => 405, {"errors": "*"};
        "POST auth/oidc/oidc/auth_url", {"role": "dev", "redirect_uri": "https://evil.test/"} => 200, {"data": {"auth_url": ""}};
        "POST auth/oidc/oidc/auth_url", {"role": "none", "redirect_uri": back} => 400, {"errors": ["role \"none\" could not be found"]};
        "POST auth/oidc/oidc/auth_url", {"redirect_uri": back} => 400, {"errors": ["missing role"]};
        "GET auth/oidc/oidc/auth_url" => 405, {"errors": "*"};
    }
    // Neither the records nor the log have what somebody could log in with.
    let (records, log) = (std::fs::read_to_string(audit).unwrap(), server.log());
    assert!(records.contains("auth/oidc/oidc/callback") && log.contains("unauthorized redirect_uri"), "{log}");
    for secret in ["tell-nobody", &served, &state, "<script", signer.token(&json!({})).split('.').next().unwrap()] {
        assert!(!records.contains(secret) && !log.contains(secret), "{secret}");
    }
}

/// Where the command behind a provider's URL listens.
fn url_of_listener(url: &str) -> String {
    let (_, after) = url.split_once("redirect_uri=").unwrap();
    let uri = after.split('&').next().unwrap();
    uri.replace("%3A", ":").replace("%2F", "/")
}
