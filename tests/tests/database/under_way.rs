//! What happens while a database is at work: to a user that is still being made, to a password that is being changed.

use super::*;

fn sleeps(database: &Database<'_>) -> bool {
    let query = format!(
        "SELECT 1 FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    !database.query(&query).is_empty()
}

/// Does one thing while the database is still at another.
fn during<R: Send>(
    database: &Database<'_>,
    work: impl FnOnce() -> R + Send,
    act: impl FnOnce(),
) -> R {
    std::thread::scope(|scope| {
        let work = scope.spawn(work);
        until(Duration::from_secs(10), "the database is at work", || {
            sleeps(database)
        });
        act();
        work.join().unwrap()
    })
}

fn slow(seconds: u32) -> Value {
    let sleep = format!("SELECT pg_sleep({seconds})");
    json!({"db_name": "app", "creation_statements": [CREATE, sleep], "default_ttl": "1h"})
}

fn nothing_is_left(client: &Client, database: &Database<'_>, how: &str) {
    until(DEAD, &format!("no lease after {how}"), || {
        client.list("sys/leases/lookup/database/creds/app").status == 404
    });
    let users =
        "SELECT 1 FROM pg_roles r JOIN pg_shdescription d ON d.objoid = r.oid WHERE description = ";
    until(DEAD, &format!("no user after {how}"), || {
        database
            .query(&format!("{users}'{}'", database.name))
            .is_empty()
    });
    assert!(!sleeps(database), "{how}");
}

/// As [`slow`], with users that can be told from those of other tests.
fn slow_and_marked(database: &Database<'_>, seconds: u32) -> Value {
    let mut role = slow(seconds);
    let mark = format!("COMMENT ON ROLE \"{{{{name}}}}\" IS '{}'", database.name);
    role["creation_statements"]
        .as_array_mut()
        .unwrap()
        .insert(1, json!(mark));
    role
}

/// Ends a lease to come, as the root client or as the one who asks for it.
type EndEarly = &'static dyn Fn(&Client, &Client);

#[test]
fn a_user_that_is_revoked_while_it_is_made() {
    let (_server, client, database) = dev(role("1h", "24h"));
    client
        .post("database/roles/app", slow_and_marked(&database, 1))
        .expect(204);
    let ways: &[(&str, EndEarly)] = &[
        ("revoke-prefix", &|root, _| {
            root.post("sys/leases/revoke-prefix/database", json!({}))
                .expect(204);
        }),
        ("token revocation", &|root, asker| {
            root.post("auth/token/revoke", json!({"token": asker.token()}))
                .expect(204);
        }),
        ("secrets disable", &|root, _| {
            root.delete("sys/mounts/database").expect(204);
        }),
    ];
    for (how, end) in ways {
        let asker = asker(&client, json!({"ttl": "1h"}));
        let reply = during(
            &database,
            || asker.get("database/creds/app"),
            || end(&client, &asker),
        );
        assert_eq!(reply.status, 403, "{how}: {reply:?}");
        assert!(
            reply
                .errors()
                .contains("ended before it could be handed out"),
            "{reply:?}"
        );
        nothing_is_left(&client, &database, how);
    }
}

#[test]
fn a_user_that_was_being_made_when_the_server_died() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    let database = Postgres::shared().database();
    configure(&client, &database, slow_and_marked(&database, 20));
    let asking = client.clone();
    let asker = std::thread::spawn(move || {
        // It is cut off, one way or another.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            asking.get("database/creds/app")
        }))
        .ok();
    });
    until(Duration::from_secs(10), "the database is at work", || {
        sleeps(&database)
    });
    server.kill9();
    asker.join().unwrap();
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    assert!(sleeps(&database), "PostgreSQL has not noticed");
    client.post(
        "sys/leases/revoke-prefix/database/creds/app",
        json!({"sync": true}),
    );
    nothing_is_left(&client, &database, "a kill");
}

#[test]
fn a_name_that_somebody_has() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let theirs = format!("theirs_{}", database.name);
    database.execute(&format!("CREATE ROLE {theirs}"));
    client
        .post(&format!("database/roles/{theirs}"), role("1h", "24h"))
        .expect(204);
    // The second could be anybody's, for all that is known before it is tried.
    for template in ["{{.RoleName}}", "{{.RoleName}}{{random 0}}"] {
        let mut config = connection(&database);
        config["username_template"] = json!(template);
        client.post("database/config/app", config).expect(204);
        let reply = client.get(&format!("database/creds/{theirs}"));
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(reply.errors().contains("already exists"), "{reply:?}");
        client
            .list(&format!("sys/leases/lookup/database/creds/{theirs}"))
            .expect(404);
        assert_eq!(database.roles_like(&theirs).len(), 1, "{template}");
    }
    // One that is free has its user, once.
    database.execute(&format!("DROP ROLE {theirs}"));
    let mine = client.get(&format!("database/creds/{theirs}"));
    assert_eq!(mine.text("/data/username"), theirs);
    client.get(&format!("database/creds/{theirs}")).expect(400);
    client
        .post(
            "sys/leases/revoke",
            json!({"lease_id": mine.text("/lease_id"), "sync": true}),
        )
        .expect(204);
    assert!(database.roles_like(&theirs).is_empty());
}

#[test]
fn what_is_written_while_a_password_changes() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let user = format!("static_{}", database.name);
    let root = format!("root_{}", database.name);
    database.execute(&format!(
        "CREATE ROLE {user} LOGIN; CREATE ROLE {root} SUPERUSER LOGIN PASSWORD 'first'"
    ));
    let statements = [
        "ALTER ROLE \"{{name}}\" PASSWORD '{{password}}'",
        "SELECT pg_sleep(1)",
    ];
    let body = json!({"db_name": "app", "username": user, "rotation_period": "1h", "rotation_statements": statements});
    client.post("database/static-roles/fixed", body).ok();
    during(
        &database,
        || client.post("database/rotate-role/fixed", json!({})),
        || {
            let body = json!({"rotation_period": "2h"});
            client.post("database/static-roles/fixed", body).expect(204);
        },
    )
    .ok();
    let reply = client.get("database/static-creds/fixed");
    assert!(database.can_login(&user, &reply.text("/data/password")));
    assert_eq!(reply.number("/data/rotation_period"), 7200);
    assert!(reply.number("/data/ttl") > 3600, "{reply:?}");
    client.delete("database/static-roles/fixed").expect(204);

    let mut config = connection(&database);
    config["username"] = json!(root);
    config["password"] = json!("first");
    config["root_rotation_statements"] = json!(statements);
    client.post("database/config/app", config).expect(204);
    during(
        &database,
        || client.post("database/rotate-root/app", json!({})),
        || {
            let body = json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": ["app", "more"]});
            client.post("database/config/app", body).expect(204);
        },
    )
    .ok();
    assert!(!database.can_login(&root, "first"));
    client.post("database/reset/app", json!({})).expect(204);
    let credential = issue(&client);
    assert!(works(&database, &credential));
    client
        .post(
            "sys/leases/revoke",
            json!({"lease_id": credential.lease, "sync": true}),
        )
        .expect(204);
    client.delete("database/config/app").expect(204);
    database.execute(&format!("DROP ROLE {user}; DROP ROLE {root}"));
}
