//! The contract's view of it.

use coffer_sdk::backend::{Description, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::{Backend, Error, Result, template};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::config::{Config, PORT};
use crate::server::Server;
use crate::users::{NAME, USERNAME_TEMPLATE, Users};

/// A shorter secret would be found in words that have nothing to do with it, and be told by the gaps. In bytes.
const TELLING: usize = 6;

/// A server, asked once for each call.
pub struct InfluxDb {
    users: Users,
    username_template: String,
    /// The connection's own password: in no message.
    password: Zeroizing<String>,
}

impl InfluxDb {
    /// What the call says, with these passwords blotted out of it.
    fn call<R>(&self, password: &str, call: impl FnOnce(&Users) -> Result<R>) -> Result<R> {
        call(&self.users).map_err(|mut error| {
            for secret in [password, self.password.as_str()] {
                if secret.len() >= TELLING {
                    error.message = error.message.replace(secret, "[password]");
                }
            }
            error
        })
    }
}

impl Backend for InfluxDb {
    fn describe() -> Description {
        Description {
            name: "influxdb-database-plugin".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: "Users of InfluxDB 1.x. Statements are InfluxQL, with `{{username}}` and `{{password}}`."
                .to_owned(),
            destination_fields: vec!["host".to_owned(), "port".to_owned()],
            default_port: PORT,
            secret_fields: vec!["pem_bundle".to_owned()],
        }
    }

    fn open(config: &Map<String, Value>) -> Result<Self> {
        let mut config = Config::read(config)?;
        let username_template = match std::mem::take(&mut config.username_template) {
            empty if empty.is_empty() => USERNAME_TEMPLATE.to_owned(),
            own => own,
        };
        let names = [("DisplayName", "name"), ("RoleName", "name")];
        template::render(&username_template, &names)?;
        Ok(Self {
            password: config.password.clone(),
            users: Users::new(Server::new(config)),
            username_template,
        })
    }

    fn username(&mut self, naming: &UserNaming) -> Result<String> {
        template::username(naming, &self.username_template, tame)
    }

    fn exists(&mut self, username: &str) -> Result<bool> {
        self.call("", |users| users.exists(username))
    }

    fn create_user(&mut self, user: &UserRequest) -> Result<()> {
        self.call(&user.password, |users| {
            users.create(
                &user.username,
                &user.password,
                &user.statements,
                &user.rollback_statements,
            )
        })
    }

    /// There is no expiry to change: a renewal finds out whether the user is still there.
    fn update_user(&mut self, change: &UserChange) -> Result<()> {
        if change.password.is_none() && change.expires.is_none() {
            return Err(Error::invalid("no changes requested"));
        }
        let password = change.password.as_deref();
        self.call(password.unwrap_or_default(), |users| match password {
            Some(password) => users.set_password(&change.username, password, &change.statements),
            None => users.require(&change.username),
        })
    }

    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()> {
        self.call("", |users| {
            users.delete(&removal.username, &removal.statements)
        })
    }

    fn ping(&mut self) -> Result<()> {
        self.call("", Users::ping)
    }
}

/// A name that a server of this family takes.
fn tame(name: &str) -> String {
    let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
    name.truncate(name.floor_char_boundary(NAME));
    name
}

coffer_sdk::export_database!(InfluxDb);
