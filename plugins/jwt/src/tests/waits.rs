//! Logins that somebody waits for.

use super::*;

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
