//! Logging in with a name and a password.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use coffer_tests::{Cli, Client, Server, check};
use serde_json::json;

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    client
        .post("sys/auth/userpass", json!({"type": "userpass"}))
        .ok();
    (server, client)
}

#[test]
#[rustfmt::skip]
fn users_and_their_logins() {
    let (_server, root) = dev();
    check! { root;
        "LIST auth/userpass/users" => 404, {"errors": []};
        "GET auth/userpass/users/none" => 404, {"errors": []};
        "POST auth/userpass/users/Bob", {"password": "p w", "token_policies": "app", "token_ttl": "1h"} => 204, null;
        "GET auth/userpass/users/BOB" => 200, {"data": {"token_policies": ["app"], "token_ttl": 3600, "token_type": "default",
            "token_bound_cidrs": [], "token_no_default_policy": false, "token_num_uses": 0, "token_period": 0}};
        "LIST auth/userpass/users" => 200, {"data": {"keys": ["bob"]}};
        "POST auth/userpass/users/al", {} => 400, {"errors": ["must provide either password or password_hash"]};
        "POST auth/userpass/users/al", {"password_hash": "y"} => 400, {"errors": ["password_hash is not a valid bcrypt hash"]};
        "POST auth/userpass/users/a@b", {"password": "x"} => 404, {"errors": "*"};
        "POST auth/userpass/users/none/password", {"password": "n"} => 400, {"errors": ["username does not exist"]};
    }
    let nobody = root.with_token("");
    check! { nobody;
        "POST auth/userpass/login/Bob", {"password": "p w"} => 200, {"auth": {"client_token": "*", "policies": ["app", "default"],
            "metadata": {"username": "bob"}, "lease_duration": 3600, "renewable": true, "orphan": true}};
        "POST auth/userpass/login/bob", {"password": "wrong"} => 400, {"errors": ["invalid username or password"]};
        "POST auth/userpass/login/nobody", {"password": "p w"} => 400, {"errors": ["invalid username or password"]};
        "POST auth/userpass/login/bob", {} => 400, {"errors": ["missing password"]};
        "GET auth/userpass/users/bob" => 403, {"errors": "*"};
        "POST auth/userpass/users/bob/password", {"password": "n"} => 403, {"errors": "*"};
    }
    let token = nobody.post("auth/userpass/login/bob", json!({"password": "p w"}));
    let bob = root.with_token(&token.text("/auth/client_token"));
    check! { bob;
        "GET auth/token/lookup-self" => 200, {"data": {"display_name": "userpass-bob", "path": "auth/userpass/login/bob"}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 3600}};
    }
    root.post("auth/userpass/users/bob/policies", json!({"token_policies": "other"})).ok();
    check! { bob;
        "POST auth/token/renew-self", {} => 400, {"errors": ["~policies have changed, not renewing"]};
    }
}

#[test]
fn by_the_command_line_and_after_a_restart() {
    let (mut server, keys) = Server::ready().unwrap();
    let cli = Cli::new(&server).unwrap();
    cli.run("auth enable userpass").ok();
    cli.run("write auth/userpass/users/ada password=lovelace token_policies=app")
        .ok();
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    let token = cli
        .run("login -method=userpass -token-only username=ada password=lovelace")
        .ok();
    let own = server.client().with_token(token.trim());
    assert_eq!(
        own.get("auth/token/lookup-self").body["data"]["policies"],
        json!(["app", "default"])
    );
    let ran = cli.run("login -method=userpass username=ada password=wrong");
    assert!(
        ran.code == 2 && ran.stderr.contains("invalid username or password"),
        "{ran:?}"
    );
}
