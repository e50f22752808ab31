//! Users of a server of yours, for Coffer's `database` engine. One value of [`Database`] is one connection.

use coffer_sdk::backend::{Description, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::{Backend, Error, Result, template};
use serde_json::{Map, Value};

#[cfg(target_family = "wasm")]
mod remote;

/// Where to connect, and as whom.
pub struct Settings {
    pub host: String,
    pub port: u16,
    pub username: String,
    /// In no message.
    pub password: String,
}

/// What there is to say to a server. `remote` says it over the network, the tests have one in memory.
pub trait Server: Sized + 'static {
    /// Keeps the settings; connects when there is something to say.
    fn new(settings: Settings) -> Self;
    fn exists(&mut self, user: &str) -> Result<bool>;
    /// The name is not taken.
    fn create(&mut self, user: &str, password: &str) -> Result<()>;
    fn set_password(&mut self, user: &str, password: &str) -> Result<()>;
    /// Ends the user's sessions too. The user may be gone already.
    fn remove(&mut self, user: &str) -> Result<()>;
    fn ping(&mut self) -> Result<()>;
}

/// One connection.
pub struct Database<S>(S);

const PORT: u16 = 7000;
const USERNAME: &str = "v-{{.DisplayName | truncate 8}}-{{.RoleName | truncate 8}}-{{random 20}}";

/// `host` or `host:port`.
fn address(text: &str) -> Result<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        None => (text, PORT),
        Some((host, port)) => {
            let port = port.parse();
            (
                host,
                port.map_err(|_| Error::invalid("connection_url: the port is no number"))?,
            )
        }
    };
    if host.is_empty() {
        return Err(Error::invalid("connection_url is missing"));
    }
    Ok((host.to_owned(), port))
}

impl<S: Server> Backend for Database<S> {
    fn describe() -> Description {
        Description {
            name: "@name@".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            help: "@description@".to_owned(),
            // What stands in this field may be connected to, and nothing else.
            destination_fields: vec!["connection_url".to_owned()],
            default_port: PORT,
            secret_fields: Vec::new(),
        }
    }

    fn open(config: &Map<String, Value>) -> Result<Self> {
        let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
        let (host, port) = address(text("connection_url"))?;
        Ok(Self(S::new(Settings {
            host,
            port,
            username: text("username").to_owned(),
            password: text("password").to_owned(),
        })))
    }

    fn username(&mut self, naming: &UserNaming) -> Result<String> {
        let own = Some(naming.template.as_str()).filter(|own| !own.is_empty());
        // Who logs in by a name of their own choice has a say in these.
        let plain = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let (display, role) = (plain(&naming.display_name), plain(&naming.role_name));
        let fields = [
            ("DisplayName", display.as_str()),
            ("RoleName", role.as_str()),
        ];
        template::render(own.unwrap_or(USERNAME), &fields)
    }

    fn exists(&mut self, username: &str) -> Result<bool> {
        self.0.exists(username)
    }

    fn create_user(&mut self, user: &UserRequest) -> Result<()> {
        if !user.statements.is_empty() {
            // They are the role's creation_statements, for servers that have a language.
            return Err(Error::invalid("this backend takes no statements"));
        }
        // Whoever has the name keeps it. If your server can refuse a name that is taken, leave that to it: nobody can come
        // between then.
        if self.0.exists(&user.username)? {
            return Err(Error::conflict(format!(
                "user {:?} is there already",
                user.username
            )));
        }
        self.0.create(&user.username, &user.password)
    }

    fn update_user(&mut self, change: &UserChange) -> Result<()> {
        match &change.password {
            Some(password) => self.0.set_password(&change.username, password),
            // A new expiry: the engine removes the user when the lease ends, this server need not know.
            None => Ok(()),
        }
    }

    fn delete_user(&mut self, removal: &UserRemoval) -> Result<()> {
        self.0.remove(&removal.username)
    }

    fn ping(&mut self) -> Result<()> {
        self.0.ping()
    }
}

#[cfg(target_family = "wasm")]
type OverNetwork = Database<remote::Remote>;
#[cfg(target_family = "wasm")]
coffer_sdk::export_database!(OverNetwork);

#[cfg(test)]
mod tests;
