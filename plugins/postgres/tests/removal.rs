//! Users that are removed while somebody is at them, or that are not ours to remove.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use coffer_sdk::backend::{UserNaming, UserRequest};
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::postgres::Postgres;
use coffer_tests::until;
use common::{open, removal, superuser, user};
use serde_json::json;

const CREATE: &str = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'";

#[test]
fn a_creation_under_way_ends_first() {
    let database = Postgres::shared().database();
    let url = database.url_template();
    let url = url.as_str();
    std::thread::scope(|scope| {
        let creation = scope.spawn(move || {
            superuser(url).create_user(&user("v-slow", &[CREATE, "SELECT pg_sleep(15)"]))
        });
        until(Duration::from_secs(10), "the creation is under way", || {
            let sleeps = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%v-slow%' AND wait_event = 'PgSleep'";
            !database.query(sleeps).is_empty()
        });
        superuser(url).delete_user(&removal("v-slow", &[])).unwrap();
        let error = creation.join().unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    });
    assert!(database.roles_like("v-slow").is_empty());
    let mut postgres = superuser(url);
    postgres.create_user(&user("v-slow", &[CREATE])).unwrap();
    postgres.delete_user(&removal("v-slow", &[])).unwrap();
}

#[test]
fn a_name_that_is_taken_stays_with_who_has_it() {
    let database = Postgres::shared().database();
    database.execute("CREATE ROLE v_theirs");
    let mut postgres = superuser(&database.url_template());
    assert!(postgres.exists("v_theirs").unwrap());
    assert!(!postgres.exists("v_nobody").unwrap());
    let request = UserRequest {
        rollback_statements: vec!["DROP ROLE IF EXISTS \"{{name}}\"".to_owned()],
        ..user("v_theirs", &[CREATE])
    };
    let error = postgres.create_user(&request).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("already exists"), "{error:?}");
    assert_eq!(database.roles_like("v_theirs").len(), 1);
    // Something else that is there already is an error like any other.
    let twice = user("v_mine", &[CREATE, CREATE]);
    let error = postgres.create_user(&twice).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    database.execute("DROP ROLE v_theirs");
}

#[test]
fn names_hold_nothing_strange() {
    let database = Postgres::shared().database();
    let mut postgres = superuser(&database.url_template());
    let naming = UserNaming {
        display_name: "a;b c/d\u{2028}'e".to_owned(),
        role_name: "r@x.y+z_1".to_owned(),
        template: "{{.DisplayName}}~{{.RoleName}}".to_owned(),
    };
    assert_eq!(postgres.username(&naming).unwrap(), "a-b-c-d--e~r@x.y+z_1");
}

#[test]
fn errors_are_short_and_hide_no_words() {
    let database = Postgres::shared().database();
    database.execute(
        "DO $$ BEGIN FOR i IN 1..50 LOOP EXECUTE format('CREATE TABLE t%s (i int)', i); END LOOP; END $$",
    );
    let mut postgres = superuser(&database.url_template());
    let own = "DO $$ BEGIN FOR i IN 1..50 LOOP EXECUTE format('ALTER TABLE t%s OWNER TO \"{{name}}\"', i); END LOOP; END $$";
    let request = UserRequest {
        password: "ow".to_owned(),
        ..user("v-many-things", &[CREATE, own])
    };
    postgres.create_user(&request).unwrap();
    let error = postgres
        .delete_user(&removal("v-many-things", &[]))
        .unwrap_err();
    let lines = error.message.lines().count();
    assert!((2..10).contains(&lines), "{}", error.message);
    let error = postgres
        .create_user(&UserRequest {
            statements: vec!["SELECT 1/0 FROM nowhere".to_owned()],
            ..request
        })
        .unwrap_err();
    assert!(error.message.contains("nowhere"), "{}", error.message);
    database.execute("DROP OWNED BY \"v-many-things\"; DROP ROLE \"v-many-things\"");
}

/// The operator's own functions may do what the connection's user may not.
#[test]
fn custom_statements_end_what_the_connection_cannot() {
    let database = Postgres::shared().database();
    let ops = format!("ops_{}", database.name);
    database.execute(&format!(
        "CREATE ROLE {ops} LOGIN PASSWORD 'x';
         CREATE FUNCTION make(name text, password text) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', name, password); END $$;
         CREATE FUNCTION sack(name text, sessions bool) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
             $$ BEGIN
                PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = name AND sessions;
                EXECUTE format('DROP ROLE %I', name);
             END $$;"
    ));
    let mut postgres = open(
        json!({ "connection_url": database.url_template(), "username": ops, "password": "x" }),
    )
    .unwrap();
    let make = "SELECT make('{{name}}', '{{password}}')";
    let request = user("v-sacked", &[make]);
    postgres.create_user(&request).unwrap();
    let mut session = database.connect("v-sacked", &request.password).unwrap();
    let error = postgres.delete_user(&removal("v-sacked", &[])).unwrap_err();
    assert!(error.message.contains("42501"), "{error:?}");
    postgres
        .delete_user(&removal("v-sacked", &["SELECT sack('{{name}}', true)"]))
        .unwrap();
    assert!(session.batch_execute("SELECT 1").is_err());
    assert!(database.roles_like("v-sacked").is_empty());

    postgres.create_user(&request).unwrap();
    let _session = database.connect("v-sacked", &request.password).unwrap();
    let error = postgres
        .delete_user(&removal("v-sacked", &["SELECT sack('{{name}}', false)"]))
        .unwrap_err();
    assert!(error.message.contains("do not end"), "{error:?}");
    database.execute(&format!("DROP OWNED BY {ops}; DROP ROLE {ops}"));
}
