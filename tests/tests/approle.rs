//! AppRole, as the machines that log in with it see it, and those who set it up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Barrier;
use std::time::Duration;

use coffer_tests::{Client, Reply, Server, check, until};
use serde_json::{Value, json};

const ROLE: &str = "auth/approle/role/app";

/// A server with AppRole and this role, and its root client.
fn with_role(role: Value) -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/auth/approle", {"type": "approle"} => 204;
        "POST {ROLE}", (&role) => 204;
    }
    (server, client)
}

#[track_caller]
fn role_id(client: &Client) -> String {
    client.get(&format!("{ROLE}/role-id")).text("/data/role_id")
}

#[track_caller]
fn secret_id(client: &Client, body: Value) -> String {
    client
        .post(&format!("{ROLE}/secret-id"), body)
        .text("/data/secret_id")
}

fn login(client: &Client, role_id: &str, secret_id: &str) -> Reply {
    client.with_token("").post(
        "auth/approle/login",
        json!({"role_id": role_id, "secret_id": secret_id}),
    )
}

fn invalid(what: &str) -> Value {
    json!({"errors": [format!("~invalid {what}")]})
}

#[test]
fn a_machine_logs_in() {
    let (_server, client) = with_role(
        json!({"token_policies": "app,other", "token_ttl": "20m", "token_max_ttl": "1h"}),
    );
    let (role, secret) = (
        role_id(&client),
        secret_id(&client, json!({"metadata": "{\"host\":\"a\"}"})),
    );
    let reply = login(&client, &role, &secret);
    check! { client.with_token(&reply.text("/auth/client_token"));
        "GET auth/token/lookup-self"
            => 200, {"data": {"policies": ["app", "default", "other"], "display_name": "approle",
                "path": "auth/approle/login", "creation_ttl": 1200, "orphan": true, "type": "service",
                "renewable": true, "meta": {"role_name": "app", "host": "a"}}};
    }
    let auth = json!({"auth": {"policies": ["app", "default", "other"], "token_policies": ["app", "default", "other"], "lease_duration": 1200,
                      "renewable": true, "metadata": {"role_name": "app", "host": "a"}, "token_type": "service", "orphan": true},
                      "data": null});
    assert!(coffer_tests::includes(&reply.body, &auth), "{reply:?}");
    let own = client.with_token(&reply.text("/auth/client_token"));
    check! { own;
        "POST auth/token/renew-self", {"increment": "5h"} => 200, {"auth": {"lease_duration": "*"}};
    }
    let ttl = own.get("auth/token/lookup-self").number("/data/ttl");
    assert!(ttl <= 3600, "{ttl}");
}

#[test]
fn logins_that_are_refused() {
    let (_server, client) = with_role(json!({"token_policies": "app"}));
    let (role, secret) = (role_id(&client), secret_id(&client, json!({})));
    let anonymous = client.with_token("");
    let body = |role: &str, secret: &str| json!({"role_id": role, "secret_id": secret});
    check! { anonymous;
        "POST auth/approle/login", {} => 400, {"errors": ["~missing role_id"]};
        "POST auth/approle/login", {"role_id": role} => 400, {"errors": ["~missing secret_id"]};
        "POST auth/approle/login", (body("nobody", &secret)) => 400, (invalid("role or secret ID"));
        "POST auth/approle/login", (body(&role, "nothing")) => 400, (invalid("role or secret ID"));
        "POST auth/approle/login", (body(&role, "")) => 400, {"errors": ["*"]};
        "POST auth/approle/login", {"role_id": {"a": 1}, "secret_id": secret} => 400, {"errors": ["*"]};
        "GET auth/approle/login" => 405, {"errors": ["~unsupported operation"]};
        "POST auth/approle/none", {} => 403, {"errors": ["*"]};
        "POST auth/approle/login", (body(&role, &secret)) => 200, {"auth": {"client_token": "*"}};
        // From a file an id often comes with the end of its line.
        "POST auth/approle/login", (body(&format!("{role}\n"), &format!(" {secret}\n"))) => 200, {"auth": "*"};
    }
}

#[test]
fn every_parameter_of_a_role_is_kept() {
    let role = json!({
        "bind_secret_id": true, "secret_id_bound_cidrs": ["127.0.0.0/8"], "secret_id_num_uses": 40, "secret_id_ttl": "10m",
        "token_ttl": "20m", "token_max_ttl": "30m", "token_policies": ["a", "b"], "token_bound_cidrs": ["127.0.0.1/32"],
        "token_explicit_max_ttl": "1h", "token_no_default_policy": true, "token_num_uses": 10, "token_type": "service",
    });
    let (_server, client) = with_role(role);
    check! { client;
        "GET {ROLE}"
            => 200, {"data": {"bind_secret_id": true, "secret_id_bound_cidrs": ["127.0.0.0/8"],
                "secret_id_num_uses": 40, "secret_id_ttl": 600, "token_ttl": 1200, "token_max_ttl": 1800,
                "token_policies": ["a", "b"], "token_bound_cidrs": ["127.0.0.1"], "token_explicit_max_ttl": 3600,
                "token_period": 0, "token_no_default_policy": true, "token_num_uses": 10, "token_type": "service",
                "local_secret_ids": false}};
        // A second write changes what it names, and nothing else.
        "POST {ROLE}", {"token_ttl": 60} => 204;
        "GET {ROLE}" => 200, {"data": {"token_ttl": 60, "token_max_ttl": 1800, "secret_id_num_uses": 40}};
        "LIST auth/approle/role" => 200, {"data": {"keys": ["app"]}};
        "POST auth/approle/role/bad", {"token_ttl": "2h", "token_max_ttl": "1h"} => 400, {"errors": ["*"]};
        "POST auth/approle/role/bad", {"token_bound_cidrs": "nowhere"} => 400, {"errors": ["*"]};
        "POST auth/approle/role/bad", {"bind_secret_id": false} => 400, {"errors": ["*"]};
        "POST auth/approle/role/bad", {"token_ttl": "soon"} => 400, {"errors": ["*"]};
        "GET auth/approle/role/bad" => 404, {"errors": []};
    }
    let sub: &[(&str, Value, Value)] = &[
        (
            "policies",
            json!({"token_policies": ["c"]}),
            json!({"token_policies": ["c"]}),
        ),
        (
            "secret-id-num-uses",
            json!({"secret_id_num_uses": 5}),
            json!({"secret_id_num_uses": 5}),
        ),
        (
            "secret-id-ttl",
            json!({"secret_id_ttl": "1m"}),
            json!({"secret_id_ttl": 60}),
        ),
        (
            "token-num-uses",
            json!({"token_num_uses": 7}),
            json!({"token_num_uses": 7}),
        ),
        (
            "token-ttl",
            json!({"token_ttl": "2m"}),
            json!({"token_ttl": 120}),
        ),
        (
            "token-max-ttl",
            json!({"token_max_ttl": "25m"}),
            json!({"token_max_ttl": 1500}),
        ),
        (
            "period",
            json!({"token_period": "3m"}),
            json!({"token_period": 180}),
        ),
        (
            "bind-secret-id",
            json!({"bind_secret_id": true}),
            json!({"bind_secret_id": true}),
        ),
        (
            "secret-id-bound-cidrs",
            json!({"secret_id_bound_cidrs": ["127.0.0.0/16"]}),
            json!({"secret_id_bound_cidrs": ["127.0.0.0/16"]}),
        ),
        (
            "token-bound-cidrs",
            json!({"token_bound_cidrs": ["127.0.0.0/16"]}),
            json!({"token_bound_cidrs": ["127.0.0.0/16"]}),
        ),
        (
            "role-id",
            json!({"role_id": "chosen"}),
            json!({"role_id": "chosen"}),
        ),
    ];
    for (name, body, data) in sub {
        check! { client;
            "POST {ROLE}/{name}", (&body) => 204;
            "GET {ROLE}/{name}" => 200, {"data": data};
        }
    }
    check! { client;
        "DELETE {ROLE}/token-ttl" => 204;
        "GET {ROLE}" => 200, {"data": {"token_ttl": 0, "token_period": 180}};
        "DELETE {ROLE}" => 204;
        "GET {ROLE}" => 404, {"errors": []};
        "LIST auth/approle/role" => 404, {"errors": []};
    }
}

#[test]
fn secret_ids_have_accessors() {
    let (_server, client) =
        with_role(json!({"token_policies": "app", "secret_id_ttl": "1h", "secret_id_num_uses": 9}));
    let made = client.post(
        &format!("{ROLE}/secret-id"),
        json!({"metadata": "{\"k\":\"v\"}", "cidr_list": ["127.0.0.1/32"]}),
    );
    let (secret, accessor) = (
        made.text("/data/secret_id"),
        made.text("/data/secret_id_accessor"),
    );
    assert_eq!(
        (
            made.number("/data/secret_id_ttl"),
            made.number("/data/secret_id_num_uses")
        ),
        (3600, 9)
    );
    let about = json!({"data": {"secret_id_accessor": accessor, "metadata": {"k": "v"}, "cidr_list": ["127.0.0.1/32"],
                                "secret_id_num_uses": 9, "secret_id_ttl": 3600, "creation_time": "*", "expiration_time": "*",
                                "last_updated_time": "*", "token_bound_cidrs": "?"}});
    let by_secret = json!({"secret_id": secret});
    let by_accessor = json!({"secret_id_accessor": accessor});
    check! { client;
        "LIST {ROLE}/secret-id" => 200, {"data": {"keys": [accessor]}};
        "LIST auth/approle/role/none/secret-id" => 400, {"errors": ["role \"none\" does not exist"]};
        "GET {ROLE}/secret-id" => 405, {"errors": ["~unsupported operation"]};
        "POST {ROLE}/secret-id/lookup", (&by_secret) => 200, (&about);
        "POST {ROLE}/secret-id-accessor/lookup", (&by_accessor) => 200, (&about);
        "POST {ROLE}/secret-id-accessor/lookup", {"secret_id_accessor": "none"} => 404, "*";
        "POST {ROLE}/secret-id/lookup", {"secret_id": "none"} => 204;
        "POST {ROLE}/secret-id-accessor/destroy", (&by_accessor) => 204;
        "LIST {ROLE}/secret-id" => 404, {"errors": []};
    }
    login(&client, &role_id(&client), &secret).expect(400);
    let another = secret_id(&client, json!({}));
    login(&client, &role_id(&client), &another).expect(200);
    check! { client;
        "POST {ROLE}/secret-id/destroy", {"secret_id": another} => 204;
    }
    login(&client, &role_id(&client), &another).expect(400);
    // A secret id of one's own choice.
    let custom = json!({"secret_id": "chosen by us", "num_uses": 1, "ttl": "5m"});
    check! { client;
        "POST {ROLE}/custom-secret-id", (&custom)
            => 200, {"data": {"secret_id": "chosen by us", "secret_id_num_uses": 1, "secret_id_ttl": 300}};
        "POST {ROLE}/custom-secret-id", (&custom) => 400, {"errors": ["*"]};
        "POST auth/approle/tidy/secret-id", {} => 202, "?";
    }
    login(&client, &role_id(&client), "chosen by us").expect(200);
    login(&client, &role_id(&client), "chosen by us").expect(400);
}

#[test]
fn a_secret_id_is_used_no_more_often_than_allowed() {
    const LOGINS: usize = 12;
    let (_server, client) = with_role(json!({"token_policies": "app", "secret_id_num_uses": 5}));
    let (role, secret) = (role_id(&client), secret_id(&client, json!({})));
    let start = Barrier::new(LOGINS);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..LOGINS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    login(&client, &role, &secret).status
                })
            })
            .collect();
        logins
            .into_iter()
            .map(|login| login.join().unwrap())
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        5,
        "{statuses:?}"
    );
    check! { client;
        "LIST {ROLE}/secret-id" => 404, {"errors": []};
    }
}

#[test]
fn a_secret_id_dies_of_its_ttl() {
    let (_server, client) = with_role(json!({"token_policies": "app", "secret_id_ttl": "1s"}));
    let (role, secret) = (role_id(&client), secret_id(&client, json!({})));
    login(&client, &role, &secret).expect(200);
    until(Duration::from_secs(6), "it is refused", || {
        login(&client, &role, &secret).status == 400
    });
}

#[test]
fn addresses_are_bound() {
    let (_server, client) =
        with_role(json!({"token_policies": "app", "secret_id_bound_cidrs": ["10.0.0.0/8"]}));
    let secret = secret_id(&client, json!({}));
    check! { client.with_token("");
        "POST auth/approle/login", {"role_id": role_id(&client), "secret_id": secret} => 400, {"errors": ["*"]};
    }
    client
        .post(
            ROLE,
            json!({"secret_id_bound_cidrs": [], "token_bound_cidrs": ["10.0.0.0/8"]}),
        )
        .expect(204);
    let secret = secret_id(&client, json!({}));
    let reply = login(&client, &role_id(&client), &secret);
    // Whether the login is refused or only what its token does: nothing is let in from here.
    if reply.is_ok() {
        client
            .with_token(&reply.text("/auth/client_token"))
            .get("auth/token/lookup-self")
            .expect(403);
    }
    // A token may be bound to the address that it was made for.
    client
        .post(
            ROLE,
            json!({"secret_id_bound_cidrs": [], "token_bound_cidrs": [], "token_strictly_bind_ip": true}),
        )
        .expect(204);
    let secret = secret_id(&client, json!({}));
    let token = login(&client, &role_id(&client), &secret).text("/auth/client_token");
    check! { client.with_token(&token);
        "GET auth/token/lookup-self" => 200, {"data": {"bound_cidrs": ["127.0.0.1/32"]}};
    }
    client
        .post(ROLE, json!({"token_strictly_bind_ip": false}))
        .expect(204);
    // A narrower list must lie within the role's.
    client
        .post(
            ROLE,
            json!({"secret_id_bound_cidrs": ["127.0.0.0/8"], "token_bound_cidrs": []}),
        )
        .expect(204);
    let outside = client.post(
        &format!("{ROLE}/secret-id"),
        json!({"cidr_list": ["10.0.0.0/8"]}),
    );
    assert!([400, 500].contains(&outside.status), "{outside:?}");
}

#[test]
fn roles_without_a_secret_and_of_other_token_types() {
    let (_server, client) = with_role(
        json!({"token_policies": "app", "bind_secret_id": false, "token_bound_cidrs": ["127.0.0.1/32"]}),
    );
    check! { client.with_token("");
        "POST auth/approle/login", {"role_id": role_id(&client)} => 200, {"auth": {"policies": ["app", "default"]}};
    }
    client
        .post(ROLE, json!({"token_type": "batch", "token_ttl": "5m"}))
        .expect(204);
    check! { client.with_token("");
        "POST auth/approle/login", {"role_id": role_id(&client)}
            => 200, {"auth": {"token_type": "batch", "renewable": false, "accessor": ""}};
    }
    client
        .post(ROLE, json!({"token_type": "service", "token_period": "2m"}))
        .expect(204);
    let reply = client
        .with_token("")
        .post("auth/approle/login", json!({"role_id": role_id(&client)}));
    assert_eq!(reply.number("/auth/lease_duration"), 120);
    let own = client.with_token(&reply.text("/auth/client_token"));
    check! { own;
        "POST auth/token/renew-self", {"increment": "1h"} => 200, {"auth": {"lease_duration": 120}};
    }
    // A period is capped by the mount's longest time.
    client
        .post(ROLE, json!({"token_period": "10000h"}))
        .expect(204);
    check! { client.with_token("");
        "POST auth/approle/login", {"role_id": role_id(&client)}
            => 200, {"auth": {"lease_duration": 2_764_800}, "warnings": ["~period"]};
    }
    // A deleted role takes its tokens' renewals along.
    client.delete(ROLE).expect(204);
    check! { own;
        "POST auth/token/renew-self", {} => 400, {"errors": ["*"]};
    }
}

#[test]
fn auth_mounts_come_and_go() {
    let (_server, client) = with_role(json!({"token_policies": "app"}));
    let secret = secret_id(&client, json!({}));
    let own =
        client.with_token(&login(&client, &role_id(&client), &secret).text("/auth/client_token"));
    check! { client;
        "GET sys/auth"
            => 200, {"data": {"approle/": {"type": "approle", "accessor": "~auth_approle_",
                "config": {"token_type": "default-service"}}, "token/": {"type": "token"}}};
        "POST sys/auth/approle", {"type": "approle"} => 400, {"errors": ["~path is already in use"]};
        "POST sys/auth/token", {"type": "approle"} => 400, {"errors": ["*"]};
        "POST sys/auth/other", {"type": "none"} => 400, {"errors": ["*"]};
        "POST sys/auth/approle/tune", {"default_lease_ttl": "7m", "max_lease_ttl": "9m"} => 204;
        "GET sys/auth/approle/tune" => 200, {"data": {"default_lease_ttl": 420, "max_lease_ttl": 540}};
    }
    assert_eq!(
        login(&client, &role_id(&client), &secret).number("/auth/lease_duration"),
        420
    );
    own.get("auth/token/lookup-self").expect(200);
    client.delete("sys/auth/approle").expect(204);
    until(Duration::from_secs(5), "its tokens are gone", || {
        own.get("auth/token/lookup-self").status == 403
    });
    let gone = client.with_token("").post(
        "auth/approle/login",
        json!({"role_id": "x", "secret_id": "y"}),
    );
    assert!([403, 404].contains(&gone.status), "{gone:?}");
}
