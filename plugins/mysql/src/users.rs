//! Users of a MySQL server: made and changed. They are removed in [`removal`](crate::removal).
//!
//! MySQL commits each statement about users by itself. So what undoes a creation that failed half-way is a removal, and what
//! keeps two calls from each other's users is a lock of the server's (`GET_LOCK`), which ends with its session.

use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::{Error, code};
use crate::limits;
use crate::queries;
use crate::session::Rows;
use crate::sql::{Values, account, breaks_out, leaves_no_trace, timestamp};

/// Vault's.
pub const USERNAME_TEMPLATE: &str = r#"{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 10) (.RoleName | truncate 10) (random 20) (unix_time) | truncate 32 }}"#;

/// Statements, filled in.
pub(crate) type Statements = [Zeroizing<String>];

/// A user to come.
pub struct NewUser<'a> {
    /// Its name.
    pub username: &'a str,
    /// Its password.
    pub password: &'a str,
    /// Milliseconds since 1970.
    pub expires: Option<u64>,
    /// What makes it.
    pub statements: &'a [String],
    /// What undoes that, when it failed half-way.
    pub rollback: &'a [String],
}

/// The users of one server.
pub struct Users {
    pub(crate) client: Client,
    /// It is known that we may see all sessions.
    pub(crate) watches: bool,
}

impl Users {
    /// Over this connection.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            watches: false,
        }
    }

    /// Proves that the connection works.
    ///
    /// # Errors
    /// If it does not.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.client.ping()
    }

    /// Whether there is a user of that name, at whatever host.
    ///
    /// # Errors
    /// If the server cannot say.
    pub fn exists(&mut self, username: &str) -> Result<bool, Error> {
        check_name(username)?;
        let found = self.client.begin(&queries::accounts(username));
        Ok(!self.hosts_of(username, found)?.is_empty())
    }

    /// Makes a user.
    ///
    /// # Errors
    /// What the server refused; the rollback statements have run then, and the user is gone.
    pub fn create(&mut self, user: &NewUser<'_>) -> Result<(), Error> {
        check_name(user.username)?;
        let expiration = timestamp(user.expires);
        let values = [
            ("name", user.username),
            ("username", user.username),
            ("password", user.password),
            ("expiration", expiration.as_str()),
        ];
        let values = Values::new(&values)?;
        let statements = values.fill(user.statements);
        if statements.is_empty() {
            return Err(Error::Invalid("empty creation statements".to_owned()));
        }
        let rollback = values.fill(user.rollback);
        let lock = queries::lock(user.username);
        if !says_yes(&self.client.begin(&queries::try_lock(&lock))?) {
            return Err(Error::Taken(format!(
                "user {:?} is being made or removed by somebody else",
                user.username
            )));
        }
        let made = self.make(user.username, &statements, &rollback);
        self.release(&lock, statements.iter().chain(&rollback));
        made.map_err(|error| error.without(&[user.password]))
    }

    fn make(
        &mut self,
        username: &str,
        statements: &Statements,
        rollback: &Statements,
    ) -> Result<(), Error> {
        let taken = || Error::Taken(format!("user {username:?} already exists"));
        self.may_watch()?;
        if !self.hosts(username)?.is_empty() {
            return Err(taken());
        }
        let Err((done, error)) = self.transaction(statements) else {
            return Ok(());
        };
        if error.is_fatal() {
            return Err(error);
        }
        // Made by somebody else since we looked: theirs.
        if done == 0 && error.code() == code::CANNOT_USER && !self.hosts(username)?.is_empty() {
            return Err(taken());
        }
        Err(self.undo(username, rollback, error))
    }

    /// What is left of a creation that failed goes. Returns the failure, with what else went wrong.
    fn undo(&mut self, username: &str, rollback: &Statements, error: Error) -> Error {
        let mut also = Vec::new();
        if let Err((_, second)) = self.transaction(rollback) {
            also.push(format!("the rollback statements failed: {second}"));
        }
        if let Err(second) = self.remove(username, None) {
            also.push(format!("what was made is still there: {second}"));
        }
        match error {
            Error::Server(mut server) if !also.is_empty() => {
                server.message = format!("{} (and {})", server.message, also.join(", and "));
                Error::Server(server)
            }
            other => other,
        }
    }

    /// Changes a user's password. An expiry is the engine's alone: the server does not know it.
    ///
    /// # Errors
    /// What the server refused.
    pub fn update(
        &mut self,
        username: &str,
        password: Option<&str>,
        expires: Option<u64>,
        statements: &[String],
    ) -> Result<(), Error> {
        let Some(password) = password else {
            return match expires {
                Some(_) => Ok(()),
                None => Err(Error::Invalid("no changes requested".to_owned())),
            };
        };
        if username.is_empty() || password.is_empty() {
            return Err(Error::Invalid(
                "must provide both username and password".to_owned(),
            ));
        }
        check_name(username)?;
        let expiration = timestamp(expires);
        let values = [
            ("name", username),
            ("username", username),
            ("password", password),
            ("expiration", expiration.as_str()),
        ];
        let custom = match crate::sql::split(statements).is_empty() {
            true => None,
            false => Some(Values::new(&values)?.fill(statements)),
        };
        self.client.begin("DO 0")?;
        let statements = match custom {
            Some(custom) => custom,
            None => vec![self.alteration(username, password)],
        };
        let changed = self.transaction(&statements);
        self.forget_if_changed(statements.iter());
        changed.map_err(|(_, error)| error.without(&[password, &self.client.literal(password)]))
    }

    fn alteration(&self, username: &str, password: &str) -> Zeroizing<String> {
        let account = account(username, "'%'");
        let password = self.client.literal(password);
        Zeroizing::new(format!("ALTER USER {account} IDENTIFIED BY {}", *password))
    }

    /// The hosts from where somebody of that name may log in, quoted.
    pub(crate) fn hosts(&mut self, username: &str) -> Result<Vec<String>, Error> {
        let found = self.client.query(&queries::accounts(username));
        self.hosts_of(username, found)
    }

    fn hosts_of(
        &mut self,
        username: &str,
        found: Result<Rows, Error>,
    ) -> Result<Vec<String>, Error> {
        match found {
            Ok(rows) => {
                let pairs = rows.into_iter().filter_map(|row| {
                    let mut values = row.into_iter().flatten();
                    Some((values.next()?, values.next()?))
                });
                // The server's idea of what is equal is wider.
                let ours = pairs.filter(|(_, name)| name == username);
                let hosts: Vec<String> = ours.map(|(host, _)| host).collect();
                Ok(hosts
                    .iter()
                    .map(|host| self.client.literal(host).to_string())
                    .collect())
            }
            // Without the right to look: at any host, as users are made by default.
            Err(error) if error.lacks_privilege() => {
                match self.client.query(&queries::probe(username)) {
                    Ok(_) => Ok(vec!["'%'".to_owned()]),
                    Err(error) if error.code() == code::CANNOT_USER => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Runs statements in order. What can be undone of them (rows, not users) is, when one fails.
    ///
    /// Returns how many had run before that.
    pub(crate) fn transaction(&mut self, statements: &Statements) -> Result<(), (usize, Error)> {
        match statements {
            [] => return Ok(()),
            [one] => return self.client.query(one).map(drop).map_err(|error| (0, error)),
            _ => {}
        }
        // A statement about users ends a transaction: this way the next begins by itself, and the last is committed when
        // this ends.
        const OPEN: &str = "SET autocommit = 0";
        const CLOSE: &str = "SET autocommit = 1";
        self.client.query(OPEN).map_err(|error| (0, error))?;
        for (done, statement) in statements.iter().enumerate() {
            let Err(error) = self.client.query(statement) else {
                continue;
            };
            if !error.is_fatal() {
                let undone = self.client.query("ROLLBACK");
                let closed = self.client.query(CLOSE);
                undone.and(closed).map_err(|error| (done, error))?;
            }
            return Err((done, error));
        }
        let closed = self.client.query(CLOSE).map(drop);
        closed.map_err(|error| (statements.len(), error))
    }

    /// That a user can be made whose end will be seen.
    pub(crate) fn may_watch(&mut self) -> Result<(), Error> {
        if self.watches {
            return Ok(());
        }
        match self.client.query(queries::MAY_WATCH) {
            Ok(_) => {
                self.watches = true;
                Ok(())
            }
            Err(error) if error.lacks_privilege() => Err(Error::Invalid(
                "the connection's user does not see the sessions of others, and so cannot end those of a user that is \
                 removed: it needs the privilege PROCESS, and CONNECTION_ADMIN (CONNECTION ADMIN in MariaDB) or SUPER"
                    .to_owned(),
            )),
            Err(error) => Err(error),
        }
    }

    /// Gives the lock back. The session too, if statements may have changed it.
    pub(crate) fn release<'s>(
        &mut self,
        lock: &str,
        statements: impl Iterator<Item = &'s Zeroizing<String>>,
    ) {
        self.forget_if_changed(statements);
        if self
            .client
            .query(&format!("DO RELEASE_LOCK({lock})"))
            .is_err()
        {
            self.client.close();
        }
    }

    fn forget_if_changed<'s>(
        &mut self,
        mut statements: impl Iterator<Item = &'s Zeroizing<String>>,
    ) {
        if !statements.all(|statement| leaves_no_trace(statement)) {
            self.client.close();
        }
    }
}

/// Whether the first value is 1.
pub(crate) fn says_yes(rows: &Rows) -> bool {
    let first = rows.first().and_then(|row| row.first());
    matches!(first, Some(Some(value)) if value == "1")
}

/// A name that MySQL takes as it is, and that ends no quote.
pub fn check_name(username: &str) -> Result<(), Error> {
    match username.len() {
        0 => Err(Error::Invalid("missing username".to_owned())),
        len if len > limits::USERNAME => Err(Error::Invalid(format!(
            "user names have at most {} bytes, this one has {len}",
            limits::USERNAME
        ))),
        _ if breaks_out(username) => Err(Error::Invalid(
            "the user name has characters in it that cannot stand in a statement".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// A generated name as MySQL takes it, and such that it cannot break out of the quotes around it: who logs in by a name of
/// their own choice has a say in it.
pub fn tame(name: &str) -> String {
    let mut tame = String::new();
    for c in name.chars() {
        let strange = matches!(c, '\'' | '"' | '`' | '\\') || c.is_control() || c.is_whitespace();
        let c = if strange { '-' } else { c };
        if tame.len() + c.len_utf8() > limits::USERNAME {
            break;
        }
        tame.push(c);
    }
    tame
}
