#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use serde_json::json;

use super::*;
use coffer_clock::UnixMillis;

use crate::identity::{Entity, EntityAlias, Group, GroupType, Metadata, View};

fn acl(policies: &[&str], subject: Subject<'_>) -> Acl {
    let parsed: Vec<_> = policies
        .iter()
        .enumerate()
        .map(|(n, text)| Arc::new(Policy::parse(&format!("p{n}"), text).unwrap()))
        .collect();
    Acl::new(&parsed, false).of(subject)
}

fn access(path: &str, capability: Capability) -> Access<'_> {
    Access {
        path,
        capability,
        sudo: false,
        parameters: None,
        wrap_ttl: None,
    }
}

#[test]
fn the_default_policy_parses() {
    let acl = acl(&[DEFAULT_POLICY], Subject::default());
    assert_eq!(acl.capabilities("auth/token/lookup-self"), ["read"]);
    assert_eq!(acl.capabilities("secret/data/x"), ["deny"]);
}

#[test]
fn json_says_the_same_as_hcl() {
    let hcl = Policy::parse(
        "p",
        r#"path "a/*" { capabilities = ["read", "list"] allowed_parameters = { "x" = ["1", 2] } }"#,
    );
    let json = Policy::parse(
        "p",
        r#"{"path":{"a/*":{"capabilities":["read","list"],"allowed_parameters":{"x":["1",2]}}}}"#,
    );
    assert_eq!(hcl.unwrap(), json.unwrap());
    let old = Policy::parse("p", r#"path "/a" { policy = "write" }"#).unwrap();
    assert_eq!(
        old.rules.first().unwrap().capabilities.names(),
        ["create", "delete", "list", "read", "update"]
    );
    assert_eq!(old.rules.first().unwrap().path, "a");
}

#[test]
fn bad_policies_are_refused_with_a_reason() {
    let deep = format!(
        "path \"a\" {{ x = {}{} }}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    // The parsers recurse, and keep to a bound, which brackets in texts do not loosen.
    let disguised = format!("path \"a\" {{ x = [{} }}", "[\"]\",".repeat(10_000));
    let json = format!("{{\"path\": {{\"a\": {}", "[".repeat(10_000));
    #[rustfmt::skip]
    let table = [
        (r#"path "a" { capabilities = ["zz"] }"#, "invalid capability \"zz\""),
        (r#"path "a" { capabilities = "read" }"#, "list of strings"),
        (r#"path "a" { nonsense = 1 }"#, "invalid key \"nonsense\""),
        (r#"path "a/+*" { capabilities = ["read"] }"#, "+*"),
        (r#"path "a/{{identity.entity.id}" { capabilities = ["read"] }"#, "unbalanced"),
        (r#"paths "a" { }"#, "invalid key \"paths\""),
        ("path {", "1"),
        ("{\"path\": 3}", "invalid key"),
        ("{", "EOF"),
        (r#"path "a" { min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }"#, "max_wrapping_ttl"),
        (deep.as_str(), "nest"), (disguised.as_str(), "nest"), (json.as_str(), "recursion limit"),
    ];
    for (text, reason) in table {
        let error = Policy::parse("p", text).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.starts_with("failed to parse policy"),
            "{error}"
        );
    }
}

#[test]
fn rules_of_several_policies_are_merged_and_deny_wins() {
    let acl = acl(
        &[
            r#"path "a" { capabilities = ["read"] } path "b" { capabilities = ["read", "sudo"] }"#,
            r#"path "a" { capabilities = ["update"] } path "b" { capabilities = ["deny"] }"#,
        ],
        Subject::default(),
    );
    assert_eq!(acl.capabilities("a"), ["read", "update"]);
    assert_eq!(acl.capabilities("b"), ["deny"]);
    assert!(!acl.treats_create_as_update("a"));
    let decision = acl.decide(&access("b", Capability::Read));
    assert_eq!(
        (decision.allowed, decision.rule.as_deref()),
        (false, Some("b"))
    );
    assert_eq!(decision.policies, ["p0", "p1"]);
    assert!(!acl.allows(&Access {
        sudo: true,
        ..access("a", Capability::Read)
    }));
}

#[test]
fn listings_need_no_slash_in_the_rule() {
    for rule in ["m/x", "m/x/", "m/*", "m/+", "m/+/"] {
        let acl = acl(
            &[&format!(r#"path "{rule}" {{ capabilities = ["list"] }}"#)],
            Subject::default(),
        );
        for path in ["m/x", "m/x/"] {
            assert!(acl.allows(&access(path, Capability::List)), "{rule} {path}");
        }
    }
}

#[test]
fn which_rule_decides_a_listing() {
    #[rustfmt::skip]
    let table = [
        (r#"path "k/b" { capabilities = ["list"] } path "k/b/" { capabilities = ["deny"] }"#, "k/b", false),
        (r#"path "k/b" { capabilities = ["deny"] } path "k/b/" { capabilities = ["list"] }"#, "k/b", true),
        (r#"path "k/*" { capabilities = ["list"] } path "k/+" { capabilities = ["deny"] }"#, "k/", false),
        (r#"path "k/*" { capabilities = ["list"] } path "k/b" { capabilities = ["deny"] }"#, "k/b/", false),
        (r#"path "k/+" { capabilities = ["list"] }"#, "k", true),
        (r#"path "k/+" { capabilities = ["list"] }"#, "k/b/c", false),
    ];
    for (policy, path, allowed) in table {
        let acl = acl(&[policy], Subject::default());
        assert_eq!(
            acl.allows(&access(path, Capability::List)),
            allowed,
            "{policy} {path}"
        );
    }
}

#[test]
fn parameters() {
    let text = r#"
        path "a" { capabilities = ["update"] allowed_parameters = { "x" = ["1", "v*"], "y" = [] } }
        path "b" { capabilities = ["update"] allowed_parameters = { "x" = ["1"], "*" = [] } }
        path "s" { capabilities = ["update"] allowed_parameters = { "x" = ["*"] } }
        path "c" { capabilities = ["update"] denied_parameters = { "x" = ["1"], "z" = [] } }
        path "d" { capabilities = ["update"] denied_parameters = { "*" = [] } }
        path "e" { capabilities = ["update"] required_parameters = ["x"] }
    "#;
    let acl = acl(&[text], Subject::default());
    #[rustfmt::skip]
    let table = [
        ("a", json!({"x": "1"}), true), ("s", json!({"x": "*"}), true), ("s", json!({"x": "1"}), false), ("a", json!({"X": "value"}), true), ("a", json!({"x": "2"}), false),
        ("a", json!({"y": {"any": 1}}), true), ("a", json!({"other": 1}), false), ("a", json!({}), true),
        ("b", json!({"x": "2"}), false), ("b", json!({"other": 1, "x": "1"}), true),
        ("c", json!({"x": "1"}), false), ("c", json!({"x": "2"}), true), ("c", json!({"z": 5}), false),
        ("d", json!({"x": 1}), false), ("d", json!({}), true),
        ("e", json!({}), false), ("e", json!({"x": null}), true),
    ];
    for (path, body, allowed) in table {
        let access = Access {
            parameters: body.as_object(),
            ..access(path, Capability::Update)
        };
        assert_eq!(acl.allows(&access), allowed, "{path} {body}");
        assert!(acl.needs_parameters(path));
    }
}

#[test]
fn wrapping_times() {
    let text =
        r#"path "a" { capabilities = ["read"] min_wrapping_ttl = "1m" max_wrapping_ttl = "1h" }"#;
    let acl = acl(&[text], Subject::default());
    for (ttl, allowed) in [
        (None, false),
        (Some(59), false),
        (Some(60), true),
        (Some(3600), true),
        (Some(3601), false),
    ] {
        assert_eq!(
            acl.allows(&Access {
                wrap_ttl: ttl,
                ..access("a", Capability::Read)
            }),
            allowed,
            "{ttl:?}"
        );
    }
}

#[test]
fn a_template_names_and_never_widens() {
    let text = r#"
        path "kv/{{identity.entity.aliases.auth_x_1.name}}/*" { capabilities = ["read"] }
        path "team/{{ identity.entity.aliases.auth_x_1.metadata.team }}" { capabilities = ["read"] }
    "#;
    let holder = |name: &str, team: &str| view(name, &[("team", team)]);
    let bob = holder("bob", "red");
    let allowed = acl(&[text], of(&bob));
    assert_eq!(allowed.capabilities("kv/bob/x"), ["read"]);
    assert_eq!(allowed.capabilities("kv/eve/x"), ["deny"]);
    assert_eq!(allowed.capabilities("team/red"), ["read"]);
    for hostile in ["*", "+", "a/b", "", "b*"] {
        let eve = holder(hostile, hostile);
        let acl = acl(&[text], of(&eve));
        for path in [
            "kv/bob/x", "kv/a/b/x", "kv//x", "team/red", "team/", "kv/b/x",
        ] {
            assert_eq!(acl.capabilities(path), ["deny"], "{hostile:?} {path}");
        }
    }
    let elsewhere = text.replace("auth_x_1", "auth_y_2");
    let acl = acl(&[&elsewhere], of(&bob));
    assert_eq!(acl.capabilities("kv/bob/x"), ["deny"]);
}

/// Somebody with this name everywhere, in the groups `dev.ops` and above it `all`.
fn view(name: &str, metadata: &[(&str, &str)]) -> View {
    let now = UnixMillis(0);
    let metadata: Metadata = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut entity = Entity::new("e-1".to_owned(), Some(name), now);
    entity.metadata = Some(metadata.clone());
    entity.aliases.push(EntityAlias {
        metadata: Some(metadata.clone()),
        custom_metadata: Some([("desk".to_owned(), "7".to_owned())].into()),
        ..EntityAlias::new("a-1".to_owned(), "auth_x_1", name, now)
    });
    let group = |id: &str, name: &str| {
        let mut group = Group::new(id.to_owned(), Some(name), GroupType::Internal, now);
        group.metadata = Some(metadata.clone());
        Arc::new(group)
    };
    View {
        entity: Arc::new(entity),
        direct: vec![group("g-1", "dev.ops")],
        inherited: vec![group("g-2", "all")],
        versions: vec![1, 1, 1],
    }
}

fn of(view: &View) -> Subject<'_> {
    Subject {
        identity: Some(view),
    }
}

/// What is said to one alone and what is said to everybody are one set of rules.
#[test]
fn own_rules_and_everybodys_meet() {
    let bob = view("bob", &[("team", "red")]);
    let text = r#"
        path "a/{{identity.entity.name}}" { capabilities = ["read"] }
        path "a/bob" { capabilities = ["update"] }
        path "a/*" { capabilities = ["list"] }
        path "b/bob" { capabilities = ["read"] }
        path "b/{{identity.entity.name}}" { capabilities = ["deny"] }
        path "c/bob/x" { capabilities = ["read"] }
        path "c/{{identity.entity.name}}/*" { capabilities = ["delete"] }
    "#;
    let acl = acl(&[text], of(&bob));
    #[rustfmt::skip]
    let table: [(&str, &[&str]); 6] = [
        ("a/bob", &["read", "update"]), ("a/eve", &["list"]), ("b/bob", &["deny"]), ("c/bob/x", &["read"]), ("c/bob/y", &["delete"]),
        ("c/eve/y", &["deny"]),
    ];
    for (path, expected) in table {
        assert_eq!(acl.capabilities(path), expected, "{path}");
    }
    assert!(acl.reaches_below("a/") && !acl.reaches_below("b/") && acl.reaches_below("c/"));
    let all: std::collections::BTreeMap<_, _> = acl.all().collect();
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(all["a/bob"], ["read", "update"]);
}

#[test]
fn what_templates_can_say() {
    let bob = view("bob", &[("team", "red")]);
    #[rustfmt::skip]
    let table = [
        ("identity.entity.id", Some("e-1")), ("identity.entity.name", Some("bob")),
        ("identity.entity.metadata.team", Some("red")), ("identity.entity.metadata.none", None),
        ("identity.entity.aliases.auth_x_1.id", Some("a-1")), ("identity.entity.aliases.auth_x_1.name", Some("bob")),
        ("identity.entity.aliases.auth_x_1.metadata.team", Some("red")),
        ("identity.entity.aliases.auth_x_1.custom_metadata.desk", Some("7")),
        ("identity.entity.aliases.auth_x_1.metadata.desk", None), ("identity.entity.aliases.auth_z_9.name", None),
        ("identity.groups.ids.g-1.name", Some("dev.ops")), ("identity.groups.ids.g-2.metadata.team", Some("red")),
        ("identity.groups.ids.g-3.name", None), ("identity.groups.names.dev.ops.id", Some("g-1")),
        ("identity.groups.names.all.metadata.team", Some("red")), ("identity.groups.names.dev.id", None),
        ("identity.groups.names.all", None), ("identity.entity", None), ("entity.id", None), ("identity.entity.policies", None),
    ];
    for (name, expected) in table {
        let filled = of(&bob).fill(&format!("x/{{{{{name}}}}}/y"));
        let expected = expected.map(|value| format!("x/{value}/y"));
        assert_eq!(filled, expected, "{name}");
        assert_eq!(Subject::default().fill(&format!("{{{{{name}}}}}")), None);
    }
}

#[test]
fn what_reaches_below_a_mount() {
    #[rustfmt::skip]
    let table = [
        ("secret/data/x", true), ("secret/*", true), ("*", true), ("sec*", true), ("+/data/*", true), ("secret", true),
        ("other/*", false), ("secretive/x", false), ("+", true), ("+/*", true), ("secretive/*", false),
    ];
    for (pattern, expected) in table {
        let acl = acl(
            &[&format!(
                "path \"{pattern}\" {{ capabilities = [\"read\"] }}"
            )],
            Subject::default(),
        );
        assert_eq!(acl.reaches_below("secret/"), expected, "{pattern}");
    }
    let denied =
        r#"path "sec*" { capabilities = ["read"] } path "secret/*" { capabilities = ["deny"] }"#;
    let below = r#"path "secret/data/x" { capabilities = ["read"] }"#;
    assert!(!acl(&[denied], Subject::default()).reaches_below("secret/"));
    assert!(acl(&[denied, below], Subject::default()).reaches_below("secret/"));
}
