//! A plugin against its host: what it says of itself, and what it does with leases, logins and its periodic work, is as bad as
//! the suite asks. Without the SDK, which is too polite for it.

use coffer::plugin::types::{Error, ErrorKind};
use coffer::plugin::{effects, storage};
use exports::coffer::plugin::engine::*;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../../wit", world: "plugin", generate_all });

struct Malice;
export!(Malice);

/// Written over, in the binary, by what the suite wants it to be.
static MODE: &str = "mode:plain............";

fn is(mode: &str) -> bool {
    let wanted = std::hint::black_box(MODE);
    wanted.trim_start_matches("mode:").trim_end_matches('.') == mode
}

fn spin() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

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

fn path(pattern: String, unauthenticated: bool) -> Path {
    Path {
        pattern,
        operations: vec![Operation::Read, Operation::Write],
        fields: Vec::new(),
        help: String::new(),
        unauthenticated,
        sudo: false,
        checks_existence: false,
    }
}

fn answer(data: &Value) -> Response {
    Response {
        status: None,
        data: Some(data.to_string()),
        warnings: Vec::new(),
        auth: None,
        ttl: 0,
    }
}

/// A lease as bad as the request says.
fn creds(data: &Value) -> Result<Response, Error> {
    let number = |name: &str| data[name].as_u64().unwrap_or_default();
    let lease = || effects::LeaseRequest {
        ttl: number("ttl"),
        max_ttl: number("max_ttl"),
        renewable: true,
        group: data["group"].as_str().unwrap_or_default().to_owned(),
        internal: match data["internal"].as_str() {
            Some(text) => text.to_owned(),
            None => json!({ "revoke": data["revoke"], "padding": "x".repeat(number("padding") as usize) }).to_string(),
        },
    };
    for _ in 0..number("again") {
        effects::prepare(None)?;
    }
    let granted = effects::prepare(Some(&lease()))?;
    if data["twice"] == true {
        effects::prepare(Some(&lease()))?;
    }
    if data["then"] == "panic" {
        panic!("with a lease");
    }
    let granted = granted.map(|granted| granted.lease_id);
    Ok(answer(&json!({ "lease": granted })))
}

/// A login that gives whatever the request says.
fn login(data: &Value) -> Response {
    let number = |name: &str| data[name].as_u64().unwrap_or_default();
    let texts = |name: &str| {
        let all = data[name].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let auth = Auth {
        policies: texts("policies"),
        no_default_policy: false,
        display_name: data["display_name"].as_str().unwrap_or("m").to_owned(),
        alias: None,
        metadata: Vec::new(),
        internal: data["internal"].as_str().unwrap_or("{}").to_owned(),
        renewable: true,
        ttl: number("ttl"),
        max_ttl: number("max_ttl"),
        explicit_max_ttl: number("explicit_max_ttl"),
        period: number("period"),
        num_uses: 0,
        bound_cidrs: texts("bound_cidrs"),
        kind: TokenKind::Default,
    };
    Response {
        auth: Some(auth),
        data: None,
        ..answer(&json!({}))
    }
}

impl Guest for Malice {
    fn describe() -> Description {
        if is("describe-spin") {
            spin();
        }
        if is("describe-panic") {
            panic!("who am I?");
        }
        if is("describe-store") {
            storage::put("a", b"b").ok();
        }
        let mut paths = vec![path("{rest*}".to_owned(), is("auth"))];
        if is("describe-paths") {
            paths = (0..1_000_000).map(|n| path(format!("{n}"), false)).collect();
        }
        if is("describe-many") {
            paths = (0..1001).map(|n| path(format!("p{n}"), false)).collect();
        }
        if is("describe-fields") {
            paths[0].fields = (0..257).map(|n| field(&format!("f{n}"))).collect();
        }
        if is("describe-pattern") {
            paths = vec![path("a/{".to_owned(), false)];
        }
        let help = if is("describe-help") { "x".repeat(3 << 20) } else { String::new() };
        Description {
            kind: if is("auth") || is("describe-kind") { EngineKind::Auth } else { EngineKind::Secret },
            name: "malice".to_owned(),
            version: "6.6.6".to_owned(),
            help,
            paths,
            tick: if is("tick") || is("describe-tick") { 1 } else { 0 },
        }
    }

    fn handle(request: Request) -> Result<Response, Error> {
        let data: Value = serde_json::from_str(&request.data).unwrap_or_default();
        match request.path.as_str() {
            "creds" => creds(&data),
            "login" => Ok(login(&data)),
            // What the suite wants it to say, word for word.
            "say" => Ok(Response {
                data: data["data"].as_str().map(str::to_owned),
                status: data["status"].as_u64().map(|status| status as u16),
                warnings: data["warnings"].as_str().map(str::to_owned).into_iter().collect(),
                ..answer(&json!({}))
            }),
            "nested" => {
                let depth = data["depth"].as_u64().unwrap_or_default() as usize;
                Ok(Response {
                    data: Some(format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth))),
                    ..answer(&json!({}))
                })
            }
            "refuse" => Err(Error {
                kind: ErrorKind::InvalidRequest,
                message: data["message"].as_str().unwrap_or_default().repeat(data["times"].as_u64().unwrap_or(1) as usize),
            }),
            "revoked" => Ok(answer(&json!({
                "count": storage::get("revoked")?.map_or(0, |bytes| bytes.len()),
            }))),
            "ticked" => Ok(answer(&json!({ "ticked": storage::get("ticked")?.is_some() }))),
            _ => Ok(answer(&json!({ "mode": MODE }))),
        }
    }

    fn exists(_: Request) -> Result<Option<bool>, Error> {
        Ok(None)
    }

    fn renew(_: Lease, _: u64) -> Result<Renewal, Error> {
        Ok(Renewal {
            ttl: u64::MAX,
            max_ttl: u64::MAX,
            period: u64::MAX,
        })
    }

    fn revoke(lease: Lease) -> Result<(), Error> {
        let internal: Value = serde_json::from_str(&lease.internal).unwrap_or_default();
        match internal["revoke"].as_str() {
            Some("spin") => spin(),
            Some("panic") => panic!("no"),
            Some("hold") => {
                let until = coffer::plugin::clock::now() + 1500;
                while coffer::plugin::clock::now() < until {}
            }
            _ => {}
        }
        let before = storage::get("revoked")?.unwrap_or_default();
        storage::put("revoked", &[&before[..], b"x"].concat())
    }

    fn tick() -> Result<(), Error> {
        storage::put("ticked", b"1")?;
        spin()
    }
}
