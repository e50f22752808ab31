//! Where a login begins, and for whom its state is good.

use super::*;

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
