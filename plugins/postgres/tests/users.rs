//! Users of a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use coffer_sdk::backend::UserRequest;
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::postgres::{Database, PASSWORD, Postgres, SUPERUSER};
use common::{change, open, removal, superuser, user};
use serde_json::json;

const CREATE: &str =
    "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'";

fn database() -> Database<'static> {
    Postgres::shared().database()
}

fn in_seconds(seconds: u64) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    (now + seconds) * 1000
}

fn password(request: &UserRequest) -> &str {
    &request.password
}

#[test]
fn the_life_of_a_user() {
    let database = database();
    database.execute("CREATE TABLE t (i int); CREATE SCHEMA s; CREATE TABLE s.\"T 2\" (i int); CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let mut postgres = superuser(&database.url_template());
    let grants = [
        CREATE,
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{{name}}\";\n\nGRANT USAGE ON SCHEMA s TO \"{{name}}\"; -- and",
        "GRANT SELECT (i) ON s.\"T 2\" TO \"{{name}}\"; GRANT EXECUTE ON FUNCTION s.f(int) TO \"{{name}}\"",
        "GRANT CONNECT, TEMP ON DATABASE \"{{db}}\" TO \"{{username}}\"",
    ]
    .map(|statement| statement.replace("{{db}}", &database.name));
    let request = UserRequest {
        expires: Some(in_seconds(60)),
        ..user("v-life", &grants.each_ref().map(String::as_str))
    };
    postgres.ping().unwrap();
    postgres.create_user(&request).unwrap();
    assert!(database.can_login("v-life", password(&request)));
    let mut client = database.connect("v-life", password(&request)).unwrap();
    client
        .batch_execute("SELECT * FROM t; SELECT i FROM s.\"T 2\"; SELECT s.f(1)")
        .unwrap();

    postgres
        .update_user(&change("v-life", None, Some(in_seconds(0) - 1000)))
        .unwrap();
    assert!(
        !database.can_login("v-life", password(&request)),
        "it has expired"
    );
    postgres
        .update_user(&change("v-life", Some("n3w"), Some(in_seconds(60))))
        .unwrap();
    assert!(database.can_login("v-life", "n3w"));

    postgres.delete_user(&removal("v-life", &[])).unwrap();
    assert!(database.roles_like("v-life").is_empty());
    assert!(
        client.batch_execute("SELECT 1").is_err(),
        "its session has ended"
    );
    postgres
        .delete_user(&removal("v-life", &[]))
        .expect("gone already is removed");
}

#[test]
fn statements_take_every_form() {
    let database = database();
    let mut postgres = superuser(&database.url_template());
    let file = r#"
        -- a whole file; it's one entry
        CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'; /* with a ; in a comment */
        DO $body$ BEGIN
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), '{{name}}');
        END $body$;
        COMMENT ON ROLE "{{name}}" IS 'semi;colon'"#;
    let list = r#"["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'", ";"]"#;
    let base64 = "Q1JFQVRFIFJPTEUgInt7bmFtZX19IiBMT0dJTiBQQVNTV09SRCAne3twYXNzd29yZH19Jzs=";
    for (i, statement) in [file, list, base64].into_iter().enumerate() {
        let request = user(&format!("v-form-{i}"), &["", statement]);
        postgres.create_user(&request).unwrap();
        assert!(
            database.can_login(&request.username, password(&request)),
            "{statement}"
        );
        postgres
            .delete_user(&removal(&request.username, &[]))
            .unwrap();
    }
    let error = postgres
        .create_user(&user("v-form", &["", " "]))
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::InvalidRequest, "empty creation statements")
    );
}

#[test]
fn what_statements_set_ends_with_them() {
    let database = database();
    database.execute("CREATE ROLE settled; GRANT CREATE ON SCHEMA public TO settled");
    let mut postgres = superuser(&database.url_template());
    let statements = [
        CREATE,
        "SET search_path TO nowhere",
        "SET ROLE settled",
        "SET SESSION statement_timeout TO 1",
    ];
    postgres.create_user(&user("v-set-1", &statements)).unwrap();
    let statements = [
        CREATE,
        "SELECT pg_sleep(0.01)",
        "SET ROLE settled",
        "BROKEN",
    ];
    postgres
        .create_user(&user("v-set-2", &statements))
        .unwrap_err();
    postgres
        .create_user(&user("v-set-2", &[CREATE, "CREATE TABLE made (i int)"]))
        .unwrap();
    assert_eq!(database.query("SELECT 1 FROM public.made").len(), 0);
    for name in ["v-set-1", "v-set-2"] {
        postgres.delete_user(&removal(name, &[])).unwrap();
    }
    database.execute("DROP OWNED BY settled; DROP ROLE settled");
}

#[test]
fn a_failure_half_way_leaves_nothing() {
    let database = database();
    database.execute("CREATE TABLE log (line text)");
    let mut postgres = superuser(&database.url_template());
    #[rustfmt::skip]
    let table = [
        (&[CREATE, "GRANT SELECT ON nothing TO \"{{name}}\""][..], "relation \"nothing\" does not exist (SQLSTATE 42P01)"),
        (&[CREATE, "SELECT 'open"][..], "unterminated quoted string"),
        (&[CREATE, "/* open"][..], "unterminated /* comment"),
        (&[CREATE, "SELECT $$open"][..], "unterminated dollar-quoted string"),
        (&[CREATE, "BEGN"][..], "syntax error"),
        (&[CREATE, "SELECT 1/0"][..], "division by zero"),
        (&[CREATE, "SELECT '{{password}}'::int"][..], "[password]"),
        (&[CREATE, "VACUUM"][..], "cannot run inside a transaction block"),
    ];
    for (statements, expected) in table {
        let rollback = "INSERT INTO log VALUES ('{{name}}')".to_owned();
        let request = UserRequest {
            rollback_statements: vec![rollback],
            ..user("v-half", statements)
        };
        let error = postgres.create_user(&request).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
        assert!(error.message.contains(expected), "{}", error.message);
        assert!(!error.message.contains("Pa55"), "{}", error.message);
        assert!(database.roles_like("v-half").is_empty(), "{statements:?}");
    }
    let lines: i64 = database.query("SELECT count(*) FROM log WHERE line = 'v-half'")[0].get(0);
    assert_eq!(lines, 8, "the rollback statements ran each time");
    let twice = UserRequest {
        rollback_statements: vec!["nonsense".to_owned()],
        ..user("v-half", &["SELECT 1/0"])
    };
    let error = postgres.create_user(&twice).unwrap_err().message;
    assert!(
        error.contains("division by zero") && error.contains("the rollback statements failed"),
        "{error}"
    );
}

#[test]
fn copy_has_no_place_here() {
    let database = database();
    database.execute("CREATE TABLE t (i int)");
    let mut postgres = superuser(&database.url_template());
    let error = postgres
        .create_user(&user("v-copy", &[CREATE, "COPY t FROM STDIN"]))
        .unwrap_err();
    assert!(error.message.contains("COPY"), "{error:?}");
    postgres
        .create_user(&user(
            "v-copy",
            &[
                CREATE,
                "COPY t TO STDOUT",
                "SELECT generate_series(1, 5000)",
            ],
        ))
        .unwrap();
    postgres.delete_user(&removal("v-copy", &[])).unwrap();
}

#[test]
fn sessions_end_with_their_user() {
    let database = database();
    database.execute("CREATE TABLE t (i int)");
    let mut postgres = superuser(&database.url_template());
    let custom = ["DROP OWNED BY \"{{name}}\"; DROP ROLE \"{{name}}\""];
    for (i, statements) in [&[][..], &custom[..]].into_iter().enumerate() {
        let request = user(
            &format!("v-session-{i}"),
            &[CREATE, "GRANT SELECT ON t TO \"{{name}}\""],
        );
        postgres.create_user(&request).unwrap();
        let mut sessions: Vec<_> = (0..5)
            .map(|_| {
                database
                    .connect(&request.username, password(&request))
                    .unwrap()
            })
            .collect();
        for session in &mut sessions {
            session
                .batch_execute("CREATE TEMP TABLE mine (i int); BEGIN; SELECT * FROM t")
                .unwrap();
        }
        postgres
            .delete_user(&removal(&request.username, statements))
            .unwrap();
        let left = database.query(
            "SELECT pid FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL",
        );
        assert!(left.is_empty(), "no session without a user");
        assert!(
            sessions
                .iter_mut()
                .all(|session| session.batch_execute("SELECT 1").is_err())
        );
        assert!(database.roles_like(&request.username).is_empty());
    }
}

#[test]
fn what_cannot_be_dropped_is_locked_out_and_told() {
    let database = database();
    let mut postgres = superuser(&database.url_template());
    let request = user(
        "v-owner",
        &[
            CREATE,
            "CREATE TABLE owned (i int); ALTER TABLE owned OWNER TO \"{{name}}\"",
        ],
    );
    postgres.create_user(&request).unwrap();
    let error = postgres.delete_user(&removal("v-owner", &[])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(
        error.message.contains("2BP01") && error.message.contains("owner of table owned"),
        "{}",
        error.message
    );
    assert!(!database.can_login("v-owner", password(&request)));
    database.execute("DROP TABLE owned");
    postgres.delete_user(&removal("v-owner", &[])).unwrap();

    postgres.create_user(&user("v-kept", &[CREATE])).unwrap();
    let error = postgres
        .delete_user(&removal("v-kept", &["SELECT '{{name}}'"]))
        .unwrap_err();
    assert!(
        error.message.contains("\"v-kept\" is still there"),
        "{}",
        error.message
    );
    postgres
        .delete_user(&removal("v-kept", &["DROP ROLE \"{{name}}\";"]))
        .unwrap();
}

#[test]
fn the_connection_does_not_remove_itself() {
    let database = database();
    let error = superuser(&database.url_template())
        .delete_user(&removal(SUPERUSER, &[]))
        .unwrap_err();
    assert!(
        error.message.contains("connection's own user"),
        "{}",
        error.message
    );
    assert!(database.can_login(SUPERUSER, PASSWORD));
}

#[test]
fn strange_names_stay_names() {
    let database = database();
    let mut postgres = superuser(&database.url_template());
    let name = "it's \"odd\"\\; $$ --";
    database.execute(&format!(
        "CREATE ROLE \"{}\" LOGIN",
        name.replace('"', "\"\"")
    ));
    postgres
        .update_user(&change(name, Some("p'w\\"), Some(in_seconds(60))))
        .unwrap();
    assert!(database.can_login(name, "p'w\\"));
    let custom = removal(name, &["DROP ROLE \"{{name}}\""]);
    assert!(
        postgres
            .delete_user(&custom)
            .unwrap_err()
            .message
            .contains("cannot stand in a statement")
    );
    postgres.delete_user(&removal(name, &[])).unwrap();
    assert!(database.roles_like("it's%").is_empty());
    for name in ["", &"x".repeat(64)] {
        assert_eq!(
            postgres.delete_user(&removal(name, &[])).unwrap_err().kind,
            ErrorKind::InvalidRequest
        );
        assert_eq!(
            postgres
                .create_user(&user(name, &[CREATE]))
                .unwrap_err()
                .kind,
            ErrorKind::InvalidRequest
        );
    }
}

#[test]
fn a_change_of_nobody_is_an_error() {
    let database = database();
    let mut postgres = superuser(&database.url_template());
    let error = postgres
        .update_user(&change("v-nobody", Some("x"), None))
        .unwrap_err();
    assert!(error.message.contains("42704"), "{}", error.message);
    assert_eq!(
        postgres
            .update_user(&change("v-nobody", None, None))
            .unwrap_err()
            .message,
        "no changes requested"
    );
}

#[test]
fn the_server_can_be_spared_the_password() {
    let database = database();
    let mut postgres = open(json!({
        "connection_url": database.url_template(), "username": SUPERUSER, "password": PASSWORD,
        "password_authentication": "scram-sha-256",
    }))
    .unwrap();
    let request = user(
        "v-scram",
        &[
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'",
            "SELECT 1",
        ],
    );
    postgres.create_user(&request).unwrap();
    assert!(database.can_login("v-scram", password(&request)));
    postgres
        .update_user(&change("v-scram", Some("0ther"), None))
        .unwrap();
    assert!(database.can_login("v-scram", "0ther"));
    let failing = user("v-scram2", &["SELECT '{{password}}'::int"]);
    let error = postgres.create_user(&failing).unwrap_err().message;
    assert!(
        error.contains("[password]") && !error.contains("SCRAM-SHA"),
        "{error}"
    );
    postgres.delete_user(&removal("v-scram", &[])).unwrap();
}

/// Grants on the same schema collide in PostgreSQL's catalogue.
#[test]
fn many_at_once() {
    let database = database();
    database.execute("CREATE TABLE t (i int)");
    let url = database.url_template();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let url = &url;
            scope.spawn(move || {
                let mut postgres = superuser(url);
                for i in 0..15 {
                    let name = format!("v-many-{thread}-{i}");
                    let grants = "GRANT USAGE ON SCHEMA public TO \"{{name}}\"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{{name}}\"";
                    postgres.create_user(&user(&name, &[CREATE, grants])).unwrap();
                    if i % 2 == 0 {
                        postgres.delete_user(&removal(&name, &[])).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(database.roles_like("v-many-%").len(), 6 * 7);
    let mut postgres = superuser(&url);
    for name in database.roles_like("v-many-%") {
        postgres.delete_user(&removal(&name, &[])).unwrap();
    }
    assert!(database.roles_like("v-many-%").is_empty());
}

/// The least that a connection's user needs.
#[test]
fn without_a_superuser() {
    let database = database();
    database.execute(&format!(
        "CREATE ROLE \"vault-{0}\" LOGIN CREATEROLE PASSWORD 'x'; CREATE SCHEMA s AUTHORIZATION \"vault-{0}\"",
        database.name
    ));
    let mut postgres = open(json!({
        "connection_url": database.url_template(), "username": format!("vault-{}", database.name), "password": "x",
    }))
    .unwrap();
    let request = user(
        "v-least",
        &[CREATE, "GRANT USAGE ON SCHEMA s TO \"{{name}}\""],
    );
    postgres.create_user(&request).unwrap();
    let mut session = database.connect("v-least", password(&request)).unwrap();
    postgres.delete_user(&removal("v-least", &[])).unwrap();
    assert!(session.batch_execute("SELECT 1").is_err());
    assert!(database.roles_like("v-least").is_empty());
}
