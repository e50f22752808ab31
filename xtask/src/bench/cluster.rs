//! Logins from a Kubernetes cluster. Its API server is a stand-in, which says of one token that it is good as fast as it can, so
//! that it is the servers that are measured: over TLS as a cluster's, and for as many requests of a connection as they like.

use std::rc::Rc;

use coffer_tests::https::Https;
use coffer_tests::jwt::{Signer, now};
use serde_json::json;

use crate::bench::http::Call;
use crate::bench::load::Source;
use crate::bench::target::Target;
use crate::error::Result;

/// Where they log in.
pub const MOUNT: &str = "bench-kubernetes";

/// The same login again and again: the cluster is asked about each, or its key has been written down.
///
/// # Errors
/// If the target refuses.
pub fn logins(target: &Target, policy: &str, reviewed: bool) -> Result<Rc<Source>> {
    let signer = Signer::new("bench");
    let token = |name: &str| {
        signer.token(&json!({
            "iss": "https://kubernetes.default.svc", "aud": ["bench"], "iat": now(), "nbf": now(), "exp": now() + 86_400,
            "sub": format!("system:serviceaccount:bench:{name}"),
            "kubernetes.io": {
                "namespace": "bench",
                "serviceaccount": { "name": name, "uid": format!("uid-of-{name}") },
            },
        }))
    };
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "status": {
            "authenticated": true, "audiences": ["bench"],
            "user": {
                "username": "system:serviceaccount:bench:app", "uid": "uid-of-app",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:bench"],
            },
        },
    });
    let review = review.to_string();
    let api = Https::forgetful(move |_| (201, review.clone()));
    target.try_ask("DELETE", &format!("sys/auth/{MOUNT}"));
    target.ask(
        "POST",
        &format!("sys/auth/{MOUNT}"),
        json!({ "type": "kubernetes" }),
    )?;
    let mut config = json!({
        "kubernetes_host": api.url(), "kubernetes_ca_cert": api.certificate(), "token_reviewer_jwt": token("reviewer"),
        "disable_local_ca_jwt": true,
    });
    if !reviewed {
        config["disable_token_review"] = true.into();
        config["pem_keys"] = signer.pem().into();
    }
    target.ask("POST", &format!("auth/{MOUNT}/config"), config)?;
    let role = json!({
        "bound_service_account_names": "app", "bound_service_account_namespaces": "bench", "audience": "bench",
        "token_policies": policy, "token_ttl": "20m", "token_max_ttl": "1h",
    });
    target.ask("POST", &format!("auth/{MOUNT}/role/app"), role)?;
    let body = json!({ "role": "app", "jwt": token("app") });
    let call = Call::post(format!("auth/{MOUNT}/login"), "", &body);
    Ok(Rc::new(move |_, _| Some(call.clone())))
}
