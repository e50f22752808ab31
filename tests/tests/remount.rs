//! A mount at another path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Cli, Client, Server, check, until};

fn moved(client: &Client, id: &str) {
    until(Duration::from_secs(10), "the move is done", || {
        let status = client.get(&format!("sys/remount/status/{id}"));
        status.body["data"]["migration_info"]["status"] == "success"
    });
}

#[test]
fn what_is_stored_moves_and_what_was_given_out_ends() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/mounts/kv1", {"type": "kv"} => 204;
        "PUT kv1/a/b", {"x": 1} => 204;
        "POST sys/auth/people", {"type": "userpass"} => 204;
        "POST auth/people/users/amy", {"password": "swordfish", "policies": "default"} => 204;
        "POST sys/remount", {} => 400, {"errors": ["both 'from' and 'to' path must be specified as a string"]};
        "POST sys/remount", {"from": "nope", "to": "z"} => 400, {"errors": ["no matching mount at \"nope/\""]};
        "POST sys/remount", {"from": "sys", "to": "z"} => 400, {"errors": ["cannot remount \"sys/\""]};
        "POST sys/remount", {"from": "auth/token", "to": "auth/z"} => 400, {"errors": ["cannot remount \"auth/token/\""]};
        "POST sys/remount", {"from": "kv1", "to": "sys/z"} => 400, {"errors": ["cannot remount to destination sys/z/"]};
        "POST sys/remount", {"from": "kv1", "to": "auth/z"} => 400, {"errors": ["cannot remount to destination auth/z/"]};
        "POST sys/remount", {"from": "auth/people", "to": "z"} => 400, {"errors": ["cannot remount to destination z/"]};
        "POST sys/remount", {"from": "kv1", "to": "kv1/below"} => 400, {"errors": ["path already in use at \"kv1/\""]};
        "POST sys/remount", {"from": "kv1", "to": " z"} => 400, {"errors": ["~whitespace"]};
        "POST sys/remount", {"from": "kv1", "to": "a//b"} => 400, {"errors": ["~no path for a mount"]};
        "GET sys/remount/status/nope" => 404, {"errors": []};
    }
    let accessor = client.get("sys/mounts/kv1").body["accessor"].clone();
    let answer = client.post(
        "sys/remount",
        serde_json::json!({"from": "kv1", "to": "team/kv2"}),
    );
    let id = answer.text("/data/migration_id");
    moved(&client, &id);
    check! { client;
        "GET team/kv2/a/b" => 200, {"data": {"x": 1}};
        "GET kv1/a/b" => 404, {"errors": ["~no handler"]};
        "GET sys/mounts/team/kv2" => 200, {"accessor": accessor};
        // The old path is free, and the new one taken.
        "POST sys/mounts/kv1", {"type": "kv"} => 204;
        "POST sys/mounts/team", {"type": "kv"} => 400, {"errors": ["*"]};
    }

    let login = client.post(
        "auth/people/login/amy",
        serde_json::json!({"password": "swordfish"}),
    );
    let token = client.with_token(&login.text("/auth/client_token"));
    check! { token;
        "GET auth/token/lookup-self" => 200, {};
    }
    let cli = Cli::new(&server).unwrap();
    let told = cli.run("auth move people staff").ok();
    assert!(told.contains("Finished moving"), "{told}");
    until(Duration::from_secs(10), "its token ends", || {
        token.get("auth/token/lookup-self").status == 403
    });
    check! { client;
        "POST auth/staff/login/amy", {"password": "swordfish"} => 200, {"auth": {"client_token": "*"}};
        "POST auth/people/login/amy", {"password": "swordfish"} => 404, {"errors": ["*"]};
    }

    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    check! { client;
        "GET team/kv2/a/b" => 200, {"data": {"x": 1}};
    }
    let status = client.get(&format!("sys/remount/status/{id}"));
    assert_eq!(status.text("/data/migration_info/source_mount"), "kv1/");
    assert_eq!(
        status.text("/data/migration_info/target_mount"),
        "team/kv2/"
    );
}

#[test]
fn of_two_who_want_a_path_one_gets_it() {
    let server = Server::dev().unwrap();
    let client = server.client();
    for n in 0..8 {
        client
            .post(
                &format!("sys/mounts/from{n}"),
                serde_json::json!({"type": "kv"}),
            )
            .expect(204);
    }
    let won = std::thread::scope(|threads| {
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let client = &client;
                threads.spawn(move || {
                    let body = serde_json::json!({"from": format!("from{n}"), "to": "one"});
                    client.post("sys/remount", body).status
                })
            })
            .collect();
        tries
            .into_iter()
            .map(|one| one.join().unwrap())
            .filter(|status| *status == 200)
            .count()
    });
    assert_eq!(won, 1);
}
