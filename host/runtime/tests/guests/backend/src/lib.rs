//! A backend whose "database" is a line of text: it sends what it is asked to and expects `ok` or a reason.

use std::cell::RefCell;

use coffer::plugin::network::{self, Connection, TlsOptions, Verification};
use coffer::plugin::types::{Error, ErrorKind};
use exports::coffer::plugin::backend::*;
use serde_json::Value;

wit_bindgen::generate!({ path: "../../../../../wit", world: "database", generate_all });

struct Backend;
export!(Backend);

#[derive(Default)]
struct State {
    config: Value,
    connection: Option<Connection>,
    calls: u32,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn unavailable(message: impl Into<String>) -> Error {
    Error {
        kind: ErrorKind::Unavailable,
        message: message.into(),
    }
}

impl State {
    fn connect(&mut self) -> Result<&Connection, Error> {
        if self.connection.is_none() {
            let url = self.config["url"].as_str().unwrap_or_default();
            // `dial` is what a backend with malice connects to instead.
            let dial = self.config["dial"].as_str().unwrap_or(url);
            let (host, port) = dial
                .rsplit_once(':')
                .ok_or_else(|| unavailable("no port"))?;
            let connection =
                network::connect(host, port.parse().map_err(|_| unavailable("bad port"))?)?;
            if let Some(tls) = self.config["tls"].as_object() {
                let text = |name: &str| {
                    tls.get(name)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                connection.start_tls(&TlsOptions {
                    server_name: text("server_name"),
                    verification: match text("verification").as_str() {
                        "none" => Verification::None,
                        "chain" => Verification::Chain,
                        _ => Verification::Full,
                    },
                    root_certificates: text("roots"),
                    client_certificate: text("certificate"),
                    client_key: text("key"),
                })?;
            }
            self.connection = Some(connection);
        }
        self.connection
            .as_ref()
            .ok_or_else(|| unavailable("not connected"))
    }

    fn ask(&mut self, line: &str) -> Result<(), Error> {
        self.calls += 1;
        let connection = self.connect()?;
        connection.write(format!("{line}\n").as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") {
            let part = connection.read(4096)?;
            if part.is_empty() {
                return Err(unavailable("the database hung up"));
            }
            answer.extend(part);
        }
        match String::from_utf8_lossy(&answer).trim() {
            "ok" => Ok(()),
            other => Err(Error {
                kind: ErrorKind::InvalidRequest,
                message: other.to_owned(),
            }),
        }
    }
}

fn state<T>(f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(f)
}

impl Guest for Backend {
    fn describe() -> Description {
        Description {
            name: "backend".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: String::new(),
            destination_fields: vec!["url".to_owned()],
            default_port: 5432,
            secret_fields: Vec::new(),
        }
    }

    fn open(config: String) -> Result<(), Error> {
        let config: Value =
            serde_json::from_str(&config).map_err(|error| unavailable(error.to_string()))?;
        if config["refuse"] == true {
            return Err(Error {
                kind: ErrorKind::InvalidRequest,
                message: "this configuration is refused".to_owned(),
            });
        }
        state(|state| state.config = config);
        Ok(())
    }

    /// How many calls this instance has served tells instances apart.
    fn username(naming: UserNaming) -> Result<String, Error> {
        state(|state| {
            state.calls += 1;
            Ok(format!(
                "v-{}-{}-{}",
                naming.display_name, naming.role_name, state.calls
            ))
        })
    }

    fn exists(username: String) -> Result<bool, Error> {
        state(|state| state.ask(&format!("exists {username}")))?;
        Ok(true)
    }

    fn create_user(user: UserRequest) -> Result<(), Error> {
        if user.statements.iter().any(|statement| statement == "panic") {
            panic!("the backend panics");
        }
        state(|state| {
            state.ask(&format!(
                "create {} {}",
                user.username,
                user.statements.join(" ")
            ))
        })
    }

    fn update_user(change: UserChange) -> Result<(), Error> {
        state(|state| state.ask(&format!("update {}", change.username)))
    }

    fn delete_user(removal: UserRemoval) -> Result<(), Error> {
        state(|state| state.ask(&format!("delete {}", removal.username)))
    }

    fn ping() -> Result<(), Error> {
        state(|state| state.ask("ping"))
    }
}
