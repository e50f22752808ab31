//! What can be configured, and what not.

use super::*;

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
