//! The contract's view of it.

use coffer_sdk::backend::{Description, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::{Backend, Error as ContractError, Result, template};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::config::{Config, PORT};
use crate::error::Error;
use crate::users::{self, Users};

/// One connection.
pub struct Valkey {
    users: Users,
    username_template: String,
    /// The connection's own password: in no message.
    password: Zeroizing<String>,
}

impl Valkey {
    fn call<R>(
        &mut self,
        password: &str,
        call: impl FnOnce(&mut Users) -> Result<R, Error>,
    ) -> Result<R> {
        call(&mut self.users)
            .map_err(|error| error.without(&[password, self.password.as_str()]).into())
    }
}

impl Backend for Valkey {
    fn describe() -> Description {
        Description {
            name: "valkey-database-plugin".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: "ACL users of Valkey and Redis servers. `creation_statements` are ACL rules: `[\"~*\", \"+@read\"]`."
                .to_owned(),
            destination_fields: vec!["host".to_owned(), "port".to_owned()],
            default_port: PORT,
            secret_fields: vec!["private_key".to_owned()],
        }
    }

    fn open(config: &Map<String, Value>) -> Result<Self> {
        let mut config = Config::read(config)?;
        let username_template = match std::mem::take(&mut config.username_template) {
            empty if empty.is_empty() => users::USERNAME_TEMPLATE.to_owned(),
            own => own,
        };
        template::render(
            &username_template,
            &[("DisplayName", "name"), ("RoleName", "name")],
        )?;
        let password = config.password.clone();
        Ok(Self {
            users: Users::new(Client::new(config)),
            username_template,
            password,
        })
    }

    fn username(&mut self, naming: &UserNaming) -> Result<String> {
        template::username(naming, &self.username_template, users::tame)
    }

    fn exists(&mut self, username: &str) -> Result<bool> {
        self.call("", |users| users.exists(username))
    }

    fn create_user(&mut self, user: &UserRequest) -> Result<()> {
        self.call(&user.password, |users| {
            users.create(&user.username, &user.password, &user.statements)
        })
    }

    /// There is no expiry to change: a renewal finds out whether the user is still there.
    fn update_user(&mut self, change: &UserChange) -> Result<()> {
        if change.password.is_none() && change.expires.is_none() {
            return Err(ContractError::invalid("no changes requested"));
        }
        if change.statements.iter().any(|text| !text.trim().is_empty()) {
            return Err(ContractError::invalid(
                "this database takes creation_statements, and no others",
            ));
        }
        let password = change.password.as_deref();
        self.call(password.unwrap_or_default(), |users| match password {
            Some(password) => users.set_password(&change.username, password),
            None => users.check(&change.username),
        })
    }

    /// A role's statements for it are passed over, as Vault does: nothing is to keep a user from being removed.
    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()> {
        self.call("", |users| users.delete(&removal.username))
    }

    fn ping(&mut self) -> Result<()> {
        self.call("", Users::ping)
    }
}

coffer_sdk::export_database!(Valkey);
