//! Users of a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Barrier;
use std::time::Duration;

use coffer_sdk::backend::UserNaming;
use coffer_sdk::testing::{Fault, Host};
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::valkey::{ADMIN, PASSWORD, Valkey as Server};
use coffer_tests::{until, within};
use kit::{admin, change, config_with, host, open, password, removal, user};
use serde_json::json;

const SOON: Duration = Duration::from_secs(10);
const READ: &str = r#"["~app:*", "+@read"]"#;

#[track_caller]
fn nobody_is_left(server: &Server, prefix: &str) {
    assert_eq!(server.users_like(prefix), Vec::<String>::new());
}

#[test]
fn the_life_of_a_user() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    valkey.ping().unwrap();
    assert!(!valkey.exists("v-life").unwrap());
    valkey
        .create_user(&user("v-life", &[r#"["~app:*", "+@read", "+set"]"#]))
        .unwrap();
    assert!(valkey.exists("v-life").unwrap());
    let mut session = server.login("v-life", &password("v-life")).unwrap();
    assert_eq!(session.ask(&["SET", "app:1", "x"]).unwrap(), "OK");
    assert_eq!(session.ask(&["GET", "app:1"]).unwrap(), "x");
    for refused in [&["GET", "other"][..], &["DEL", "app:1"], &["ACL", "LIST"]] {
        assert!(session.ask(refused).unwrap().starts_with("-NOPERM"));
    }
    // The claim is gone, and with it every other way in.
    let found = server.ask(&["ACL", "GETUSER", "v-life"]);
    let hashes = found.lines().filter(|line| line.len() == 64).count();
    assert_eq!(hashes, 1, "{found}");

    valkey
        .update_user(&change("v-life", Some("n3w"), Some(1)))
        .unwrap();
    assert!(server.can_login("v-life", "n3w"));
    assert!(!server.can_login("v-life", &password("v-life")));
    assert_eq!(
        session.ask(&["SET", "app:1", "y"]).unwrap(),
        "OK",
        "rights stay"
    );

    valkey.delete_user(&removal("v-life")).unwrap();
    assert!(session.has_ended());
    assert!(!server.can_login("v-life", "n3w"));
    valkey
        .delete_user(&removal("v-life"))
        .expect("gone already is removed");
    nobody_is_left(server, "v-life");
}

#[test]
fn by_default_a_user_reads() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    valkey.create_user(&user("v-default", &[])).unwrap();
    let mut session = server.login("v-default", &password("v-default")).unwrap();
    assert_eq!(session.ask(&["GET", "anything"]).unwrap(), "");
    assert!(
        session
            .ask(&["SET", "a", "b"])
            .unwrap()
            .starts_with("-NOPERM")
    );
    valkey.delete_user(&removal("v-default")).unwrap();
    nobody_is_left(server, "v-default");
}

#[test]
fn whatever_a_session_is_doing_it_ends() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    valkey
        .create_user(&user(
            "v-busy",
            &[r#"["~*", "&*", "+@all", "-@dangerous"]"#],
        ))
        .unwrap();
    let doing = [
        &["BLPOP", "v-busy:nothing", "0"][..],
        &["SUBSCRIBE", "v-busy:channel"],
        &["MULTI"],
        &["PING"],
    ];
    let sessions: Vec<_> = doing
        .iter()
        .map(|command| {
            let mut session = server.login("v-busy", &password("v-busy")).unwrap();
            session.send(command).unwrap();
            if command[0] != "BLPOP" {
                session.hear().unwrap();
            }
            session
        })
        .collect();
    let connected = || {
        server
            .ask(&["CLIENT", "LIST"])
            .matches("user=v-busy")
            .count()
    };
    until(SOON, "all are at it", || connected() == doing.len());
    valkey.delete_user(&removal("v-busy")).unwrap();
    assert_eq!(connected(), 0);
    for mut session in sessions {
        // What was said before (to SUBSCRIBE, two more values) may still be on its way.
        assert!(within(SOON, || session.hear().is_err()));
    }
    nobody_is_left(server, "v-busy");
}

#[test]
fn a_bad_rule_leaves_nothing() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    #[rustfmt::skip]
    let table = [
        (r#"["~*", "+@all", "nosuchrule"]"#, "nosuchrule"),
        (r#"["~*", "+@nosuchcategory"]"#, "Unknown command or category"),
        (r#"["+get", "(+set ~a"]"#, "(+set"),
        (r#"["~*", "+get", "resetkeys", "%X~a"]"#, "%X~a"),
        ("~* +nosuchcommand", "nosuchcommand"),
        (r#"["~*", ">another"]"#, "no place"),
        (r#"["~*", "nopass"]"#, "no place"),
        (r#"["~*", "#, "JSON"),
    ];
    for (rules, expected) in table {
        let error = valkey.create_user(&user("v-bad", &[rules])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{rules}: {error:?}");
        assert!(error.message.contains(expected), "{rules}: {error:?}");
        assert!(!error.message.contains("Pa55"), "{error:?}");
        nobody_is_left(server, "v-bad");
    }
    for name in ["", "a b", "a\nb", "a\0b", &"x".repeat(300)] {
        let error = valkey.create_user(&user(name, &[])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{name:?}");
    }
    valkey.ping().expect("the connection is still of use");
}

#[test]
fn no_rule_has_a_say_in_the_password() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    valkey
        .create_user(&user("v-reset", &[r#"["+@all", "RESET", "~*", "+get"]"#]))
        .unwrap();
    let mut session = server.login("v-reset", &password("v-reset")).unwrap();
    assert_eq!(session.ask(&["GET", "a"]).unwrap(), "");
    assert!(
        session
            .ask(&["SET", "a", "b"])
            .unwrap()
            .starts_with("-NOPERM")
    );
    valkey.delete_user(&removal("v-reset")).unwrap();
    nobody_is_left(server, "v-reset");
}

#[test]
fn a_name_that_is_taken_stays_with_whoever_has_it() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    for theirs in [
        &["on", ">theirs", "~*", "+@all"][..],
        &["on", "nopass", "+ping"],
        &["off"],
    ] {
        server.ask(&[&["ACL", "SETUSER", "v-taken"], theirs].concat());
        let before = server.ask(&["ACL", "GETUSER", "v-taken"]);
        let error = valkey.create_user(&user("v-taken", &[READ])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
        assert!(error.message.contains("v-taken"), "{error:?}");
        assert_eq!(server.ask(&["ACL", "GETUSER", "v-taken"]), before);
        valkey.delete_user(&removal("v-taken")).unwrap();
    }
    nobody_is_left(server, "v-taken");
}

#[test]
fn of_many_who_want_a_name_one_gets_it() {
    const MANY: usize = 8;
    let server = Server::shared();
    for round in 0..30 {
        let name = format!("v-race-{round}");
        let barrier = Barrier::new(MANY);
        let winners: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..MANY)
                .map(|i| {
                    let (name, barrier) = (&name, &barrier);
                    scope.spawn(move || {
                        // Each its own random numbers.
                        let _host = host(server).seed(i as u64);
                        let mut valkey = admin(server);
                        valkey.ping().unwrap();
                        let mut request = user(name, &[READ]);
                        request.password = format!("Pa55-{i}");
                        barrier.wait();
                        match valkey.create_user(&request) {
                            Ok(()) => Some(request.password),
                            Err(error) => {
                                assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
                                None
                            }
                        }
                    })
                })
                .collect();
            all.into_iter()
                .filter_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        for i in 0..MANY {
            let password = format!("Pa55-{i}");
            assert_eq!(
                server.can_login(&name, &password),
                winners.contains(&password)
            );
        }
        let found = server.ask(&["ACL", "GETUSER", &name]);
        let hashes = found.lines().filter(|line| line.len() == 64).count();
        assert_eq!(hashes, 1, "no claim is left: {found}");
        let _host = host(server);
        admin(server).delete_user(&removal(&name)).unwrap();
    }
    nobody_is_left(server, "v-race");
}

/// Some have rules that the server does not take.
#[test]
fn of_many_who_want_a_name_those_who_fail_leave_nothing() {
    let server = Server::shared();
    for round in 0..60 {
        let name = format!("v-fail-{round}");
        let barrier = Barrier::new(4);
        let made = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|i| {
                    let (name, barrier) = (&name, &barrier);
                    scope.spawn(move || {
                        let _host = host(server).seed(i);
                        let mut valkey = admin(server);
                        valkey.ping().unwrap();
                        let good = i == 0 && round % 2 == 0;
                        let rules = if good { READ } else { "+nosuchcommand" };
                        barrier.wait();
                        valkey.create_user(&user(name, &[rules])).is_ok()
                    })
                })
                .collect();
            let made: Vec<bool> = all
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect();
            made.contains(&true)
        });
        // Who failed removes what nobody claims, and it may be claimed in that moment: a name is made for one.
        let left = !server.users_like(&name).is_empty();
        assert_eq!(server.can_login(&name, &password(&name)), left, "{name}");
        assert!(made || !left, "{name}");
        let _host = host(server);
        admin(server).delete_user(&removal(&name)).unwrap();
    }
    nobody_is_left(server, "v-fail");
}

#[test]
fn a_change_makes_nobody() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    for (password, expires) in [(Some("n3w"), None), (None, Some(1))] {
        let error = valkey
            .update_user(&change("v-nobody", password, expires))
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
        assert!(error.message.contains("no user"), "{error:?}");
    }
    let mut with_statements = change("v-nobody", Some("n3w"), None);
    with_statements.statements = vec!["~*".to_owned()];
    assert!(valkey.update_user(&with_statements).is_err());
    assert!(valkey.update_user(&change("v-nobody", None, None)).is_err());
    nobody_is_left(server, "v-nobody");
    // Of no password, and of several, one is left.
    for had in [&["nopass"][..], &["resetpass"], &[">a", ">b"]] {
        server.ask(&[&["ACL", "SETUSER", "v-nobody", "on"], had].concat());
        valkey
            .update_user(&change("v-nobody", Some("n3w"), None))
            .unwrap();
        assert!(server.can_login("v-nobody", "n3w"));
        assert!(!server.can_login("v-nobody", "a"));
    }
    valkey
        .update_user(&change("v-nobody", None, Some(1)))
        .expect("there is no expiry to change, but somebody");
    let mut with_statements = removal("v-nobody");
    with_statements.statements = vec!["whatever".to_owned()];
    valkey.delete_user(&with_statements).unwrap();
    nobody_is_left(server, "v-nobody");
}

#[test]
fn its_own_password() {
    let server = Server::start(&[]).unwrap();
    let _host = host(&server);
    server.ask(&["ACL", "SETUSER", "coffer", "on", ">0ld-root", "+acl"]);
    let as_coffer = |password: &str| {
        open(config_with(
            &server,
            json!({ "username": "coffer", "password": password }),
        ))
        .unwrap()
    };
    let mut valkey = as_coffer("0ld-root");
    valkey
        .update_user(&change("coffer", Some("n3w-root"), None))
        .unwrap();
    valkey.ping().expect("a session outlives its password");
    as_coffer("n3w-root").ping().unwrap();
    let error = as_coffer("0ld-root").ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    // What the database engine looks for.
    assert!(error.message.contains("28P01"), "{error:?}");
    assert!(!error.message.contains("0ld-root"), "{error:?}");

    let error = valkey.delete_user(&removal("coffer")).unwrap_err();
    assert!(error.message.contains("own user"), "{error:?}");
    let error = valkey.delete_user(&removal("default")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    as_coffer("n3w-root").ping().unwrap();
}

#[test]
fn the_rights_that_it_needs() {
    let server = Server::start(&[]).unwrap();
    let _host = host(&server);
    let rights = ["+acl|getuser", "+acl|setuser", "+acl|deluser"];
    server.ask(
        &[
            &["ACL", "SETUSER", "coffer", "on", ">secret-of-it"],
            &rights[..],
        ]
        .concat(),
    );
    let mut valkey = open(config_with(
        &server,
        json!({ "username": "coffer", "password": "secret-of-it" }),
    ))
    .unwrap();
    valkey.ping().unwrap();
    valkey.create_user(&user("v-rights", &[READ])).unwrap();
    assert!(server.can_login("v-rights", &password("v-rights")));
    for right in rights {
        let others = rights.into_iter().filter(|other| *other != right);
        let less: Vec<&str> = ["ACL", "SETUSER", "coffer", "-@all"]
            .into_iter()
            .chain(others)
            .collect();
        server.ask(&less);
        let results = [
            valkey.ping(),
            valkey.create_user(&user("v-rights-2", &[READ])),
            valkey.delete_user(&removal("v-rights")),
        ];
        let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert!(!errors.is_empty(), "{right}");
        for error in errors {
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
            assert!(error.message.contains("NOPERM"), "{error:?}");
        }
        server.ask(&["ACL", "SETUSER", "coffer", right]);
    }
    for name in ["v-rights", "v-rights-2"] {
        valkey.delete_user(&removal(name)).unwrap();
    }
    nobody_is_left(&server, "v-rights");
}

/// Once the connection is cut at each of its steps, a creation has failed, nobody can log in, and its removal leaves nobody.
#[test]
fn a_creation_that_is_cut_off() {
    let server = Server::shared();
    let host = host(server);
    let name = "v-cut";
    // The first command is run again on a new connection, so two of its faults are one.
    let faults = [
        vec![Fault::Write(2)],
        vec![Fault::Read(2)],
        vec![Fault::End(2)],
        vec![Fault::Write(3)],
        vec![Fault::Read(3)],
        vec![Fault::Read(1), Fault::Connect(1)],
    ];
    for faults in faults {
        let mut valkey = admin(server);
        valkey.ping().unwrap();
        for fault in &faults {
            host.fail_network(*fault);
        }
        let error = valkey.create_user(&user(name, &[READ])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{faults:?}: {error:?}");
        if !faults.contains(&Fault::Read(3)) {
            assert!(!server.can_login(name, &password(name)), "{faults:?}");
        }
        admin(server).delete_user(&removal(name)).unwrap();
        nobody_is_left(server, name);
    }
    // What had died before the call is made anew without a word.
    let mut valkey = admin(server);
    valkey.ping().unwrap();
    server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    valkey.create_user(&user(name, &[READ])).unwrap();
    server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    valkey.delete_user(&removal(name)).unwrap();
    nobody_is_left(server, name);
}

/// The last command of a creation that was cut off may come to the server when the user has been removed.
#[test]
fn a_late_command_brings_nobody_back() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = admin(server);
    let claim = "ab".repeat(32);
    server.ask(&["ACL", "SETUSER", "v-late", &format!("#{claim}")]);
    valkey.delete_user(&removal("v-late")).unwrap();
    let answer = server.ask(&[
        "ACL",
        "SETUSER",
        "v-late",
        &format!("!{claim}"),
        "~*",
        "+@all",
        "#00",
        "on",
    ]);
    assert!(answer.contains(&claim), "{answer}");
    nobody_is_left(server, "v-late");
}

/// A server that was stopped finds the claim and the removal waiting, and may take the removal first.
#[test]
fn a_claim_that_waits_with_the_removal() {
    let server = Server::start(&[]).unwrap();
    let signal = |name: &str| {
        let process = server.process().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &process])
            .status();
        assert!(sent.unwrap().success());
    };
    for round in 0..20 {
        let _host = host(&server);
        let mut valkey = admin(&server);
        valkey.ping().unwrap();
        let sessions: Vec<_> = (0..4)
            .map(|_| server.login(ADMIN, PASSWORD).unwrap())
            .collect();
        signal("STOP");
        let name = format!("v-waits-{round}");
        let claim = |session: &mut coffer_tests::valkey::Session| {
            session.send(&["ACL", "SETUSER", &name, &format!("#{}", "ab".repeat(32))])
        };
        std::thread::scope(|scope| {
            let (before, after): (Vec<_>, Vec<_>) = sessions
                .into_iter()
                .enumerate()
                .partition(|(i, _)| i % 2 == 0);
            for (_, mut session) in before {
                claim(&mut session).unwrap();
            }
            let removal = scope.spawn(|| {
                let _host = host(&server);
                valkey.delete_user(&removal(&name))
            });
            for (_, mut session) in after {
                claim(&mut session).unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
            signal("CONT");
            removal.join().unwrap().unwrap();
        });
        nobody_is_left(&server, "v-waits");
    }
}

#[test]
fn users_outlast_a_restart_if_that_is_wished() {
    for (mode, settings) in [("ACLFILE", &["aclfile users.acl"][..]), ("rewrite", &[])] {
        let mut server = Server::start(settings).unwrap();
        let host = host(&server);
        let mut valkey = open(config_with(&server, json!({ "persistence_mode": mode }))).unwrap();
        valkey.create_user(&user("v-stays", &[READ])).unwrap();
        valkey.create_user(&user("v-goes", &[READ])).unwrap();
        valkey
            .update_user(&change("v-stays", Some("n3w"), None))
            .unwrap();
        valkey.delete_user(&removal("v-goes")).unwrap();
        server.stop();
        let error = valkey.ping().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
        server.run().unwrap();
        assert_eq!(server.users_like("v-"), ["v-stays"], "{mode}");
        assert!(server.can_login("v-stays", "n3w"), "{mode}");
        valkey.delete_user(&removal("v-stays")).unwrap();
        server.stop();
        server.run().unwrap();
        nobody_is_left(&server, "v-");
        drop(host);
    }
}

#[test]
fn what_cannot_be_kept_is_in_doubt_and_not_refused() {
    let server = Server::shared();
    let _host = host(server);
    let mut valkey = open(config_with(
        server,
        json!({ "persistence_mode": "ACLFILE" }),
    ))
    .unwrap();
    let errors = [
        valkey.create_user(&user("v-kept", &[READ])),
        valkey.update_user(&change("v-kept", Some("n3w"), None)),
        valkey.delete_user(&removal("v-kept")),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
        assert!(error.message.contains("persistence_mode"), "{error:?}");
    }
    nobody_is_left(server, "v-kept");
}

#[test]
fn names() {
    let server = Server::shared();
    let _host = Host::new();
    let mut valkey = admin(server);
    let naming = |display: &str, role: &str, template: &str| UserNaming {
        display_name: display.to_owned(),
        role_name: role.to_owned(),
        template: template.to_owned(),
    };
    let long = "x".repeat(100);
    let one = valkey.username(&naming(&long, &long, "")).unwrap();
    let other = valkey.username(&naming(&long, &long, "")).unwrap();
    assert_ne!(one, other);
    assert!(
        one.starts_with("V_XXX") && one.ends_with("_1704067200"),
        "{one}"
    );
    assert!(one.len() <= 100, "{one}");
    let name = valkey
        .username(&naming("a b\n", "~r", "{{.DisplayName}} '{{.RoleName}}"))
        .unwrap();
    assert_eq!(name, "a-b----r");
    assert!(valkey.username(&naming("a", "b", "{{")).is_err());
    assert!(
        open(config_with(
            server,
            json!({ "username_template": "{{.Nothing}}" })
        ))
        .is_err()
    );
}

#[test]
fn a_server_that_cannot_be_used_now() {
    let mut server = Server::start(&[]).unwrap();
    let host = host(&server);
    let mut valkey = admin(&server);
    valkey.ping().unwrap();
    let error = open(config_with(&server, json!({ "password": "wr0ng-one" })))
        .unwrap()
        .ping()
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(
        error.message.contains("WRONGPASS") && !error.message.contains("wr0ng-one"),
        "{error:?}"
    );
    server.ask(&["CONFIG", "SET", "maxclients", "1"]);
    let held = server.login(ADMIN, PASSWORD);
    let error = admin(&server).ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    drop(held);
    server.stop();
    let error = valkey.ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    server.run().unwrap();
    valkey.ping().expect("it heals");
    drop(host);
    let _elsewhere = Host::new();
    let error = admin(&server).ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error:?}");
}

#[test]
fn the_component_does_the_same_in_the_sandbox() {
    coffer_tests::plugin::once_more_as_component("valkey-database-plugin");
}
