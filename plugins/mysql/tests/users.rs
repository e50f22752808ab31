//! Users of a real server, from their first statement to their last session.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use coffer_sdk::backend::{UserChange, UserNaming, UserRequest};
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::MySql as Server;
use coffer_tests::mysql::{PASSWORD, SUPERUSER};
use common::{CREATE, change, config, host, open, removal, superuser, user};
use serde_json::json;

#[test]
fn the_life_of_a_user() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let database = server.database();
    server.execute(&format!("CREATE TABLE {database}.t (i int)"));
    let mut mysql = superuser(server);
    let grant = format!("GRANT SELECT ON {database}.* TO '{{{{name}}}}'@'%';");
    let request = UserRequest {
        expires: Some(1_900_000_000_000),
        ..user("v-life", &[&format!("{CREATE}; {grant}"), ""])
    };
    mysql.ping().unwrap();
    assert!(!mysql.exists("v-life").unwrap());
    mysql.create_user(&request).unwrap();
    assert!(mysql.exists("v-life").unwrap());
    let select = format!("SELECT COUNT(*) FROM {database}.t");
    let rows = server.try_query("v-life", &request.password, &select);
    assert_eq!(rows.unwrap(), [["0"]]);
    let insert = format!("INSERT INTO {database}.t VALUES (1)");
    assert!(
        server
            .try_query("v-life", &request.password, &insert)
            .is_err()
    );

    mysql
        .update_user(&change("v-life", Some("it's n3w\\"), None))
        .unwrap();
    assert!(server.can_login("v-life", "it's n3w\\"));
    assert!(!server.can_login("v-life", &request.password));
    let custom = UserChange {
        statements: vec!["ALTER USER '{{username}}'@'%' IDENTIFIED BY '{{password}}'".to_owned()],
        ..change("v-life", Some("0ther"), None)
    };
    mysql.update_user(&custom).unwrap();
    assert!(server.can_login("v-life", "0ther"));
    mysql
        .update_user(&change("v-life", None, Some(1)))
        .expect("an expiry is the engine's alone");

    let mut session = server.connect("v-life", "0ther").unwrap();
    mysql.delete_user(&removal("v-life", &[])).unwrap();
    assert!(!session.works(), "its session has ended");
    mysql
        .delete_user(&removal("v-life", &[]))
        .expect("gone already is removed");
    assert!(server.users_like("v-life").is_empty());
    assert_eq!(server.sessions_like("v-life"), 0);
}

#[test]
fn statements_take_every_form() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let mut mysql = superuser(server);
    let list = r#"["CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", "SELECT 'a;b'"]"#;
    let base64 = "Q1JFQVRFIFVTRVIgJ3t7bmFtZX19J0AnJScgSURFTlRJRklFRCBCWSAne3twYXNzd29yZH19Jzs=";
    let several = format!("{CREATE};\n SELECT '{{{{expiration}}}}', 1 UNION SELECT 2, 2;");
    for (i, statement) in [list, base64, &several].into_iter().enumerate() {
        let request = user(&format!("v-form-{i}"), &["", statement]);
        mysql.create_user(&request).unwrap();
        assert!(
            server.can_login(&request.username, &request.password),
            "{statement}"
        );
        mysql.delete_user(&removal(&request.username, &[])).unwrap();
    }
    for nothing in [&[][..], &["", " ; "][..]] {
        let error = mysql.create_user(&user("v-form", nothing)).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::InvalidRequest, "empty creation statements")
        );
    }
    assert!(server.users_like("v-form%").is_empty());
}

#[test]
fn a_name_that_is_taken_stays_with_who_has_it() {
    let server = Server::shared();
    let _host = host(server.address().port());
    server.execute("CREATE USER 'v-theirs'@'10.0.0.1' IDENTIFIED BY 'theirs'");
    let mut mysql = superuser(server);
    let request = UserRequest {
        rollback_statements: vec!["DROP USER IF EXISTS '{{name}}'@'10.0.0.1'".to_owned()],
        ..user("v-theirs", &[CREATE])
    };
    let error = mysql.create_user(&request).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
    assert_eq!(server.users_like("v-theirs"), ["v-theirs@10.0.0.1"]);
    // Without the right to see who there is, it is the statement that says so.
    server.execute(
        "CREATE USER 'v_blind'@'%' IDENTIFIED BY 'x'; GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO 'v_blind'@'%'; \
         CREATE USER 'v-theirs'@'%' IDENTIFIED BY 'theirs'",
    );
    let mut blind = config(&server.url_template());
    blind["username"] = json!("v_blind");
    blind["password"] = json!("x");
    let mut blind = open(blind).unwrap();
    assert!(blind.exists("v-theirs").unwrap());
    assert!(!blind.exists("v-nobody").unwrap());
    let error = blind.create_user(&request).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
    assert!(server.can_login("v-theirs", "theirs"));
    // And so much is enough for a user's whole life.
    let own = user("v-least", &[CREATE]);
    blind.create_user(&own).unwrap();
    let mut session = server.connect("v-least", &own.password).unwrap();
    blind.delete_user(&removal("v-least", &[])).unwrap();
    assert!(!session.works());
    blind.delete_user(&removal("v-least", &[])).unwrap();
    // What has several accounts loses them all.
    mysql.delete_user(&removal("v-theirs", &[])).unwrap();
    server.execute("DROP USER 'v_blind'@'%'");
    for name in ["v-theirs", "v-least", "v_blind"] {
        assert!(server.users_like(name).is_empty(), "{name}");
    }
}

#[test]
fn a_failure_half_way_leaves_nothing() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let database = server.database();
    server.execute(&format!("CREATE TABLE {database}.log (line text)"));
    let mut mysql = superuser(server);
    let insert = format!("INSERT INTO {database}.log VALUES ('row')");
    let here = format!("CREATE USER '{{{{name}}}}'@'localhost'; {CREATE}");
    #[rustfmt::skip]
    let table = [
        (&[CREATE, "GRANT SELECT ON nothing.* TO 'v-nobody'@'nowhere'"][..], "Error 1133"),
        (&[CREATE, "BEGN"][..], "Error 1064"),
        (&[CREATE, &insert, "SELECT 1 FROM nowhere.t"][..], "Error 1146"),
        (&[CREATE, "BEGN '{{password}}'"][..], "[password]"),
        (&[CREATE, CREATE][..], "Error 1396"),
        (&[&here, "BEGN"][..], "Error 1064"),
        (&["BEGN", CREATE][..], "Error 1064"),
    ];
    let count = table.len();
    for (statements, expected) in table {
        let rollback = format!("INSERT INTO {database}.log VALUES ('{{{{name}}}}')");
        let request = UserRequest {
            rollback_statements: vec![rollback],
            ..user("v-half", statements)
        };
        let error = mysql.create_user(&request).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
        assert!(error.message.contains(expected), "{}", error.message);
        assert!(!error.message.contains("Pa55"), "{}", error.message);
        assert!(server.users_like("v-half").is_empty(), "{statements:?}");
    }
    let lines = server.query(&format!(
        "SELECT line, COUNT(*) FROM {database}.log GROUP BY 1"
    ));
    assert_eq!(lines, [["v-half".to_owned(), count.to_string()]]);
    let twice = UserRequest {
        rollback_statements: vec!["nonsense".to_owned()],
        ..user("v-half", &[CREATE, "BEGN"])
    };
    let error = mysql.create_user(&twice).unwrap_err().message;
    assert!(error.contains("the rollback statements failed"), "{error}");
    assert!(server.users_like("v-half").is_empty());
}

#[test]
fn what_statements_set_ends_with_them() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let database = server.database();
    let mut mysql = superuser(server);
    let using = format!("USE {database}");
    let sets = [
        CREATE,
        &using,
        "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    ];
    mysql.create_user(&user("v-set-1", &sets)).unwrap();
    let error = mysql
        .create_user(&user("v-set-2", &[CREATE, "CREATE TABLE made (i int)"]))
        .unwrap_err();
    assert!(error.message.contains("Error 1046"), "{}", error.message);
    // Of the connection's own configuration it does not.
    let strict = format!(
        "{}{database}?sql_mode=%27NO_BACKSLASH_ESCAPES%27",
        server.url_template()
    );
    let mut other = open(config(&strict)).unwrap();
    other
        .update_user(&change("v-set-1", Some(r"a\'b"), None))
        .unwrap();
    assert!(server.can_login("v-set-1", r"a\'b"));
    other
        .create_user(&user("v-set-2", &[CREATE, "CREATE TABLE made (i int)"]))
        .unwrap();
    for name in ["v-set-1", "v-set-2"] {
        mysql.delete_user(&removal(name, &[])).unwrap();
    }
    assert!(server.users_like("v-set-%").is_empty());
}

#[test]
fn sessions_end_with_their_user() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let mut mysql = superuser(server);
    let custom =
        ["REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{{name}}'@'%'; DROP USER '{{name}}'@'%'"];
    for (i, statements) in [&[][..], &custom[..]].into_iter().enumerate() {
        let request = user(&format!("v-session-{i}"), &[CREATE]);
        mysql.create_user(&request).unwrap();
        let mut sessions: Vec<_> = (0..5)
            .map(|_| {
                server
                    .connect(&request.username, &request.password)
                    .unwrap()
            })
            .collect();
        mysql
            .delete_user(&removal(&request.username, statements))
            .unwrap();
        assert_eq!(server.sessions_like(&request.username), 0);
        assert!(sessions.iter_mut().all(|session| !session.works()));
    }
    // A session outlives a user that somebody else dropped; a removal ends it all the same.
    let request = user("v-session-2", &[CREATE]);
    mysql.create_user(&request).unwrap();
    let mut session = server
        .connect(&request.username, &request.password)
        .unwrap();
    server.execute("DROP USER 'v-session-2'@'%'");
    assert!(session.works());
    mysql.delete_user(&removal("v-session-2", &[])).unwrap();
    assert!(!session.works());
    assert!(server.users_like("v-session-%").is_empty());
}

#[test]
fn what_is_not_dropped_is_locked_out_and_told() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let mut mysql = superuser(server);
    let request = user("v-kept", &[CREATE]);
    mysql.create_user(&request).unwrap();
    let mut session = server.connect("v-kept", &request.password).unwrap();
    for statements in ["SELECT '{{name}}'", "BEGN"] {
        let error = mysql
            .delete_user(&removal("v-kept", &[statements]))
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    }
    assert!(!session.works());
    assert!(!server.can_login("v-kept", &request.password));
    let error = mysql.delete_user(&removal(SUPERUSER, &[])).unwrap_err();
    assert!(error.message.contains("connection's own user"), "{error:?}");
    assert!(server.can_login(SUPERUSER, PASSWORD));
    mysql
        .delete_user(&removal("v-kept", &["DROP USER '{{name}}'@'%';"]))
        .unwrap();
    assert!(server.users_like("v-kept").is_empty());
}

/// A user whose sessions could not be ended is not made.
#[test]
fn without_the_right_to_see_sessions() {
    let server = Server::shared();
    let _host = host(server.address().port());
    server.execute(
        "CREATE USER 'v_short'@'%' IDENTIFIED BY 'x'; GRANT CREATE USER ON *.* TO 'v_short'@'%' WITH GRANT OPTION; \
         CREATE USER 'v_sees'@'%' IDENTIFIED BY 'x'; GRANT CREATE USER, PROCESS ON *.* TO 'v_sees'@'%'",
    );
    let login = |name: &str| {
        let mut login = config(&server.url_template());
        login["username"] = json!(name);
        login["password"] = json!("x");
        open(login).unwrap()
    };
    let mut short = login("v_short");
    short.ping().unwrap();
    let error = short.create_user(&user("v-unseen", &[CREATE])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("PROCESS"), "{}", error.message);
    assert!(server.users_like("v-unseen").is_empty());
    // Nor is it said that a session has ended which goes on.
    let mut sees = login("v_sees");
    let request = user("v-unseen", &[CREATE]);
    sees.create_user(&request).unwrap();
    let mut session = server.connect("v-unseen", &request.password).unwrap();
    let error = sees.delete_user(&removal("v-unseen", &[])).unwrap_err();
    assert!(error.message.contains("do not end"), "{}", error.message);
    assert!(session.works());
    assert!(
        server.users_like("v-unseen").is_empty(),
        "but nobody can log in"
    );
    // As it is on Amazon's servers.
    server.execute(
        "CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) SQL SECURITY DEFINER KILL thread; \
         GRANT EXECUTE ON PROCEDURE mysql.rds_kill TO 'v_sees'@'%'",
    );
    sees.delete_user(&removal("v-unseen", &[])).unwrap();
    assert!(!session.works());
    server.execute("DROP PROCEDURE mysql.rds_kill");
    // What a connection does for itself needs no more than itself.
    short
        .update_user(&change("v_short", Some("n3w"), None))
        .unwrap();
    assert!(server.can_login("v_short", "n3w"));
    server.execute("DROP USER 'v_short'@'%', 'v_sees'@'%'");
    for name in ["v-unseen", "v_short", "v_sees"] {
        assert!(server.users_like(name).is_empty());
    }
}

#[test]
fn strange_names_and_passwords() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let mut mysql = superuser(server);
    for name in ["", &"x".repeat(33), "it's", "a\"b", "a\\b", "a`b", "a\nb"] {
        let kinds = [
            mysql.delete_user(&removal(name, &[])).unwrap_err().kind,
            mysql.create_user(&user(name, &[CREATE])).unwrap_err().kind,
            mysql
                .update_user(&change(name, Some("x"), None))
                .unwrap_err()
                .kind,
            mysql.exists(name).unwrap_err().kind,
        ];
        assert_eq!(kinds, [ErrorKind::InvalidRequest; 4], "{name:?}");
    }
    let quoted = UserRequest {
        password: "a' OR '".to_owned(),
        ..user("v-strange", &[CREATE])
    };
    let error = mysql.create_user(&quoted).unwrap_err();
    assert!(error.message.contains("cannot stand in a statement"));
    let longest = user(&format!("v-strange@%{}", "x".repeat(21)), &[CREATE]);
    mysql.create_user(&longest).unwrap();
    assert!(server.can_login(&longest.username, &longest.password));
    // Only by the case of a letter.
    let upper = user(&longest.username.to_uppercase(), &[CREATE]);
    mysql.create_user(&upper).unwrap();
    mysql.delete_user(&removal(&upper.username, &[])).unwrap();
    assert!(server.can_login(&longest.username, &longest.password));
    mysql.delete_user(&removal(&longest.username, &[])).unwrap();
    assert!(server.users_like("v-strange%").is_empty());

    let naming = UserNaming {
        display_name: "a;b c/d\u{2028}'e".to_owned(),
        role_name: "r@x.y+z_1".to_owned(),
        template: "{{.DisplayName}}~{{.RoleName}}".to_owned(),
    };
    assert_eq!(mysql.username(&naming).unwrap(), "a-b-c-d--e~r@x.y+z_1");
    let default = UserNaming {
        display_name: "token-administrator".to_owned(),
        role_name: "readonly-role".to_owned(),
        template: String::new(),
    };
    let name = mysql.username(&default).unwrap();
    assert!(
        name.starts_with("v-token-admi-readonly-r-") && name.len() == 32,
        "{name}"
    );
}

#[test]
fn a_change_of_nobody_is_an_error() {
    let server = Server::shared();
    let _host = host(server.address().port());
    let mut mysql = superuser(server);
    let mut message = |change| mysql.update_user(&change).unwrap_err().message;
    assert!(message(change("v-nobody", Some("x1234"), None)).contains("Error 1396"));
    assert_eq!(
        message(change("v-nobody", None, None)),
        "no changes requested"
    );
    assert!(message(change("v-nobody", Some(""), None)).contains("both username and password"));
}

#[test]
fn many_at_once() {
    let server = Server::shared();
    let database = server.database();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let grant = format!("GRANT SELECT ON {database}.* TO '{{{{name}}}}'@'%'");
            scope.spawn(move || {
                let _host = host(server.address().port());
                let mut mysql = superuser(server);
                for i in 0..10 {
                    let name = format!("v-many-{thread}-{i}");
                    mysql.create_user(&user(&name, &[CREATE, &grant])).unwrap();
                    if i % 2 == 0 {
                        mysql.delete_user(&removal(&name, &[])).unwrap();
                    }
                }
            });
        }
    });
    let left = server.users_like("v-many-%");
    assert_eq!(left.len(), 6 * 5);
    let _host = host(server.address().port());
    let mut mysql = superuser(server);
    for name in left.iter().filter_map(|account| account.strip_suffix("@%")) {
        mysql.delete_user(&removal(name, &[])).unwrap();
    }
    assert!(server.users_like("v-many-%").is_empty());
}

#[test]
fn the_component_does_the_same_in_the_sandbox() {
    coffer_tests::plugin::once_more_as_component("mysql-database-plugin");
}
