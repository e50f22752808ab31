//! Logging in from Kubernetes, with a real API server: its service accounts, its tokens, its reviews and its keys.
//!
//! To build one takes minutes, so it is left out unless it is asked for: `cargo xtask test --kubernetes`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use coffer_tests::kubernetes::Kubernetes;
use coffer_tests::server::binary;
use coffer_tests::{Client, Reply, Server, port, until};
use serde_json::{Value, json};
use tempfile::TempDir;

struct World {
    cluster: Kubernetes,
    root: Client,
    _server: Server,
    /// What the server's pod has.
    pod: TempDir,
}

impl World {
    /// A cluster with namespaces `prod` and `test` and an account `app` in each, `coffer/reviewer`, which may review, and
    /// `coffer/nobody`.
    fn new() -> Self {
        let cluster = Kubernetes::start().unwrap();
        for (name, labels) in [
            ("prod", json!({"env": "production"})),
            ("test", json!({})),
            ("coffer", json!({})),
        ] {
            let namespace = json!({"metadata": {"name": name, "labels": labels}});
            cluster.make("api/v1/namespaces", &namespace);
        }
        for (namespace, name) in [
            ("prod", "app"),
            ("test", "app"),
            ("coffer", "reviewer"),
            ("coffer", "nobody"),
        ] {
            cluster.account(namespace, name);
        }
        let reviewer =
            json!([{"kind": "ServiceAccount", "namespace": "coffer", "name": "reviewer"}]);
        let role = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        for (name, of) in [
            ("reviews", "system:auth-delegator"),
            ("looks", "view-namespaces"),
        ] {
            cluster.make(
                "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                &json!({"metadata": {"name": name}, "roleRef": role(of), "subjects": reviewer}),
            );
        }
        cluster.make(
            "apis/rbac.authorization.k8s.io/v1/clusterroles",
            &json!({
                "metadata": {"name": "view-namespaces"},
                "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}],
            }),
        );
        let pod = TempDir::new().unwrap();
        let config = format!("service_account_directory = {:?}\n", pod.path());
        let server = Server::dev_configured(&binary().unwrap(), port::free(), &config).unwrap();
        let root = server.client();
        root.post("sys/auth/kubernetes", json!({"type": "kubernetes"}))
            .ok();
        for (name, more) in [
            (
                "app",
                json!({"bound_service_account_namespaces": "prod,test"}),
            ),
            (
                "for-us",
                json!({"bound_service_account_namespaces": "prod", "audience": "coffer"}),
            ),
            (
                "labels",
                json!({"bound_service_account_namespace_selector": "{\"matchLabels\": {\"env\": \"production\"}}"}),
            ),
        ] {
            let mut role = json!({"bound_service_account_names": "app,short-*", "policies": "app"});
            role.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            root.post(&format!("auth/kubernetes/role/{name}"), role)
                .ok();
        }
        Self {
            cluster,
            root,
            _server: server,
            pod,
        }
    }

    fn configure(&self, more: &Value) {
        let mut config = json!({
            "kubernetes_host": self.cluster.url(), "kubernetes_ca_cert": self.cluster.certificates(),
            "token_reviewer_jwt": self.cluster.token("coffer", "reviewer", &[]),
        });
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.root.post("auth/kubernetes/config", config).expect(204);
    }

    fn login(&self, role: &str, token: &str) -> Reply {
        let body = json!({"role": role, "jwt": token});
        self.root.with_token("").post("auth/kubernetes/login", body)
    }

    #[track_caller]
    fn refused(&self, role: &str, token: &str) {
        let reply = self.login(role, token);
        assert_eq!(reply.status, 403, "{reply:?}");
    }
}

#[test]
#[ignore = "takes a Kubernetes API server: cargo xtask test --kubernetes"]
fn with_a_real_cluster() {
    let world = World::new();
    let cluster = &world.cluster;
    reviewed(&world);
    by_labels(&world);
    in_its_pod(&world);
    by_its_keys(&world);
    // Deleted accounts are gone at once where the cluster is asked, and a new one of that name is another.
    world.configure(&json!({}));
    let account = |name: &str| format!("api/v1/namespaces/prod/serviceaccounts/{name}");
    cluster.account("prod", "short-lived");
    let token = cluster.token("prod", "short-lived", &[]);
    let first = world.login("app", &token).ok();
    cluster.remove(&account("short-lived"));
    until(Duration::from_secs(30), "the account is gone", || {
        world.login("app", &token).status == 403
    });
    let uid = cluster.account("prod", "short-lived");
    world.refused("app", &token);
    let again = world
        .login("app", &cluster.token("prod", "short-lived", &[]))
        .ok();
    assert_eq!(again["auth"]["metadata"]["service_account_uid"], json!(uid));
    assert_ne!(again["auth"]["entity_id"], Value::Null);
    assert_ne!(first["auth"]["metadata"]["service_account_uid"], json!(uid));
}

fn reviewed(world: &World) {
    let cluster = &world.cluster;
    world.configure(&json!({}));
    let token = cluster.token("prod", "app", &[]);
    let told = world.login("app", &token).ok();
    assert_eq!(told["auth"]["policies"], json!(["app", "default"]));
    assert_eq!(
        told["auth"]["metadata"]["service_account_namespace"],
        "prod"
    );
    // For whom it is the cluster says too.
    world.refused("for-us", &token);
    world
        .login("for-us", &cluster.token("prod", "app", &["coffer"]))
        .ok();
    world.refused("for-us", &cluster.token("prod", "app", &["other"]));
    // One that is for us is not for the API server: who asks for no audience takes no such token.
    world.refused("app", &cluster.token("prod", "app", &["coffer"]));
    // Others' signatures, and accounts that no role names.
    let (body, signature) = token.rsplit_once('.').unwrap();
    let other = cluster.token("test", "app", &[]);
    let (_, others) = other.rsplit_once('.').unwrap();
    assert_ne!(signature, others);
    world.refused("app", &format!("{body}.{others}"));
    world.refused("app", &cluster.token("coffer", "nobody", &[]));
    // Who may not review.
    world.configure(&json!({"token_reviewer_jwt": cluster.token("coffer", "nobody", &[])}));
    world.refused("app", &token);
    world.configure(&json!({"token_reviewer_jwt": "", "disable_local_ca_jwt": true}));
    world.refused("app", &token);
    world.configure(&json!({"token_reviewer_jwt": "", "disable_local_ca_jwt": true}));
    cluster.make(
        "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        &json!({
            "metadata": {"name": "app-reviews"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "prod", "name": "app"}],
        }),
    );
    until(Duration::from_secs(30), "it may review itself", || {
        world.login("app", &token).status == 200
    });
}

fn by_labels(world: &World) {
    let cluster = &world.cluster;
    world.configure(&json!({}));
    world
        .login("labels", &cluster.token("prod", "app", &[]))
        .ok();
    world.refused("labels", &cluster.token("test", "app", &[]));
}

/// With what Kubernetes lays into the pod.
fn in_its_pod(world: &World) {
    let cluster = &world.cluster;
    let lay = |name: &str, text: &str| std::fs::write(world.pod.path().join(name), text).unwrap();
    lay("ca.crt", &cluster.certificates());
    lay("token", &cluster.token("coffer", "nobody", &[]));
    world.configure(&json!({"kubernetes_ca_cert": "", "token_reviewer_jwt": ""}));
    let token = cluster.token("test", "app", &[]);
    world.refused("app", &token);
    lay("token", &cluster.token("coffer", "reviewer", &[]));
    world.login("app", &token).ok();
    // The API server lets service accounts alone see its keys.
    world.configure(
        &json!({"kubernetes_ca_cert": "", "token_reviewer_jwt": "", "disable_token_review": true}),
    );
    world.login("app", &token).ok();
}

/// Without asking the cluster about each token.
fn by_its_keys(world: &World) {
    let cluster = &world.cluster;
    let url = cluster.url();
    for more in [
        json!({}),
        json!({"jwks_url": format!("{url}/openid/v1/jwks")}),
        json!({"oidc_discovery_url": url}),
        json!({"disable_iss_validation": false, "issuer": url}),
    ] {
        let mut config = json!({"disable_token_review": true});
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        world.configure(&config);
        let token = cluster.token("prod", "app", &["coffer"]);
        world.login("for-us", &token).ok();
        world.refused("for-us", &cluster.token("prod", "app", &["other"]));
        world.refused("app", &cluster.token("coffer", "nobody", &[]));
        let (body, signature) = token.split_at(token.len() - 10);
        let bent: String = signature.chars().rev().collect();
        assert_ne!(signature, bent);
        world.refused("for-us", &format!("{body}{bent}"));
    }
    world.configure(
        &json!({"disable_token_review": true, "disable_iss_validation": false, "issuer": "https://other"}),
    );
    world.refused("for-us", &cluster.token("prod", "app", &["coffer"]));
}
