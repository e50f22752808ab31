//! Database credentials, from configuration to the refused login, in a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::postgres::{PASSWORD, SUPERUSER, mute, rubbish};
use coffer_tests::{Client, Database, Postgres, Server, check, until};
use serde_json::{Value, json};

mod under_way;

/// How soon a credential is dead after its lease's end.
const DEAD: Duration = Duration::from_secs(5);

const CREATE: &str = r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT pg_read_all_data TO "{{name}}";"#;

/// A credential.
#[derive(Clone, Debug)]
struct Credential {
    lease: String,
    username: String,
    password: String,
}

fn connection(database: &Database<'_>) -> Value {
    json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": database.url_template(),
           "username": SUPERUSER, "password": PASSWORD})
}

/// Mounts the engine and configures a connection `app` and a role `app` with this body.
fn configure(client: &Client, database: &Database<'_>, role: Value) {
    check! { client;
        "POST sys/mounts/database", {"type": "database"} => 204;
        "POST database/config/app", (connection(database)) => 204, "?";
        "POST database/roles/app", (&role) => 204, "?";
    }
}

fn role(default_ttl: &str, max_ttl: &str) -> Value {
    json!({"db_name": "app", "creation_statements": CREATE, "default_ttl": default_ttl, "max_ttl": max_ttl})
}

fn dev(role: Value) -> (Server, Client, Database<'static>) {
    let server = Server::dev().unwrap();
    let client = server.client();
    let database = Postgres::shared().database();
    configure(&client, &database, role);
    (server, client, database)
}

#[track_caller]
fn issue(client: &Client) -> Credential {
    let reply = client.get("database/creds/app");
    let credential = Credential {
        lease: reply.text("/lease_id"),
        username: reply.text("/data/username"),
        password: reply.text("/data/password"),
    };
    assert!(
        credential.lease.starts_with("database/creds/app/"),
        "{credential:?}"
    );
    credential
}

#[track_caller]
fn works(database: &Database<'_>, credential: &Credential) -> bool {
    database.can_login(&credential.username, &credential.password)
}

#[track_caller]
fn dies(database: &Database<'_>, credential: &Credential, how: &str) {
    dies_within(DEAD, database, credential, how);
}

/// `limit` is what is left of the lease, and [`DEAD`].
#[track_caller]
fn dies_within(limit: Duration, database: &Database<'_>, credential: &Credential, how: &str) {
    until(limit, &format!("refused after {how}"), || {
        !works(database, credential)
    });
    until(DEAD, &format!("role gone after {how}"), || {
        database.roles_like(&credential.username).is_empty()
    });
}

/// A token that may ask for credentials.
fn asker(client: &Client, body: Value) -> Client {
    let policy = r#"path "database/creds/*" { capabilities = ["read"] }
           path "sys/leases/*" { capabilities = ["update"] }"#;
    client
        .post("sys/policies/acl/asker", json!({"policy": policy}))
        .expect(204);
    let mut body = body;
    body["policies"] = json!(["asker"]);
    client.with_token(
        &client
            .post("auth/token/create", body)
            .text("/auth/client_token"),
    )
}

#[test]
fn passwords_are_made_by_a_policy() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let policy = |length: u64, charset: &str| {
        let rule = json!({"charset": {"charset": charset, "min-chars": length}});
        json!({"policy": json!({"length": length, "rule": [rule]}).to_string()})
    };
    check! { client;
        "POST sys/policies/password/digits", (policy(40, "0123456789")) => 204;
        "POST sys/policies/password/letters", (policy(12, "xyz")) => 204;
        "POST database/config/app", {"password_policy": "letters"} => 204, "?";
        "GET database/config/app" => 200, {"data": {"password_policy": "letters"}};
    }
    let credential = issue(&client);
    assert!(credential.password.len() == 12 && works(&database, &credential));
    check! { client;
        "POST database/roles/app", {"credential_config": {"password_policy": "digits"}} => 204, "?";
        "GET database/roles/app" => 200, {"data": {"credential_config": {"password_policy": "digits"}}};
    }
    let credential = issue(&client);
    let digits =
        |password: &str| password.len() == 40 && password.bytes().all(|b| b.is_ascii_digit());
    assert!(digits(&credential.password) && works(&database, &credential));
    check! { client;
        "DELETE sys/policies/password/digits" => 204;
        "GET database/creds/app" => 500, {"errors": ["~failed to generate password: no password policy found"]};
    }
    assert!(
        works(&database, &credential),
        "who has a credential keeps it"
    );
}

#[test]
fn a_credential_works_at_once_and_is_renewed_and_revoked() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let reply = client.get("database/creds/app");
    assert!(
        coffer_tests::includes(
            &reply.body,
            &json!({"lease_duration": 3600, "renewable": true, "data": {"username": "~v-", "password": "*"}})
        ),
        "{reply:?}"
    );
    let credential = issue(&client);
    assert!(works(&database, &credential));
    assert!(!database.can_login(&credential.username, "wrong"));
    let user = database
        .connect(&credential.username, &credential.password)
        .unwrap()
        .query_one("SELECT current_user::text", &[])
        .unwrap();
    assert_eq!(user.get::<_, String>(0), credential.username);
    check! { client;
        "POST sys/leases/lookup", {"lease_id": credential.lease}
            => 200, {"data": {"id": credential.lease, "renewable": true, "ttl": "*", "issue_time": "*",
                "expire_time": "*", "last_renewal": null}};
        "POST sys/leases/renew", {"lease_id": credential.lease, "increment": 7200}
            => 200, {"lease_id": credential.lease, "lease_duration": 7200, "renewable": true};
        "PUT sys/leases/renew", {"lease_id": credential.lease, "increment": "100h"} => 200, {"lease_duration": "*"};
        "LIST sys/leases/lookup/database/creds/app" => 200, {"data": {"keys": ["*", "*"]}};
        "POST sys/leases/renew", {"lease_id": "database/creds/app/none"} => 400, {"errors": ["~lease not found"]};
        "POST sys/leases/lookup", {"lease_id": "database/creds/app/none"} => 400, {"errors": ["~invalid lease"]};
    }
    let ttl = client
        .post("sys/leases/lookup", json!({"lease_id": credential.lease}))
        .number("/data/ttl");
    assert!(
        (86_000..=86_400).contains(&ttl),
        "the role's maximum caps a renewal: {ttl}"
    );
    // The expiry that PostgreSQL knows goes along with the lease's.
    let valid = database.query(&format!(
        "SELECT rolvaliduntil > now() + interval '20 hours' FROM pg_roles WHERE rolname = '{}'",
        credential.username
    ));
    assert!(valid[0].get::<_, bool>(0));
    client
        .post("sys/leases/revoke", json!({"lease_id": credential.lease}))
        .expect(204);
    dies(&database, &credential, "lease revoke");
    check! { client;
        "POST sys/leases/lookup", {"lease_id": credential.lease} => 400, {"errors": ["~invalid lease"]};
    }
}

/// Ends a lease, as the root client or as the one who asked for the credential.
type End = &'static dyn Fn(&Client, &Client, &Credential);

#[test]
fn a_credential_dies_however_its_lease_ends() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let ways: &[(&str, End)] = &[
        ("lease revoke", &|root, _, credential| {
            root.request(
                "PUT",
                "sys/leases/revoke",
                Some(&json!({"lease_id": credential.lease})),
            )
            .expect(204);
        }),
        ("lease revoke, sync", &|root, _, credential| {
            root.post(
                "sys/leases/revoke",
                json!({"lease_id": credential.lease, "sync": true}),
            )
            .expect(204);
        }),
        ("revoke-prefix", &|root, _, _| {
            root.post("sys/leases/revoke-prefix/database/creds/app", json!({}))
                .expect(204);
        }),
        ("revoke-force", &|root, _, _| {
            root.post("sys/leases/revoke-force/database/creds/app", json!({}))
                .expect(204);
        }),
        ("token revocation", &|root, asker, _| {
            root.post("auth/token/revoke", json!({"token": asker.token()}))
                .expect(204);
        }),
        ("the token's own wish", &|_, asker, _| {
            asker.post("auth/token/revoke-self", json!({})).expect(204);
        }),
    ];
    for (how, end) in ways {
        let asker = asker(&client, json!({"ttl": "1h"}));
        let credential = issue(&asker);
        assert!(works(&database, &credential), "before {how}");
        end(&client, &asker, &credential);
        dies(&database, &credential, how);
    }
}

#[test]
fn a_credential_dies_of_its_ttl_and_of_its_tokens() {
    let (_server, client, database) = dev(role("2s", "1m"));
    let of_ttl = issue(&client);
    client
        .post("database/roles/app", role("1h", "24h"))
        .expect(204);
    let short = asker(&client, json!({"ttl": "2s"}));
    let of_token = issue(&short);
    assert!(works(&database, &of_ttl) && works(&database, &of_token));
    let limit = Duration::from_secs(2) + DEAD;
    dies_within(limit, &database, &of_ttl, "its TTL");
    dies_within(limit, &database, &of_token, "its token's TTL");
}

#[test]
fn disable_takes_the_credentials_along() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let credentials: Vec<Credential> = (0..5).map(|_| issue(&client)).collect();
    client.delete("sys/mounts/database").expect(204);
    check! { client;
        "GET database/creds/app" => 404, {"errors": ["~no handler for route"]};
    }
    for credential in &credentials {
        dies(&database, credential, "secrets disable");
    }
}

#[test]
fn sessions_end_with_the_credential() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let credential = issue(&client);
    let mut session = database
        .connect(&credential.username, &credential.password)
        .unwrap();
    session.query("SELECT 1", &[]).unwrap();
    client
        .post(
            "sys/leases/revoke",
            json!({"lease_id": credential.lease, "sync": true}),
        )
        .expect(204);
    dies(&database, &credential, "revocation with an open session");
    until(DEAD, "the session is ended", || {
        session.query("SELECT 1", &[]).is_err()
    });
}

#[test]
fn nothing_is_left_after_sigkill() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    let database = Postgres::shared().database();
    configure(&client, &database, role("3s", "1m"));
    let expiring = issue(&client);
    client
        .post("database/roles/app", role("1h", "24h"))
        .expect(204);
    let kept = issue(&client);
    let short = asker(&client, json!({"ttl": "3s"}));
    let of_token = issue(&short);
    server.kill9();
    // PostgreSQL itself lets nobody in after the time that it was told; the role is still there.
    until(Duration::from_secs(20), "expired", || {
        !works(&database, &expiring)
    });
    assert_eq!(database.roles_like(&expiring.username).len(), 1);
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    dies(&database, &expiring, "its TTL, across a kill");
    dies(&database, &of_token, "its token's TTL, across a kill");
    assert!(works(&database, &kept));
    check! { client;
        "POST sys/leases/renew", {"lease_id": kept.lease, "increment": 600} => 200, {"lease_duration": 600};
    }
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    client
        .post("sys/leases/revoke", json!({"lease_id": kept.lease}))
        .expect(204);
    dies(&database, &kept, "lease revoke, after a kill");
}

#[test]
fn a_database_that_is_away_delays_only_its_own() {
    let mut away = Postgres::start(&["fsync=off"]).unwrap();
    let server = Server::dev().unwrap();
    let client = server.client();
    let (lost, name) = {
        let database = away.database();
        configure(&client, &database, role("1h", "24h"));
        (issue(&client), database.name)
    };
    let near = Postgres::shared().database();
    check! { client;
        "POST database/config/near", (connection(&near)) => 204, "?";
        "POST database/roles/near", {"db_name": "near", "creation_statements": CREATE, "default_ttl": "1h"}
            => 204, "?";
    }
    away.stop();
    // What cannot be revoked now is not forgotten, and keeps nobody waiting.
    client.post("sys/leases/revoke", json!({"lease_id": lost.lease}));
    let reply = client.get("database/creds/app");
    assert!(
        reply.status >= 500 && !reply.errors().is_empty(),
        "{reply:?}"
    );
    assert!(!reply.body.to_string().contains(PASSWORD));
    let reply = client.get("database/creds/near");
    let credential = Credential {
        lease: reply.text("/lease_id"),
        username: reply.text("/data/username"),
        password: reply.text("/data/password"),
    };
    assert!(works(&near, &credential));
    client
        .post("sys/leases/revoke", json!({"lease_id": credential.lease}))
        .expect(204);
    dies(
        &near,
        &credential,
        "lease revoke beside a database that is away",
    );
    away.run().unwrap();
    let mut admin = ::postgres::Config::new();
    admin
        .host("127.0.0.1")
        .port(away.address().port())
        .user(SUPERUSER)
        .password(PASSWORD)
        .dbname(&name);
    let mut admin = admin.connect(::postgres::NoTls).unwrap();
    until(
        Duration::from_secs(60),
        "revoked once the database is back",
        || {
            admin
                .query(
                    "SELECT 1 FROM pg_roles WHERE rolname = $1",
                    &[&lost.username],
                )
                .unwrap()
                .is_empty()
        },
    );
    // A connection that was lost is made anew, unseen.
    until(Duration::from_secs(10), "issues again", || {
        client.get("database/creds/app").is_ok()
    });
}

#[test]
fn statements_that_fail_leave_nothing() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let statements = [CREATE, "SELECT * FROM nowhere"];
    let body = json!({"db_name": "app", "creation_statements": statements, "default_ttl": "1h"});
    client.post("database/roles/halfway", body).ok();
    for _ in 0..3 {
        let reply = client.get("database/creds/halfway");
        assert!(
            reply.status >= 400 && reply.errors().contains("nowhere"),
            "{reply:?}"
        );
    }
    let leases = || {
        client
            .list("sys/leases/lookup/database/creds/halfway")
            .status
    };
    until(DEAD, "no lease", || leases() == 404);
    until(DEAD, "no role", || {
        database.roles_like("%halfway%").is_empty()
    });
}

#[test]
fn databases_that_misbehave() {
    let (_server, client, _database) = dev(role("1h", "24h"));
    for (what, address) in [
        ("mute", mute().unwrap()),
        ("rubbish", rubbish().unwrap()),
        ("absent", coffer_tests::port::free()),
    ] {
        let config = json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "u", "password": "hunter22",
                            "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@{address}/x?sslmode=disable&connect_timeout=3")});
        let began = std::time::Instant::now();
        let reply = client.post("database/config/bad", config.clone());
        assert!(
            reply.status >= 400 && !reply.errors().is_empty(),
            "{what}: {reply:?}"
        );
        assert!(
            !reply.body.to_string().contains("hunter22"),
            "{what}: {reply:?}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(50),
            "{what}: {:?}",
            began.elapsed()
        );
        client.get("database/config/bad").expect(404);
        let mut unverified = config;
        unverified["verify_connection"] = json!(false);
        client.post("database/config/bad", unverified).expect(204);
        client.get("database/creds/app").expect(200);
        client.delete("database/config/bad").expect(204);
    }
}

#[test]
fn configuration_is_told_without_its_secrets() {
    let (_server, client, database) = dev(role("1h", "24h"));
    check! { client;
        "GET database/config/app"
            => 200, {"data": {"plugin_name": "postgresql-database-plugin", "allowed_roles": ["*"],
                "connection_details": {"connection_url": database.url_template(), "username": SUPERUSER,
                "password": "!"}, "root_credentials_rotate_statements": "?", "password_policy": "?"}};
        "LIST database/config" => 200, {"data": {"keys": ["app"]}};
        "GET database/roles/app"
            => 200, {"data": {"db_name": "app", "creation_statements": [CREATE], "default_ttl": 3600,
                "max_ttl": 86400, "renew_statements": [], "revocation_statements": [], "rollback_statements": []}};
        "LIST database/roles" => 200, {"data": {"keys": ["app"]}};
        "GET database/roles/none" => 404, {"errors": []};
        "GET database/creds/none" => 400, {"errors": ["~unknown role"]};
        "POST database/roles/bad", {"creation_statements": CREATE} => 400, {"errors": ["*"]};
        "POST database/config/bad", {"plugin_name": "no-such-plugin"} => 400, {"errors": ["*"]};
        "POST database/config/bad", {} => 400, {"errors": ["*"]};
        "POST database/reset/app", {} => 204, "?";
        "POST database/roles/other", {"db_name": "app", "creation_statements": CREATE} => 204, "?";
    }
    // A role that the connection does not allow gets nothing.
    let mut only = connection(&database);
    only["allowed_roles"] = json!(["app"]);
    client.post("database/config/app", only).ok();
    let other = client.get("database/creds/other");
    assert!(
        other.status >= 400 && other.errors().contains("not an allowed role"),
        "{other:?}"
    );
    check! { client;
        "GET database/creds/app" => 200, {"lease_id": "*"};
        "DELETE database/roles/other" => 204;
        "GET database/roles/other" => 404, {"errors": []};
    }
}

#[test]
fn the_root_password_is_rotated() {
    let (_server, client, database) = dev(role("1h", "24h"));
    database.execute("CREATE ROLE vaultadmin SUPERUSER LOGIN PASSWORD 'first'");
    let mut config = connection(&database);
    config["username"] = json!("vaultadmin");
    config["password"] = json!("first");
    client.post("database/config/app", config).ok();
    let before = issue(&client);
    client.post("database/rotate-root/app", json!({})).ok();
    assert!(!database.can_login("vaultadmin", "first"));
    assert!(works(&database, &issue(&client)));
    client
        .post("sys/leases/revoke", json!({"lease_id": before.lease}))
        .expect(204);
    dies(
        &database,
        &before,
        "lease revoke with the new root password",
    );
    client
        .post("sys/leases/revoke-prefix/database", json!({"sync": true}))
        .expect(204);
    database.execute("DROP ROLE vaultadmin");
}

#[test]
fn a_lease_does_not_outlive_a_batch_token() {
    let (_server, client, _database) = dev(role("1h", "24h"));
    let batch = asker(&client, json!({"type": "batch", "ttl": "60s"}));
    let reply = batch.get("database/creds/app");
    let lease = reply.text("/lease_id");
    assert!(reply.number("/lease_duration") <= 60, "{reply:?}");
    let renewed = batch.post(
        "sys/leases/renew",
        json!({"lease_id": lease, "increment": 3600}),
    );
    assert!(renewed.number("/lease_duration") <= 60, "{renewed:?}");
    // One lease is named by its id where a prefix may stand.
    client
        .post(&format!("sys/leases/revoke-force/{lease}"), json!({}))
        .expect(204);
    client
        .post("sys/leases/lookup", json!({"lease_id": lease}))
        .expect(400);
}

#[test]
fn static_roles_rotate() {
    let (_server, client, database) = dev(role("1h", "24h"));
    let user = format!("static_{}", database.name);
    database.execute(&format!("CREATE ROLE {user} LOGIN PASSWORD 'first'"));
    let body = json!({"db_name": "app", "username": user, "rotation_period": "1h"});
    client.post("database/static-roles/fixed", body).ok();
    let read = || {
        let reply = client.get("database/static-creds/fixed");
        assert_eq!(reply.text("/data/username"), user);
        assert!((0..=3600).contains(&reply.number("/data/ttl")), "{reply:?}");
        reply.text("/data/password")
    };
    let first = read();
    assert!(database.can_login(&user, &first) && !database.can_login(&user, "first"));
    client.post("database/rotate-role/fixed", json!({})).ok();
    let second = read();
    assert!(database.can_login(&user, &second) && !database.can_login(&user, &first));
    // A use of the token is stored half-way, when the rotation is.
    let limited = client.post(
        "auth/token/create",
        json!({"policies": ["root"], "num_uses": 3, "ttl": "1h"}),
    );
    let limited = client.with_token(&limited.text("/auth/client_token"));
    check! { limited;
        "POST database/rotate-role/fixed", {} => 204;
        "GET auth/token/lookup-self" => 200, {"data": {"num_uses": 1}};
        "GET database/creds/app" => 400, {"errors": ["~one use left"]};
        "GET auth/token/lookup-self" => 403, {"errors": "*"};
    }
    let third = read();
    assert!(database.can_login(&user, &third) && !database.can_login(&user, &second));
    check! { client;
        "GET database/static-roles/fixed"
            => 200, {"data": {"db_name": "app", "username": user, "rotation_period": 3600,
                "last_vault_rotation": "*"}};
        "LIST database/static-roles" => 200, {"data": {"keys": ["fixed"]}};
        "POST database/static-roles/bad", {"db_name": "app", "username": user} => 400, {"errors": ["*"]};
        "GET database/static-creds/none" => 400, {"errors": ["~unknown role"]};
        // Vault's least period is 5 s, and it is kept.
        "POST database/static-roles/fixed", {"db_name": "app", "username": user, "rotation_period": "5s"} => 204, "?";
    }
    let before = read();
    until(Duration::from_secs(15), "rotated by itself", || {
        read() != before
    });
    client.delete("database/static-roles/fixed").expect(204);
    check! { client;
        "GET database/static-creds/fixed" => 400, {"errors": ["~unknown role"]};
    }
    database.execute(&format!("DROP ROLE {user}"));
}

#[test]
fn many_at_once() {
    const ASKERS: usize = 16;
    let (_server, client, database) = dev(role("1h", "24h"));
    let credentials: Vec<Credential> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS)
            .map(|_| scope.spawn(|| (0..4).map(|_| issue(&client)).collect::<Vec<_>>()))
            .collect();
        askers
            .into_iter()
            .flat_map(|asker| asker.join().unwrap())
            .collect()
    });
    let mut names: Vec<&str> = credentials
        .iter()
        .map(|credential| credential.username.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ASKERS * 4);
    client
        .post(
            "sys/leases/revoke-prefix/database/creds/app",
            json!({"sync": true}),
        )
        .expect(204);
    for credential in &credentials {
        dies(&database, credential, "revoke-prefix");
    }
}
