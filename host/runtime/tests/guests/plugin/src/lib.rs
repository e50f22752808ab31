//! A plugin that does what the request's path says: well, badly, or with malice.

mod held;
mod malice;

use std::cell::RefCell;

use coffer::plugin::types::{Error, ErrorKind};
use coffer::plugin::{databases, effects, keys, log, mount, passwords, random, storage, users};
use exports::coffer::plugin::engine::*;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../../../../wit", world: "plugin", generate_all });

struct Plugin;
export!(Plugin);

thread_local! {
    static REMEMBERED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn internal(message: impl ToString) -> Error {
    Error {
        kind: ErrorKind::Internal,
        message: message.to_string(),
    }
}

fn answer(data: Value) -> Result<Response, Error> {
    raw(data.to_string())
}

fn raw(data: String) -> Result<Response, Error> {
    Ok(Response {
        status: None,
        data: Some(data),
        warnings: Vec::new(),
        auth: None,
        ttl: 0,
    })
}

fn lease(data: &Value) -> effects::LeaseRequest {
    effects::LeaseRequest {
        ttl: data["ttl"].as_u64().unwrap_or(60),
        max_ttl: 0,
        renewable: true,
        group: data["group"].as_str().unwrap_or("g").to_owned(),
        internal: data["internal"].as_str().unwrap_or("{}").to_owned(),
    }
}

fn target(data: &Value) -> databases::Target {
    databases::Target {
        name: data["name"].as_str().unwrap_or("db").to_owned(),
        plugin: data["plugin"].as_str().unwrap_or("backend").to_owned(),
        version: data["version"].as_str().unwrap_or_default().to_owned(),
        config: data["config"].to_string(),
        max_connections: data["max_connections"].as_u64().unwrap_or(0) as u32,
        max_lifetime: data["max_lifetime"].as_u64().unwrap_or(0) as u32,
    }
}

fn user(data: &Value) -> users::UserRequest {
    let statements = data["statements"].as_array().cloned().unwrap_or_default();
    users::UserRequest {
        username: data["username"].as_str().unwrap_or("u").to_owned(),
        password: "p".to_owned(),
        expires: None,
        statements: statements
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        rollback_statements: Vec::new(),
    }
}

fn serve(request: &Request) -> Result<Response, Error> {
    let data: Value = serde_json::from_str(&request.data).map_err(internal)?;
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| data[name].as_u64().unwrap_or_default();
    match request.path.as_str() {
        "noop" => Ok(Response {
            status: None,
            data: None,
            warnings: Vec::new(),
            auth: None,
            ttl: 0,
        }),
        "echo" => answer(data),
        "raw" => raw(text("text")),
        "status" => Ok(Response {
            status: Some(number("status") as u16),
            ..answer(json!({}))?
        }),
        "warnings" => Ok(Response {
            warnings: vec!["w".to_owned(); number("count") as usize],
            ..answer(json!({}))?
        }),
        "fail" => Err(Error {
            kind: ErrorKind::NotFound,
            message: text("message"),
        }),
        // Memory that outlives a request.
        "remember" => REMEMBERED.with_borrow_mut(|all| {
            all.push(text("secret"));
            answer(json!({ "remembered": all }))
        }),
        // Keys that the host holds.
        "make-key" | "keep-key" | "use-kept-key" | "open-keys" | "key-of" => held::serve(&request.path, &data),
        // The imports.
        "get" => {
            let value = storage::get(&text("key"))?;
            answer(
                json!({ "value": value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) }),
            )
        }
        "put" => {
            storage::put(&text("key"), text("value").as_bytes()).and_then(|()| answer(json!({})))
        }
        "put-large" => {
            storage::put("large", &vec![0; number("len") as usize]).and_then(|()| answer(json!({})))
        }
        "delete" => storage::delete(&text("key")).and_then(|()| answer(json!({}))),
        "scan" => {
            let keys = storage::scan(
                &text("prefix"),
                data["after"].as_str(),
                number("limit") as u32,
            )?;
            answer(json!({ "keys": keys }))
        }
        "children" => {
            let keys = storage::children(
                &text("prefix"),
                data["after"].as_str(),
                number("limit") as u32,
            )?;
            answer(json!({ "keys": keys }))
        }
        "put-then-panic" => {
            storage::put(&text("key"), b"half-written")?;
            panic!("in the middle")
        }
        "password" => {
            let password = passwords::generate(&text("policy"))?;
            answer(json!({ "password": password }))
        }
        // A counter, kept by `get` and `put`.
        "count" => {
            let count = storage::get("count")?.map_or(0, |bytes| bytes.len());
            storage::put("count", &vec![0; count + 1])?;
            if data["prepare"] == true {
                effects::prepare(None)?;
            }
            answer(json!({ "count": count + 1 }))
        }
        "prepare" => {
            let granted = effects::prepare(Some(&lease(&data)))?;
            if data["twice"] == true {
                effects::prepare(Some(&lease(&data)))?;
            }
            if data["withdraw"] == true {
                effects::withdraw()?;
            }
            if data["spin"] == true {
                loop {
                    std::hint::black_box(0);
                }
            }
            let granted = granted.ok_or_else(|| internal("no lease"))?;
            answer(
                json!({ "lease_id": granted.lease_id, "ttl": granted.ttl, "expires": granted.expires }),
            )
        }
        "prepare-twice" => {
            storage::put("a", b"1")?;
            effects::prepare(None)?;
            storage::get("count")?;
            storage::put("count", b"2")?;
            effects::prepare(None)?;
            answer(json!({}))
        }
        "mount" => {
            let info = mount::get();
            let options: Value = serde_json::from_str(&info.options).map_err(internal)?;
            answer(
                json!({ "path": info.path, "accessor": info.accessor, "options": options,
                "default": info.default_lease_ttl, "max": info.max_lease_ttl }),
            )
        }
        "random" => answer(json!({ "bytes": random::bytes(number("len") as u32) })),
        "log" => {
            for _ in 0..number("count") {
                log::write(log::Level::Info, &text("message"));
            }
            answer(json!({}))
        }
        "now" => answer(json!({ "now": coffer::plugin::clock::now() })),
        // Database backends.
        "db/username" => {
            let naming = users::UserNaming {
                display_name: "d".to_owned(),
                role_name: "r".to_owned(),
                template: String::new(),
            };
            answer(json!({ "username": databases::username(&target(&data), &naming)? }))
        }
        "db/create" => {
            databases::create_user(&target(&data), &user(&data)).and_then(|()| answer(json!({})))
        }
        "db/ping" => databases::ping(&target(&data)).and_then(|()| answer(json!({}))),
        "db/close" => {
            databases::close(&text("name"));
            answer(json!({}))
        }
        other => malice::serve(other, &data).unwrap_or_else(|| {
            Err(Error {
                kind: ErrorKind::NotFound,
                message: format!("unsupported path {other:?}"),
            })
        }),
    }
}

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            kind: EngineKind::Secret,
            name: "guest".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: String::new(),
            paths: Vec::new(),
            tick: 0,
        }
    }

    fn handle(request: Request) -> Result<Response, Error> {
        serve(&request)
    }

    fn exists(request: Request) -> Result<Option<bool>, Error> {
        Ok(Some(storage::get(&request.path)?.is_some()))
    }

    fn renew(_: Lease, increment: u64) -> Result<Renewal, Error> {
        Ok(Renewal {
            ttl: increment,
            max_ttl: 0,
            period: 0,
        })
    }

    fn revoke(lease: Lease) -> Result<(), Error> {
        storage::put(
            &format!("revoked/{}", lease.lease_id),
            lease.internal.as_bytes(),
        )
    }

    fn tick() -> Result<(), Error> {
        storage::put("ticked", b"1")
    }
}
