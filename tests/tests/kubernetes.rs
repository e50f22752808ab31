//! Logging in from Kubernetes. The API server here speaks TokenReview, namespaces and JWKS over TLS as a cluster's does, and the
//! tokens are signed as a cluster signs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use coffer_tests::https::{Asked, Https};
use coffer_tests::jwt::{Signer, now};
use coffer_tests::server::binary;
use coffer_tests::{Cli, Client, Reply, Server, check, port};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A cluster: which tokens are good, and whose they are.
#[derive(Default)]
struct Cluster {
    accounts: BTreeMap<String, Value>,
    keys: Value,
    /// Says this instead.
    broken: Option<(u16, String)>,
    slow: bool,
}

/// What the account of the reviewer shows.
const REVIEWER: &str = "Bearer the-reviewer";

fn answer(cluster: &Mutex<Cluster>, asked: &Asked) -> (u16, String) {
    let cluster = cluster.lock().unwrap();
    if let Some((status, body)) = &cluster.broken {
        return (*status, body.clone());
    }
    if cluster.slow {
        drop(cluster);
        std::thread::sleep(Duration::from_secs(20));
        return (500, String::new());
    }
    let own = asked
        .authorization
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let is_known = asked.authorization == REVIEWER || cluster.accounts.contains_key(own);
    if !is_known {
        let message = "Unauthorized: secret details of the cluster";
        return (
            401,
            json!({"kind": "Status", "message": message}).to_string(),
        );
    }
    match asked.path.as_str() {
        "/apis/authentication.k8s.io/v1/tokenreviews" => {
            let review: Value = serde_json::from_str(&asked.body).unwrap();
            assert_eq!(review["kind"], "TokenReview");
            let token = review["spec"]["token"].as_str().unwrap();
            let status = match cluster.accounts.get(token) {
                Some(user) => {
                    json!({"authenticated": true, "user": user, "audiences": review["spec"]["audiences"]})
                }
                None => {
                    json!({"authenticated": false, "error": "[invalid bearer token, secret details of the cluster]"})
                }
            };
            (
                201,
                json!({"kind": "TokenReview", "status": status}).to_string(),
            )
        }
        "/api/v1/namespaces/prod" => (
            200,
            json!({"metadata": {"labels": {"env": "production", "team": "red"}}}).to_string(),
        ),
        "/api/v1/namespaces/test" => (200, json!({"metadata": {}}).to_string()),
        "/openid/v1/jwks" if !asked.accept.contains("application/jwk-set+json") => {
            (406, String::new())
        }
        "/openid/v1/jwks" => (200, json!({ "keys": cluster.keys }).to_string()),
        _ => (404, json!({"message": "not found"}).to_string()),
    }
}

struct World {
    server: Server,
    root: Client,
    api: Https,
    cluster: Arc<Mutex<Cluster>>,
    signer: Signer,
    /// What the server's pod has: nothing, for now.
    pod: TempDir,
}

impl World {
    fn new() -> Self {
        let cluster = Arc::new(Mutex::new(Cluster::default()));
        let inside = cluster.clone();
        let api = Https::start(move |asked| answer(&inside, asked));
        let pod = TempDir::new().unwrap();
        let config = format!("service_account_directory = {:?}\n", pod.path());
        let server = Server::dev_configured(&binary().unwrap(), port::free(), &config).unwrap();
        let root = server.client();
        root.post("sys/auth/kubernetes", json!({"type": "kubernetes"}))
            .ok();
        Self {
            server,
            root,
            api,
            cluster,
            signer: Signer::new("cluster"),
            pod,
        }
    }

    fn configure(&self, more: &Value) {
        let mut config = json!({
            "kubernetes_host": self.api.url(), "kubernetes_ca_cert": self.api.certificate(),
            "token_reviewer_jwt": "the-reviewer",
        });
        let config = config.as_object_mut().unwrap();
        config.extend(more.as_object().unwrap().clone());
        self.root
            .post("auth/kubernetes/config", json!(config))
            .expect(204);
    }

    /// A bound token (as of Kubernetes 1.22) that the cluster knows.
    fn token(&self, namespace: &str, name: &str) -> String {
        let token = self.signer.token(&Self::claims(namespace, name));
        self.knows(&token, namespace, name);
        token
    }

    fn claims(namespace: &str, name: &str) -> Value {
        json!({
            "iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"],
            "iat": now(), "nbf": now(), "exp": now() + 600,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "kubernetes.io": {
                "namespace": namespace, "pod": {"name": "pod", "uid": "pod-uid"},
                "serviceaccount": {"name": name, "uid": format!("uid-of-{name}")},
            },
        })
    }

    fn knows(&self, token: &str, namespace: &str, name: &str) {
        let user = json!({
            "username": format!("system:serviceaccount:{namespace}:{name}"), "uid": format!("uid-of-{name}"),
            "groups": ["system:serviceaccounts"],
        });
        let mut cluster = self.cluster.lock().unwrap();
        cluster.accounts.insert(token.to_owned(), user);
    }

    fn login(&self, role: &str, token: &str) -> Reply {
        let body = json!({"role": role, "jwt": token});
        self.root.with_token("").post("auth/kubernetes/login", body)
    }

    #[track_caller]
    fn refused(&self, role: &str, token: &str, status: u16, why: &str) {
        let reply = self.login(role, token);
        assert!(
            reply.status == status && reply.errors().contains(why),
            "{reply:?}"
        );
        assert!(!reply.errors().contains("secret details"), "{reply:?}");
    }

    fn reviews(&self) -> usize {
        let asked = self.api.asked();
        asked
            .iter()
            .filter(|one| one.path.ends_with("/tokenreviews"))
            .count()
    }
}

#[test]
#[rustfmt::skip]
fn configuration_and_roles() {
    let world = World::new();
    let root = &world.root;
    check! { root;
        "GET auth/kubernetes/config" => 404, {"errors": []};
        "POST auth/kubernetes/config", {} => 400, {"errors": ["no host provided"]};
        "POST auth/kubernetes/config", {"kubernetes_host": "10.0.0.1:6443"} => 400, {"errors": "*"};
        "POST auth/kubernetes/config", {"kubernetes_host": "https://127.0.0.1:1", "pem_keys": "zz"} => 400, {"errors": ["~error parsing public key"]};
        "POST auth/kubernetes/config", {"kubernetes_host": "https://127.0.0.1:1"} => 400, {"errors": ["~nothing vouches for the API server: there is no kubernetes_ca_cert, and the server runs in no pod that has one"]};
        "POST auth/kubernetes/config", {"kubernetes_host": "https://127.0.0.1:1", "disable_local_ca_jwt": true} => 204, null;
        "POST auth/kubernetes/config", {"kubernetes_host": "https://127.0.0.1:1", "kubernetes_ca_cert": (world.api.certificate()), "token_reviewer_jwt": "secret", "pem_keys": (world.signer.pem())} => 204, null;
        "GET auth/kubernetes/config" => 200, {"data": {"kubernetes_host": "https://127.0.0.1:1", "token_reviewer_jwt_set": true, "token_reviewer_jwt": "?",
            "issuer": "", "disable_iss_validation": true, "disable_local_ca_jwt": false, "disable_token_review": false, "pem_keys": [(world.signer.pem().trim())]}};
        "LIST auth/kubernetes/role" => 404, {"errors": []};
        "GET auth/kubernetes/role/none" => 404, {"errors": []};
        "POST auth/kubernetes/role/a", {} => 400, {"errors": ["\"bound_service_account_names\" can not be empty"]};
        "POST auth/kubernetes/role/a", {"bound_service_account_names": "x"} => 400, {"errors": ["~\"bound_service_account_namespaces\" can not be empty"]};
        "POST auth/kubernetes/role/a", {"bound_service_account_names": "a,*", "bound_service_account_namespaces": "x"} => 400, {"errors": ["can not mix \"*\" with values"]};
        "POST auth/kubernetes/role/a", {"bound_service_account_names": "x", "bound_service_account_namespaces": "y", "alias_name_source": "zz"} => 400, {"errors": ["~invalid alias_name_source"]};
        "POST auth/kubernetes/role/a", {"bound_service_account_names": "x", "bound_service_account_namespace_selector": "zz"} => 400, {"errors": ["~invalid \"bound_service_account_namespace_selector\""]};
        "POST auth/kubernetes/role/a", {"bound_service_account_names": "x", "bound_service_account_namespaces": "y", "policies": "app", "ttl": "1h"} => 200, {"warnings": ["~has no audience"]};
        "POST auth/kubernetes/role/a", {"audience": "coffer"} => 204, null;
        "GET auth/kubernetes/role/a" => 200, {"data": {"bound_service_account_names": ["x"], "bound_service_account_namespaces": ["y"], "audience": "coffer",
            "bound_service_account_namespace_selector": "", "alias_name_source": "serviceaccount_uid", "token_policies": ["app"], "token_ttl": 3600}};
        "LIST auth/kubernetes/role" => 200, {"data": {"keys": ["a"]}};
        "DELETE auth/kubernetes/role/a" => 204, null;
        "POST auth/kubernetes/login", {"role": "a"} => 400, {"errors": ["missing jwt"]};
        "POST auth/kubernetes/login", {"jwt": "x"} => 400, {"errors": ["missing role"]};
        "POST auth/kubernetes/login", {"jwt": "x", "role": "zz"} => 400, {"errors": ["invalid role name \"zz\""]};
    }
}

#[test]
fn the_cluster_reviews_tokens() {
    let world = World::new();
    world.configure(&json!({}));
    for (name, role) in [
        (
            "app",
            json!({"bound_service_account_names": "app,web-*", "bound_service_account_namespaces": "prod,team-*", "policies": "app", "ttl": "1h"}),
        ),
        (
            "any",
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*", "alias_name_source": "serviceaccount_name"}),
        ),
        (
            "for-us",
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*", "audience": "coffer"}),
        ),
        (
            "labels",
            json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "extra",
            "bound_service_account_namespace_selector": "matchLabels:\n  team: red\nmatchExpressions:\n- {key: env, operator: In, values: [production, staging]}"}),
        ),
    ] {
        world
            .root
            .post(&format!("auth/kubernetes/role/{name}"), role)
            .ok();
    }
    let told = world.login("app", &world.token("prod", "app")).ok();
    assert_eq!(told["auth"]["policies"], json!(["app", "default"]));
    assert_eq!(
        told["auth"]["metadata"],
        json!({"role": "app", "service_account_name": "app", "service_account_namespace": "prod",
            "service_account_uid": "uid-of-app", "service_account_secret_name": ""})
    );
    let token = world
        .root
        .with_token(told["auth"]["client_token"].as_str().unwrap());
    check! { token;
        "GET auth/token/lookup-self" => 200, {"data": {"display_name": "kubernetes-prod-app"}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 3600}};
    }
    world.login("app", &world.token("team-7", "web-2")).ok();
    world.login("any", &world.token("anywhere", "anybody")).ok();
    let before = world.reviews();
    world.refused(
        "app",
        &world.token("prod", "other"),
        403,
        "service account name not authorized",
    );
    world.refused(
        "app",
        &world.token("other", "app"),
        403,
        "namespace not authorized",
    );
    world.refused(
        "for-us",
        &world.token("prod", "app"),
        403,
        "invalid audience (aud) claim",
    );
    let with = |other: Value| {
        let mut claims = World::claims("prod", "app");
        claims
            .as_object_mut()
            .unwrap()
            .extend(other.as_object().unwrap().clone());
        let token = world.signer.token(&claims);
        world.knows(&token, "prod", "app");
        token
    };
    world.refused(
        "any",
        &with(json!({"exp": now() - 100})),
        403,
        "token is expired",
    );
    world.refused(
        "any",
        &with(json!({"nbf": now() + 100})),
        403,
        "token not yet valid",
    );
    world.refused(
        "any",
        &with(json!({"kubernetes.io": {}})),
        403,
        "the token is of no service account",
    );
    world.refused("any", "no token", 403, "permission denied");
    assert_eq!(
        world.reviews(),
        before,
        "the cluster is not asked about what is refused anyway"
    );
    world.login("for-us", &with(json!({"aud": "coffer"}))).ok();
    // What the cluster does not know, or says is another's.
    let unknown = world.signer.token(&World::claims("prod", "app-2"));
    world.refused("any", &unknown, 403, "permission denied");
    let forged = Signer::new("cluster").token(&World::claims("prod", "admin"));
    world.refused("any", &forged, 403, "permission denied");
    let mixed = world.signer.token(&World::claims("prod", "web-1"));
    world.knows(&mixed, "prod", "app");
    world.refused("any", &mixed, 403, "permission denied");
    let log = world.server.log();
    assert!(
        log.contains("secret details of the cluster"),
        "the operator reads why"
    );
    // Namespaces by their labels.
    world.login("labels", &world.token("prod", "app")).ok();
    world.login("labels", &world.token("extra", "app")).ok();
    world.refused(
        "labels",
        &world.token("test", "app"),
        403,
        "namespace not authorized",
    );
    world.refused(
        "labels",
        &world.token("unknown", "app"),
        403,
        "permission denied",
    );
    // Tokens that live in secrets say no times.
    let old = world.signer.token(&json!({
        "iss": "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/namespace": "prod",
        "kubernetes.io/serviceaccount/secret.name": "app-token", "kubernetes.io/serviceaccount/service-account.name": "app",
        "kubernetes.io/serviceaccount/service-account.uid": "uid-of-app",
    }));
    world.knows(&old, "prod", "app");
    let told = world.login("app", &old).ok();
    assert_eq!(
        told["auth"]["metadata"]["service_account_secret_name"],
        "app-token"
    );
    // Without a reviewer each token reviews itself.
    world.configure(&json!({"token_reviewer_jwt": ""}));
    let token = world.token("prod", "app");
    world.login("app", &token).ok();
    let last = world.api.asked().pop().unwrap();
    assert_eq!(last.authorization, format!("Bearer {token}"));
    world.configure(&json!({"token_reviewer_jwt": "nobody"}));
    world.refused("app", &token, 403, "permission denied");
    world.configure(
        &json!({"disable_iss_validation": false, "issuer": "https://kubernetes.default.svc"}),
    );
    world.login("app", &token).ok();
    world.configure(&json!({"disable_iss_validation": false, "issuer": "https://other"}));
    world.refused("app", &token, 403, "invalid issuer");
}

/// Nobody is asked about a token that the cluster's keys verify.
#[test]
fn tokens_are_verified_without_the_cluster() {
    let world = World::new();
    let role =
        json!({"bound_service_account_names": "app", "bound_service_account_namespaces": "prod"});
    world.root.post("auth/kubernetes/role/app", role).ok();
    // Not one that the cluster would say is good.
    let token = world.signer.token(&World::claims("prod", "app"));
    let forged = Signer::new("cluster").token(&World::claims("prod", "app"));
    world.cluster.lock().unwrap().keys = json!([world.signer.jwk()]);
    world.configure(&json!({"disable_token_review": true}));
    for _ in 0..5 {
        world.login("app", &token).ok();
    }
    let asked: Vec<String> = world.api.asked().into_iter().map(|one| one.path).collect();
    assert_eq!(asked, ["/openid/v1/jwks"]);
    world.refused("app", &forged, 403, "permission denied");
    world.configure(&json!({"disable_token_review": true, "pem_keys": world.signer.pem(), "kubernetes_host": "https://127.0.0.1:1"}));
    world.login("app", &token).ok();
    world.refused("app", &forged, 403, "permission denied");
    // With keys and reviews a token needs both.
    world.configure(&json!({"pem_keys": world.signer.pem()}));
    world.refused("app", &token, 403, "permission denied");
    assert_eq!(world.reviews(), 1);
    world.refused("app", &forged, 403, "permission denied");
    assert_eq!(world.reviews(), 1);
    world.knows(&token, "prod", "app");
    world.login("app", &token).ok();
}

/// A cluster that is away, slow, or talks nonsense costs a bounded time, and is named.
#[test]
fn a_sick_cluster() {
    let world = World::new();
    let role =
        json!({"bound_service_account_names": "app", "bound_service_account_namespaces": "prod"});
    world.root.post("auth/kubernetes/role/app", role).ok();
    let token = world.token("prod", "app");
    world.configure(&json!({"kubernetes_host": "https://127.0.0.1:1"}));
    world.refused("app", &token, 502, "https://127.0.0.1:1");
    world.configure(&json!({"kubernetes_ca_cert": "", "disable_local_ca_jwt": true}));
    world.refused("app", &token, 502, &world.api.url());
    world.configure(&json!({}));
    let is = |status, body: &str| {
        world.cluster.lock().unwrap().broken = Some((status, body.to_owned()));
    };
    is(500, "oh");
    world.refused("app", &token, 502, "answers with status 500");
    for nonsense in [
        "",
        "null",
        "[]",
        "{\"status\": {\"authenticated\": 1}}",
        "{\"status\": {\"authenticated\": true}}",
    ] {
        is(200, nonsense);
        world.refused("app", &token, 403, "permission denied");
    }
    {
        let mut cluster = world.cluster.lock().unwrap();
        cluster.broken = None;
        cluster.slow = true;
    }
    let begun = Instant::now();
    world.refused("app", &token, 502, &world.api.url());
    assert!(begun.elapsed() < Duration::from_secs(15));
}

/// A server in a pod needs to be told where the API server is, and no more.
#[test]
fn in_a_pod() {
    let world = World::new();
    let lay = |name: &str, text: &str| std::fs::write(world.pod.path().join(name), text).unwrap();
    let role =
        json!({"bound_service_account_names": "app", "bound_service_account_namespaces": "prod"});
    world.root.post("auth/kubernetes/role/app", role).ok();
    let token = world.token("prod", "app");
    let asked_by = || world.api.asked().pop().unwrap().authorization;
    let own = |more: Value| {
        let mut config = json!({"kubernetes_ca_cert": "", "token_reviewer_jwt": ""});
        let config = config.as_object_mut().unwrap();
        config.extend(more.as_object().unwrap().clone());
        world.configure(&json!(config));
    };
    lay("ca.crt", world.api.certificate());
    own(json!({}));
    world.login("app", &token).ok();
    assert_eq!(
        asked_by(),
        format!("Bearer {token}"),
        "there is no reviewer's"
    );
    lay("token", "the-reviewer\n");
    world.login("app", &token).ok();
    assert_eq!(asked_by(), REVIEWER);
    // Kubernetes renews it.
    let renewed = world.token("coffer", "coffer");
    lay("token", &renewed);
    world.login("app", &token).ok();
    assert_eq!(asked_by(), format!("Bearer {renewed}"));
    // What the configuration says goes first, and neither is shown or stored as if it were the configuration's.
    world.configure(&json!({"kubernetes_ca_cert": ""}));
    world.login("app", &token).ok();
    assert_eq!(asked_by(), REVIEWER);
    own(json!({}));
    check! { world.root;
        "GET auth/kubernetes/config" => 200, {"data": {"kubernetes_ca_cert": "", "token_reviewer_jwt_set": false, "disable_local_ca_jwt": false}};
    }
    // The cluster's keys are asked for with it; at another place nobody gets to see it.
    world.cluster.lock().unwrap().keys = json!([world.signer.jwk()]);
    own(json!({"disable_token_review": true}));
    world.login("app", &token).ok();
    assert_eq!(asked_by(), format!("Bearer {renewed}"));
    let elsewhere = Https::start(|_| (401, String::new()));
    own(
        json!({"disable_token_review": true, "jwks_url": elsewhere.url(), "kubernetes_ca_cert": elsewhere.certificate()}),
    );
    world.refused("app", &token, 502, "answers with status 401");
    assert_eq!(elsewhere.asked().pop().unwrap().authorization, "");
    // Where it is not wanted it is not taken.
    own(json!({"disable_local_ca_jwt": true}));
    world.refused("app", &token, 502, &world.api.url());
    own(json!({"disable_local_ca_jwt": true, "kubernetes_ca_cert": world.api.certificate()}));
    world.login("app", &token).ok();
    assert_eq!(asked_by(), format!("Bearer {token}"));
    // The pod loses its certificates, and something else takes the token's place.
    own(json!({}));
    std::fs::remove_file(world.pod.path().join("ca.crt")).unwrap();
    world.refused("app", &token, 502, "nothing vouches for the API server");
    lay("ca.crt", "");
    lay("token", &"x".repeat((64 << 10) + 1));
    world.refused("app", &token, 502, "has more than 65536 bytes");
}

/// As it is written in Vault's documentation, with `@` for files.
#[test]
fn by_the_command_line() {
    let world = World::new();
    let cli = Cli::new(&world.server).unwrap();
    cli.write("ca.crt", world.api.certificate());
    cli.write("token", "the-reviewer\n");
    cli.write("jwt", &world.token("prod", "app"));
    let host = world.api.url();
    cli.run(&format!(
        "write auth/kubernetes/config kubernetes_host={host} kubernetes_ca_cert=@ca.crt token_reviewer_jwt=@token \
         issuer=https://kubernetes.default.svc"
    ))
    .ok();
    cli.run(
        "write auth/kubernetes/role/app bound_service_account_names=app bound_service_account_namespaces=prod ttl=1h \
         policies=app-policy",
    )
    .ok();
    let token = cli
        .run("write -field=token auth/kubernetes/login role=app jwt=@jwt")
        .ok();
    let own = world.root.with_token(token.trim());
    check! { own; "GET auth/token/lookup-self" => 200, {"data": {"policies": ["app-policy", "default"], "creation_ttl": 3600}}; }
}
