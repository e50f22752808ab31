//! What programs say, without a server.
#![allow(clippy::unwrap_used, clippy::panic)]

use coffer_sdk::prelude::*;
use coffer_sdk::testing::Host;
use serde_json::{Map, Value};

use super::made::Made;
use super::program::Program;

fn claims() -> Map<String, Value> {
    let claims = json!({"aud": "c", "sub": "joe", "exp": 2_000_000_000, "n": 5, "f": 1.5, "nul": null, "groups": ["dev", 1],
        "o": {"a": {"b": [1]}}, "many": (vec![1; 5000])});
    claims.as_object().unwrap().clone()
}

/// `ok`, or why there is no login.
fn answer(expression: &str, variables: &[(&str, &str)]) -> String {
    let variables: Vec<Value> = variables
        .iter()
        .map(|(name, expression)| json!({"name": name, "expression": expression}))
        .collect();
    let program = json!({"expression": expression, "variables": variables});
    let program: Program = serde_json::from_value(program).unwrap();
    let run = || {
        let result = program.compile()?.run(&claims())?;
        Made::of("x", "", &result)
    };
    match run() {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.message,
    }
}

#[test]
fn programs() {
    let _host = Host::new();
    // True as OpenBao answers it.
    for is in [
        "claims.sub == 'joe'",
        "now > timestamp('2000-01-01T00:00:00Z')",
        "timestamp(int(claims.exp)) > timestamp('2000-01-01T00:00:00Z')",
        "claims.sub.matches('^j')",
        "!has(claims.zip)",
        "claims.?zip.orValue('a') == 'a'",
        "claims.sub.split('o').size() == 2",
        "claims.sub.lowerAscii() == 'joe'",
        "!('a' in claims.groups)",
        "claims.groups.exists(g, g == 'dev')",
        "claims.groups.filter(g, type(g) == string).map(g, 'g-' + g) == ['g-dev']",
        "claims.n == 5",
        "type(claims.n) == double",
        "claims.nul == null",
        "duration('5m') > duration('1m')",
        "base64.encode(b'a') == 'YQ=='",
        "math.abs(-1) == 1",
        "operation == 'update'",
        "claims.o.a.b[0] == 1",
        "string(claims.n) == '5'",
        "claims.exp > now.getSeconds()",
    ] {
        let got = answer(&format!("({is}) ? pb.Auth{{}} : 'it is not'"), &[]);
        assert_eq!(got, "ok", "{is}");
    }
}

#[test]
fn answers() {
    let _host = Host::new();
    let blocked = "CEL role 'x' blocked authorization with";
    let type_ = "CEL program 'x' returned unexpected type:";
    let failed = "CEL auth program failed:";
    let long_row = "!".repeat(5000) + "true";
    let deep = "(".repeat(5000) + "true";
    let deep_lists = "[".repeat(5000);
    let ternaries = "true ? ".repeat(2000) + "1";
    let chain = "1".to_owned() + &"+1".repeat(5000);
    let selects = "claims".to_owned() + &".a".repeat(5000);
    let ors = "true".to_owned() + &"||true".repeat(2000);
    let indexes = "claims".to_owned() + &"[0]".repeat(4000);
    let calls = "claims".to_owned() + &".size()".repeat(2000);
    let longest = "'".to_owned() + &"x".repeat(20_000) + "'";
    let fits = "1 == 1".to_owned() + &" && 1 == 1".repeat(30) + " ? {} : 'no'";
    for (expression, variables, want) in [
        ("true", vec![], format!("{type_} bool")),
        ("false", vec![], format!("{blocked} boolean false return")),
        ("'no way'", vec![], format!("{blocked} message: no way")),
        ("5", vec![], format!("{type_} int")),
        ("null", vec![], format!("{type_} null")),
        ("[1]", vec![], format!("{type_} list")),
        ("now", vec![], format!("{type_} timestamp")),
        ("claims", vec![], format!("{type_} unknown field")),
        ("{'policies': ['a']}", vec![], "ok".to_owned()),
        ("{'policies': [1]}", vec![], format!("{type_} invalid type")),
        (
            "{'policies': ['a'], 'nosuch': 1}",
            vec![],
            format!("{type_} unknown field"),
        ),
        ("pb.Auth{}", vec![], "ok".to_owned()),
        (
            "pb.Auth{policies: claims.groups}",
            vec![],
            format!("{type_} invalid type"),
        ),
        (
            "pb.Auth{num_uses: -1}",
            vec![],
            format!("{type_} invalid value"),
        ),
        (
            "pb.Auth{period: -1}",
            vec![],
            format!("{type_} invalid value"),
        ),
        ("pb.Auth{alias: null}", vec![], "ok".to_owned()),
        (
            "pb.Auth{alias: logical.Alias{name: claims.sub, metadata: {'a': 'b'}}}",
            vec![],
            "ok".to_owned(),
        ),
        (
            "pb.Auth{lease_options: pb.LeaseOptions{TTL: 60000000000, renewable: true, issue_time: now}}",
            vec![],
            "ok".to_owned(),
        ),
        (
            "pb.Auth{nosuch: 1}",
            vec![],
            "error checking CEL main expression: undefined field 'nosuch' of pb.Auth".to_owned(),
        ),
        (
            "pb.Nosuch{}",
            vec![],
            "error checking CEL main expression: undeclared reference to 'pb.Nosuch'".to_owned(),
        ),
        (
            "nosuch == 1",
            vec![],
            "error checking CEL main expression: undeclared reference to 'nosuch'".to_owned(),
        ),
        (
            "[1].exists(i, i == 1) && i == 1",
            vec![],
            "error checking CEL main expression: undeclared reference to 'i'".to_owned(),
        ),
        (
            "1 +",
            vec![],
            "invalid CEL syntax for main expression: ".to_owned(),
        ),
        (
            "",
            vec![],
            "cel_program.expression cannot be empty".to_owned(),
        ),
        (
            "@charge([1])",
            vec![],
            "invalid CEL syntax for main expression: ".to_owned(),
        ),
        (
            "claims.nosuch == 1",
            vec![],
            format!("{failed} failed to evaluate expression: No such key: nosuch"),
        ),
        (
            "1 / 0 == 1",
            vec![],
            format!("{failed} failed to evaluate expression: "),
        ),
        (
            "claims.nosuchfunction()",
            vec![],
            format!("{failed} failed to evaluate expression: "),
        ),
        (
            "claims.sub.matches('(')",
            vec![],
            format!("{failed} failed to evaluate expression: "),
        ),
        (
            "ok ? {} : 'no'",
            vec![("ok", "claims.sub == 'joe'")],
            "ok".to_owned(),
        ),
        (
            "b == 2 ? {} : 'no'",
            vec![("a", "1"), ("b", "a + 1")],
            "ok".to_owned(),
        ),
        (
            "a",
            vec![("a", "b"), ("b", "1")],
            "error checking CEL variable 'a': undeclared reference to 'b'".to_owned(),
        ),
        (
            "a",
            vec![("a", "1 +")],
            "invalid CEL syntax for variable 'a': ".to_owned(),
        ),
        (
            "a",
            vec![("claims", "1")],
            "a variable of a CEL program cannot be called \"claims\"".to_owned(),
        ),
        (
            "a",
            vec![("a b", "1")],
            "a variable of a CEL program cannot be called \"a b\"".to_owned(),
        ),
        (
            "a",
            vec![("", "1")],
            "a variable of a CEL program cannot be called \"\"".to_owned(),
        ),
        (
            "a",
            vec![("a", "claims.nosuch")],
            format!("{failed} failed to evaluate variable 'a': No such key: nosuch"),
        ),
        // What goes through too much is ended, also where an error inside would not count.
        (
            "claims.many.all(a, claims.many.all(b, a == b))",
            vec![],
            format!("{failed} it goes through more than 100000 items"),
        ),
        (
            "claims.many.exists(a, claims.many.exists(b, a != b)) || true",
            vec![],
            format!("{failed} it goes through more than 100000 items"),
        ),
        (
            "claims.many.map(a, claims.many.map(b, [a, b])).size() > 1 ? {} : 'no'",
            vec![],
            format!("{failed} it goes through more than 100000 items"),
        ),
        (
            "claims.many.map(a, a + 1.0).size() == 5000 ? {} : 'no'",
            vec![],
            "ok".to_owned(),
        ),
        (&fits, vec![], "ok".to_owned()),
        (
            &long_row,
            vec![],
            "invalid CEL syntax for main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &deep,
            vec![],
            "invalid CEL syntax for main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &deep_lists,
            vec![],
            "invalid CEL syntax for main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &ternaries,
            vec![],
            "invalid CEL syntax for main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &chain,
            vec![],
            "error checking CEL main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &selects,
            vec![],
            "error checking CEL main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &indexes,
            vec![],
            "error checking CEL main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (
            &calls,
            vec![],
            "error checking CEL main expression: expressions can be nested 64 deep".to_owned(),
        ),
        (&ors, vec![], format!("{type_} bool")),
        (
            &longest,
            vec![],
            "a CEL program can have 16384 bytes and 64 variables".to_owned(),
        ),
    ] {
        let got = answer(expression, &variables);
        let shown = &expression[..expression.len().min(80)];
        assert!(got.starts_with(&want), "{shown}\n got {got}\nwant {want}");
        assert!(got.len() < 1200, "{shown}: {got}");
    }
}
