//! Each answer of `tests/golden/NAME.json` is shown as `tests/golden/NAME.txt` says.
//! With `UPDATE_GOLDEN=1` the text files are written instead.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

#[test]
fn golden() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let answer = entry.unwrap().path();
        if answer
            .extension()
            .is_none_or(|extension| extension != "json")
        {
            continue;
        }
        seen += 1;
        let secret: Secret = serde_json::from_slice(&std::fs::read(&answer).unwrap()).unwrap();
        let shown = format!(
            "{}\n--- json\n{}\n--- yaml\n{}",
            secret_table(&secret),
            rendered(Format::Json, &secret),
            rendered(Format::Yaml, &secret)
        );
        let golden = answer.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, shown).unwrap();
        } else {
            assert_eq!(
                shown,
                std::fs::read_to_string(&golden).unwrap(),
                "{}",
                golden.display()
            );
        }
    }
    assert!(seen > 0, "no goldens in {}", folder.display());
}

#[test]
fn cells() {
    let cases = [
        ("a", serde_json::json!(null), "<nil>"),
        ("a", serde_json::json!(1.5), "1.5"),
        ("a", serde_json::json!(["x", 1, [true]]), "[x 1 [true]]"),
        (
            "a",
            serde_json::json!({"b": {"c": null}}),
            "map[b:map[c:<nil>]]",
        ),
        ("ttl", serde_json::json!(3600), "1h"),
        ("secret_id_ttl", serde_json::json!(90), "1m30s"),
        ("ttl", serde_json::json!("3600"), "3600"),
        ("total", serde_json::json!(3600), "3600"),
    ];
    for (key, value, expected) in cases {
        assert_eq!(cell(key, &value), expected);
    }
}

#[test]
fn tables() {
    let rows = [
        vec!["a".to_owned(), String::new(), "x".to_owned()],
        vec!["é".to_owned(), "long one".to_owned(), "y".to_owned()],
    ];
    assert_eq!(
        table(&["Path", "Two", "Three"], &rows),
        "Path    Two         Three\n----    ---         -----\na       n/a         x\né       long one    y\n"
    );
}

#[test]
fn keys_in_detail() {
    let info = serde_json::json!({"a": {"name": "x", "n": 1}, "b": {"name": "y"}});
    assert_eq!(
        key_table(
            &["a".to_owned(), "b".to_owned(), "c".to_owned()],
            info.as_object().unwrap()
        ),
        "Keys    n      name\n----    -      ----\na       1      x\nb       n/a    y\nc       n/a    n/a\n"
    );
}

#[test]
fn fields() {
    let secret: Secret = serde_json::from_value(serde_json::json!({
        "lease_duration": 3600,
        "data": {"a": "b", "ttl": 60},
        "auth": {"client_token": "t", "lease_duration": 5, "metadata": {"role": "app"}}
    }))
    .unwrap();
    let cases = [
        ("a", Some(serde_json::json!("b"))),
        ("ttl", Some(serde_json::json!(60))),
        ("token", Some(serde_json::json!("t"))),
        ("token_duration", Some(serde_json::json!(5))),
        ("token_meta_role", Some(serde_json::json!("app"))),
        ("refresh_interval", Some(serde_json::json!(3600))),
        ("data", Some(serde_json::json!({"a": "b", "ttl": 60}))),
        ("nothing", None),
    ];
    for (name, expected) in cases {
        assert_eq!(field_of(&secret, name), expected, "{name}");
    }
}
