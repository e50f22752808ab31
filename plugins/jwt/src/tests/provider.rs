//! What a provider says that is not true.

use super::*;

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
