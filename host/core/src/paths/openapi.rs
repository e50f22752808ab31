//! An OpenAPI 3 document, of what mounts declare. <https://spec.openapis.org/oas/v3.0.3>

use coffer_runtime::{Field, FieldType, Operation, PathDescription};
use serde_json::{Map, Value, json};

use super::parameters;
use crate::mount::{MountEntry, SYSTEM, Table};

/// A document in the making.
pub struct Document {
    version: String,
    generic: bool,
    paths: Map<String, Value>,
}

impl Document {
    /// An empty one, of this version of the server. With `generic` a plugin's mount stands for any of its kind.
    pub fn new(version: &str, generic: bool) -> Self {
        Self {
            version: version.to_owned(),
            generic,
            paths: Map::new(),
        }
    }

    /// Adds a path below a mount. Where two have the same form, their operations are put together.
    pub fn add(&mut self, mount: &MountEntry, path: &PathDescription) {
        let anywhere = format!("{}_mount_path", mount.kind.replace('-', "_"));
        let is_generic = self.generic && !mount.is_native();
        let prefix = match (is_generic, mount.table) {
            (false, _) => mount.full_path(),
            (true, Table::Auth) => format!("auth/{{{anywhere}}}/"),
            (true, Table::Secret) => format!("{{{anywhere}}}/"),
        };
        let mut captured: Vec<&str> = parameters(&path.pattern).collect();
        let mut captured_left = captured.iter();
        let segments = path.pattern.split('/').map(|segment| {
            if segment.starts_with('{') {
                let name = captured_left.next().copied().unwrap_or_default();
                format!("{{{name}}}")
            } else {
                segment.to_owned()
            }
        });
        let template = format!("/{prefix}{}", segments.collect::<Vec<_>>().join("/"));
        if is_generic {
            captured.insert(0, &anywhere);
        }
        let item = self.paths.entry(template.clone()).or_insert_with(|| {
            let mut item = json!({ "description": path.help });
            if path.unauthenticated {
                item["x-vault-unauthenticated"] = true.into();
            }
            if path.checks_existence {
                item["x-vault-createSupported"] = true.into();
            }
            let parameters = captured.iter().map(|name| {
                let field = path.fields.iter().find(|field| field.name == *name);
                json!({
                    "name": name, "in": "path", "required": true,
                    "description": field.map_or("", |field| &field.help),
                    "schema": { "type": "string" },
                })
            });
            let parameters: Vec<Value> = parameters.collect();
            if !parameters.is_empty() {
                item["parameters"] = parameters.into();
            }
            item
        });
        if path.sudo {
            item["x-vault-sudo"] = true.into();
        }
        let lists = path.operations.contains(&Operation::List);
        for operation in &path.operations {
            let (method, verb) = match operation {
                Operation::Read => ("get", "read"),
                // LIST is no method that OpenAPI knows: it is GET with `list=true`.
                Operation::List => ("get", "list"),
                Operation::Write => ("post", "write"),
                Operation::Patch => ("patch", "patch"),
                Operation::Delete => ("delete", "delete"),
            };
            if item.get(method).is_some_and(|_| verb == "list") {
                continue;
            }
            let reads = path.operations.contains(&Operation::Read);
            let mut described = json!({
                "operationId": identifier(verb, &template),
                "summary": path.help,
                "tags": [if mount.table == Table::Auth { "auth" } else if mount.kind == SYSTEM { "system" } else { "secrets" }],
                "responses": { "200": { "description": "OK" } },
            });
            let others = path
                .fields
                .iter()
                .filter(|field| !captured.contains(&field.name.as_str()));
            if matches!(operation, Operation::Write | Operation::Patch) {
                if let Some(body) = body(others, *operation) {
                    described["requestBody"] = body;
                }
            } else {
                let mut query: Vec<Value> = others.filter_map(query).collect();
                if method == "get" && lists {
                    query.push(json!({
                        "name": "list", "in": "query", "required": !reads,
                        "description": "Must be `true` to list.",
                        "schema": { "type": "string", "enum": ["true"] },
                    }));
                }
                if !query.is_empty() {
                    described["parameters"] = query.into();
                }
            }
            item[method] = described;
        }
    }

    /// The document.
    pub fn finish(self) -> Value {
        json!({
            "openapi": "3.0.3",
            "info": {
                "title": "Coffer API",
                "description": "The HTTP API of this server, below /v1.",
                "version": self.version,
                "license": { "name": "Apache-2.0" },
            },
            "servers": [{ "url": "/v1" }],
            "components": { "securitySchemes": { "token": { "type": "apiKey", "in": "header", "name": "X-Vault-Token" } } },
            "security": [{ "token": [] }],
            "paths": self.paths,
        })
    }
}

/// Unique in the document, and readable: the verb and the path's words.
fn identifier(verb: &str, template: &str) -> String {
    let words = template
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    std::iter::once(verb)
        .chain(words)
        .collect::<Vec<_>>()
        .join("-")
}

fn schema(field: &Field) -> Value {
    let mut schema = match field.kind {
        FieldType::Text => json!({ "type": "string" }),
        FieldType::Integer => json!({ "type": "integer" }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Duration => json!({ "type": "string", "format": "duration" }),
        FieldType::TextList => json!({ "type": "array", "items": { "type": "string" } }),
        FieldType::TextMap => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        FieldType::Object => json!({ "type": "object" }),
        FieldType::Timestamp => json!({ "type": "string", "format": "date-time" }),
    };
    schema["description"] = field.help.as_str().into();
    if field.deprecated {
        schema["deprecated"] = true.into();
    }
    if let Ok(default) = serde_json::from_str::<Value>(&field.default) {
        schema["default"] = default;
    }
    schema
}

fn body<'f>(fields: impl Iterator<Item = &'f Field>, operation: Operation) -> Option<Value> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields {
        properties.insert(field.name.clone(), schema(field));
        if field.required {
            required.push(field.name.as_str());
        }
    }
    if properties.is_empty() {
        return None;
    }
    let mut object = json!({ "type": "object", "properties": properties });
    // A patch may leave everything out.
    if operation == Operation::Write && !required.is_empty() {
        object["required"] = required.into();
    }
    let media = match operation {
        Operation::Patch => "application/merge-patch+json",
        _ => "application/json",
    };
    Some(json!({ "content": { media: { "schema": object } } }))
}

/// A field as a query parameter, if it fits in one.
fn query(field: &Field) -> Option<Value> {
    let fits = matches!(
        field.kind,
        FieldType::Text | FieldType::Integer | FieldType::Boolean | FieldType::Duration
    );
    fits.then(|| {
        json!({
            "name": field.name, "in": "query", "required": false,
            "description": field.help, "schema": schema(field),
        })
    })
}
