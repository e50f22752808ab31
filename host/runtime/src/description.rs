//! What a component says of itself is kept for as long as it is loaded, and shown to everybody: it has limits too.

use serde_json::value::RawValue;

use crate::bindings::database::exports::coffer::plugin::backend::Description as Backend;
use crate::bindings::plugin::exports::coffer::plugin::engine::{
    Description as Plugin, Field, Path,
};
use crate::limits;

/// Whether a secret engine or an auth method can be what it says.
pub(crate) fn check_plugin(plugin: &Plugin) -> Result<(), String> {
    check(&plugin.name, &plugin.version, &plugin.help)?;
    at_most("paths", plugin.paths.len(), limits::PATHS)?;
    plugin.paths.iter().try_for_each(|path| {
        check_path(path).map_err(|reason| format!("path {:?}: {reason}", shown(&path.pattern)))
    })
}

/// Whether a database backend can be what it says.
pub(crate) fn check_backend(backend: &Backend) -> Result<(), String> {
    check(&backend.name, &backend.version, &backend.help)?;
    for (what, fields) in [
        ("destination fields", &backend.destination_fields),
        ("secret fields", &backend.secret_fields),
    ] {
        at_most(what, fields.len(), limits::FIELDS)?;
        fields.iter().try_for_each(|name| check_name(name))?;
    }
    Ok(())
}

fn check(name: &str, version: &str, help: &str) -> Result<(), String> {
    check_name(name)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let starts = |c: char| c.is_ascii_digit();
    if version.len() > limits::NAME || !version.starts_with(starts) || !version.chars().all(good) {
        return Err(format!("version {:?} is no version", shown(version)));
    }
    check_help(help)
}

fn check_path(path: &Path) -> Result<(), String> {
    if path.pattern.len() > limits::KEY {
        let (len, allowed) = (path.pattern.len(), limits::KEY);
        return Err(format!("it has {len} bytes; {allowed} are allowed"));
    }
    if path.pattern.starts_with('/') {
        return Err("it starts with a slash".to_owned());
    }
    let mut segments = path.pattern.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = match segment.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}'),
            None => Some(segment),
        };
        let rest = segment.ends_with("*}");
        if name.is_none_or(|name| name.contains(['{', '}'])) || rest && segments.peek().is_some() {
            return Err(format!("segment {:?} is malformed", shown(segment)));
        }
    }
    check_help(&path.help)?;
    at_most("fields", path.fields.len(), limits::FIELDS)?;
    at_most("operations", path.operations.len(), limits::OPERATIONS)?;
    path.fields.iter().try_for_each(check_field)
}

fn check_field(field: &Field) -> Result<(), String> {
    check_name(&field.name)?;
    let of_field = |reason| format!("field {:?}: {reason}", field.name);
    check_help(&field.help).map_err(of_field)?;
    if field.default.len() > limits::TEXT
        || !field.default.is_empty() && serde_json::from_str::<&RawValue>(&field.default).is_err()
    {
        return Err(of_field("its default is not JSON".to_owned()));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
    if name.is_empty() || name.len() > limits::NAME || !name.chars().all(good) {
        return Err(format!("{:?} is no name", shown(name)));
    }
    Ok(())
}

fn check_help(help: &str) -> Result<(), String> {
    if help.len() > limits::TEXT {
        let (len, allowed) = (help.len(), limits::TEXT);
        return Err(format!("a help of {len} bytes; {allowed} are allowed"));
    }
    Ok(())
}

fn at_most(what: &str, count: usize, allowed: usize) -> Result<(), String> {
    if count > allowed {
        return Err(format!("{count} {what}; {allowed} are allowed"));
    }
    Ok(())
}

/// As much of a text as an error can show.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(limits::NAME))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::plugin::exports::coffer::plugin::engine::{
        EngineKind, FieldType, Operation,
    };

    fn field(name: &str) -> Field {
        Field {
            name: name.to_owned(),
            kind: FieldType::Text,
            help: String::new(),
            required: false,
            deprecated: false,
            default: String::new(),
            destination: false,
        }
    }

    fn path(pattern: &str) -> Path {
        Path {
            pattern: pattern.to_owned(),
            operations: vec![Operation::Read],
            fields: vec![field("name")],
            help: String::new(),
            unauthenticated: false,
            sudo: false,
            checks_existence: false,
        }
    }

    fn plugin() -> Plugin {
        Plugin {
            kind: EngineKind::Secret,
            name: "kv".to_owned(),
            version: "1.2.3-rc.1+build".to_owned(),
            help: String::new(),
            paths: ["", "a/{name}/b", "data/{path*}", "{*}"].map(path).into(),
            tick: 0,
        }
    }

    #[test]
    fn a_plugins_description_has_limits() {
        assert_eq!(check_plugin(&plugin()), Ok(()));
        let long = "x".repeat(70_000);
        let with_path = |path: Path| Plugin {
            paths: vec![path],
            ..plugin()
        };
        let with_field = |field: Field| {
            with_path(Path {
                fields: vec![field],
                ..path("p")
            })
        };
        let cut = &long[..128];
        #[rustfmt::skip]
        let table = [
            (Plugin { name: String::new(), ..plugin() }, "\"\" is no name".to_owned()),
            (Plugin { name: "k v".to_owned(), ..plugin() }, "\"k v\" is no name".to_owned()),
            (Plugin { name: long.clone(), ..plugin() }, format!("{cut:?} is no name")),
            (Plugin { version: String::new(), ..plugin() }, "version \"\" is no version".to_owned()),
            (Plugin { version: "1 2".to_owned(), ..plugin() }, "version \"1 2\" is no version".to_owned()),
            (Plugin { help: long.clone(), ..plugin() }, "a help of 70000 bytes; 65536 are allowed".to_owned()),
            (Plugin { paths: vec![path("p"); 1001], ..plugin() }, "1001 paths; 1000 are allowed".to_owned()),
            (with_path(path("/a")), "path \"/a\": it starts with a slash".to_owned()),
            (with_path(path("a/{b")), "path \"a/{b\": segment \"{b\" is malformed".to_owned()),
            (with_path(path("a/x{b}")), "path \"a/x{b}\": segment \"x{b}\" is malformed".to_owned()),
            (with_path(path("{a*}/b")), "path \"{a*}/b\": segment \"{a*}\" is malformed".to_owned()),
            (with_path(path(&long)), format!("path {cut:?}: it has 70000 bytes; 1024 are allowed")),
            (with_path(Path { help: long.clone(), ..path("p") }), "path \"p\": a help of 70000 bytes; 65536 are allowed".to_owned()),
            (with_path(Path { fields: vec![field("f"); 257], ..path("p") }), "path \"p\": 257 fields; 256 are allowed".to_owned()),
            (with_path(Path { operations: vec![Operation::Read; 6], ..path("p") }), "path \"p\": 6 operations; 5 are allowed".to_owned()),
            (with_field(field("f\n")), "path \"p\": \"f\\n\" is no name".to_owned()),
            (with_field(Field { help: long.clone(), ..field("f") }), "path \"p\": field \"f\": a help of 70000 bytes; 65536 are allowed".to_owned()),
            (with_field(Field { default: "{".to_owned(), ..field("f") }), "path \"p\": field \"f\": its default is not JSON".to_owned()),
        ];
        for (description, expected) in table {
            assert_eq!(check_plugin(&description), Err(expected));
        }
    }

    #[test]
    fn a_backends_description_has_limits() {
        let backend = || Backend {
            name: "postgresql-database-plugin".to_owned(),
            version: "0.1.0".to_owned(),
            help: String::new(),
            destination_fields: vec!["connection_url".to_owned()],
            default_port: 5432,
            secret_fields: Vec::new(),
        };
        assert_eq!(check_backend(&backend()), Ok(()));
        let many = vec!["f".to_owned(); 257];
        #[rustfmt::skip]
        let table = [
            (Backend { name: "/".to_owned(), ..backend() }, "\"/\" is no name"),
            (Backend { version: "v1".to_owned(), ..backend() }, "version \"v1\" is no version"),
            (Backend { destination_fields: many.clone(), ..backend() }, "257 destination fields; 256 are allowed"),
            (Backend { secret_fields: many.clone(), ..backend() }, "257 secret fields; 256 are allowed"),
            (Backend { secret_fields: vec!["a b".to_owned()], ..backend() }, "\"a b\" is no name"),
        ];
        for (description, expected) in table {
            assert_eq!(check_backend(&description), Err(expected.to_owned()));
        }
    }
}
