//! The contract's view of it.

use coffer_sdk::backend::{Description, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::{Backend, Error as ContractError, Result, template};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::Error;
use crate::settings::Config;
use crate::users::{self, Change, NewUser, PasswordAuthentication, Users};

/// One connection.
pub struct Postgres {
    users: Users,
    username_template: String,
    /// The connection's own password: in no message.
    password: Zeroizing<String>,
}

impl Backend for Postgres {
    fn describe() -> Description {
        Description {
            name: "postgresql-database-plugin".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: "Users of PostgreSQL servers.".to_owned(),
            destination_fields: vec!["connection_url".to_owned()],
            default_port: 5432,
            secret_fields: vec!["private_key".to_owned()],
        }
    }

    fn open(config: &Map<String, Value>) -> Result<Self> {
        let config = Config::read(config).map_err(contract)?;
        let settings = config
            .settings()
            .map_err(|error| contract(error.without(&[&config.password])))?;
        let authentication =
            PasswordAuthentication::parse(&config.password_authentication).map_err(contract)?;
        let username_template = match config.username_template.as_str() {
            "" => users::USERNAME_TEMPLATE.to_owned(),
            own => own.to_owned(),
        };
        template::render(
            &username_template,
            &[("DisplayName", "name"), ("RoleName", "name")],
        )?;
        let password = settings.password.clone();
        Ok(Self {
            users: Users::new(Client::new(settings), authentication),
            username_template,
            password,
        })
    }

    fn username(&mut self, naming: &UserNaming) -> Result<String> {
        template::username(naming, &self.username_template, users::tame)
    }

    fn exists(&mut self, username: &str) -> Result<bool> {
        self.call(|users| users.exists(username))
    }

    fn create_user(&mut self, user: &UserRequest) -> Result<()> {
        self.call(|users| {
            users.create(&NewUser {
                username: &user.username,
                password: &user.password,
                expires: user.expires,
                statements: &user.statements,
                rollback: &user.rollback_statements,
            })
        })
    }

    fn update_user(&mut self, change: &UserChange) -> Result<()> {
        self.call(|users| {
            users.update(&Change {
                username: &change.username,
                password: change.password.as_deref(),
                expires: change.expires,
                statements: &change.statements,
            })
        })
    }

    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()> {
        self.call(|users| users.delete(&removal.username, &removal.statements))
    }

    fn ping(&mut self) -> Result<()> {
        self.call(Users::ping)
    }
}

impl Postgres {
    fn call<R>(&mut self, call: impl FnOnce(&mut Users) -> Result<R, Error>) -> Result<R> {
        call(&mut self.users).map_err(|error| contract(error.without(&[&self.password])))
    }
}

fn contract(error: Error) -> ContractError {
    match &error {
        Error::Invalid(_) => ContractError::invalid(error),
        Error::Denied(_) => ContractError::denied(error),
        Error::Lost { .. } => ContractError::unavailable(error),
        Error::Taken(_) => ContractError::conflict(error),
        Error::Server(server) if server.is_failover() => ContractError::unavailable(error),
        Error::Server(_) => ContractError::invalid(error),
    }
}

coffer_sdk::export_database!(Postgres);
