//! Users of a PostgreSQL server: made, changed and removed.
//!
//! Whatever the operator wrote runs in one transaction, sent as one message, so that a credential costs one round trip.

use postgres_protocol::password::scram_sha_256;

use crate::client::Client;
use crate::error::{Error, ServerError, code};
use crate::limits;
use crate::queries::{self, ROLE, find, grants};
use crate::session::Answer;
use crate::sql::{Values, identifier, literal, timestamp, transaction};

/// Vault's.
pub const USERNAME_TEMPLATE: &str = r#"{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}"#;

/// Taken by a transaction that collided with another, so that those which did go one after the other.
const COLLISION_LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7163384699707124082);";

/// What the server is told of a new password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordAuthentication {
    /// The password; the server hashes it.
    #[default]
    Password,
    /// A SCRAM verifier: the server, and its log, never see the password.
    ScramSha256,
}

impl PasswordAuthentication {
    /// As the configuration says it.
    ///
    /// # Errors
    /// With Vault's words if it says something else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "password" => Ok(Self::Password),
            "scram-sha-256" => Ok(Self::ScramSha256),
            _ => Err(Error::Invalid(format!(
                "'{text}' is not a valid password authentication type"
            ))),
        }
    }

    fn conceal(self, password: &str) -> String {
        match self {
            Self::Password => password.to_owned(),
            Self::ScramSha256 => scram_sha_256(password.as_bytes()),
        }
    }
}

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

/// What changes of a user.
pub struct Change<'a> {
    /// Whose.
    pub username: &'a str,
    /// A new password.
    pub password: Option<&'a str>,
    /// A new expiry, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// Empty: the default.
    pub statements: &'a [String],
}

/// The users of one server.
pub struct Users {
    client: Client,
    authentication: PasswordAuthentication,
}

impl Users {
    /// Over this connection.
    pub fn new(client: Client, authentication: PasswordAuthentication) -> Self {
        Self {
            client,
            authentication,
        }
    }

    /// Proves that the connection works.
    ///
    /// # Errors
    /// If it does not.
    pub fn ping(&mut self) -> Result<(), Error> {
        let answers = self.client.run(&["SELECT 1"], None)?;
        one(answers).rows().map(drop)
    }

    /// Makes a user.
    ///
    /// # Errors
    /// What the server refused; nothing of it has taken effect then, and the rollback statements have run.
    pub fn create(&mut self, user: &NewUser<'_>) -> Result<(), Error> {
        if user
            .statements
            .iter()
            .all(|statement| statement.trim().is_empty())
        {
            return Err(Error::Invalid("empty creation statements".to_owned()));
        }
        check_name(user.username)?;
        let password = self.authentication.conceal(user.password);
        let expiration = timestamp(user.expires);
        let values = [
            ("name", user.username),
            ("username", user.username),
            ("password", password.as_str()),
            ("expiration", expiration.as_str()),
        ];
        let values = Values::new(&values)?;
        let lock = format!(
            "SELECT pg_catalog.pg_advisory_xact_lock({});",
            queries::lock(user.username)
        );
        let made = self.settle(
            &lock,
            &values.fill(user.statements),
            None,
            Some(&find(user.username)),
        );
        let made = match made {
            // The transaction was rolled back: what is there was there before.
            Err(Error::Server(error))
                if error.code == code::DUPLICATE_OBJECT && self.exists(user.username)? =>
            {
                Err(Error::Taken(error))
            }
            Err(Error::Server(error)) => {
                Err(self.roll_back(*error, &values.fill(user.rollback)).into())
            }
            other => other.map(drop),
        };
        made.map_err(|error| error.without(&[&password, user.password]))
    }

    /// Whether there is a user of that name.
    ///
    /// # Errors
    /// If the server cannot say.
    pub fn exists(&mut self, username: &str) -> Result<bool, Error> {
        let answers = self.client.run(&[&find(username)], None)?;
        Ok(!one(answers).rows()?.is_empty())
    }

    fn roll_back(&mut self, mut error: ServerError, statements: &[String]) -> ServerError {
        if !statements.is_empty()
            && let Err(second) = self.transaction(statements)
        {
            error
                .message
                .push_str(&format!(" (and the rollback statements failed: {second})"));
        }
        error
    }

    /// Changes a user's password, expiry or both.
    ///
    /// # Errors
    /// What the server refused; nothing of it has taken effect then.
    pub fn update(&mut self, change: &Change<'_>) -> Result<(), Error> {
        if change.username.is_empty() {
            return Err(Error::Invalid("missing username".to_owned()));
        }
        if change.password.is_none() && change.expires.is_none() {
            return Err(Error::Invalid("no changes requested".to_owned()));
        }
        check_name(change.username)?;
        let password = change
            .password
            .map(|password| self.authentication.conceal(password));
        let expiration = change.expires.map(|expires| timestamp(Some(expires)));
        let statements = if change
            .statements
            .iter()
            .all(|statement| statement.trim().is_empty())
        {
            let role = identifier(change.username);
            let password = password
                .as_ref()
                .map(|password| format!("ALTER ROLE {role} WITH PASSWORD {}", literal(password)));
            let expiry = expiration
                .as_ref()
                .map(|time| format!("ALTER ROLE {role} VALID UNTIL {}", literal(time)));
            password.into_iter().chain(expiry).collect()
        } else {
            let mut values = vec![("name", change.username), ("username", change.username)];
            values.extend(password.as_deref().map(|password| ("password", password)));
            values.extend(expiration.as_deref().map(|time| ("expiration", time)));
            Values::new(&values)?.fill(change.statements)
        };
        let secrets = [
            password.as_deref().unwrap_or_default(),
            change.password.unwrap_or_default(),
        ];
        self.transaction(&statements)
            .map_err(|error| error.without(&secrets))
    }

    /// Removes a user and its sessions, and looks whether both are gone. A user that is not there is removed.
    ///
    /// A creation of it that is still under way (the call that wanted it was cut off) is ended before anything else, so that
    /// it does not come to its end afterwards. Then the user can no longer log in, and its sessions end, whatever becomes of the rest: so a user that owns something, and
    /// cannot be dropped, is harmless while somebody decides what to do about it.
    ///
    /// # Errors
    /// What the server refused, or that something is left.
    pub fn delete(&mut self, username: &str, statements: &[String]) -> Result<(), Error> {
        check_name(username)?;
        if username == self.client.settings().user {
            return Err(Error::Invalid(format!(
                "{username:?} is the connection's own user: it is not removed"
            )));
        }
        let by_default = statements
            .iter()
            .all(|statement| statement.trim().is_empty());
        let custom = if by_default {
            Vec::new()
        } else {
            Values::new(&[("name", username), ("username", username)])?.fill(statements)
        };
        let Some(LockedOut { oid, grants, ended }) = self.lock_out(username)? else {
            return Ok(());
        };
        match ended {
            // Until they have ended they own what they made for themselves: temporary tables.
            Ok(true) => self.watch(username, &queries::sessions(&oid, "pid"))?,
            Ok(false) => {}
            Err(error) if by_default => return Err(error.into()),
            Err(_) => {}
        }
        let statements = if by_default {
            grants
                .into_iter()
                .chain([format!("DROP ROLE IF EXISTS {}", identifier(username))])
                .collect()
        } else {
            custom
        };
        let mut remains = queries::remains(username, &oid, "pg_catalog.pg_terminate_backend(pid)");
        let mut found = self.settle("", &statements, Some(&remains), None)?;
        if found.as_ref().is_some_and(Answer::lacks_privilege) {
            // They may still be watched, and the statements may have ended them.
            remains = queries::remains(username, &oid, "pid");
            found = self.client.run(&[&remains], None)?.pop();
        }
        let left = texts_of(found)?;
        if left.iter().any(|what| what == ROLE) {
            return Err(Error::Invalid(format!(
                "user {username:?} is still there after its revocation statements ran: they must drop it"
            )));
        }
        if left.is_empty() {
            return Ok(());
        }
        self.watch(username, &remains)
    }

    /// Waits until the query finds no session any more.
    fn watch(&mut self, username: &str, sessions: &str) -> Result<(), Error> {
        let sleep = format!("SELECT pg_catalog.pg_sleep({})", limits::SESSION_WAIT);
        for _ in 0..limits::SESSION_CHECKS {
            let mut answers = self.client.run(&[&sleep, sessions], None)?;
            if answers.pop().unwrap_or_default().rows()?.is_empty() {
                return Ok(());
            }
        }
        Err(Error::lost(format!(
            "sessions of user {username:?} do not end"
        )))
    }

    /// The user can no longer log in and its sessions are told to end. None if there is no such user.
    fn lock_out(&mut self, username: &str) -> Result<Option<LockedOut>, Error> {
        let role = identifier(username);
        let free = format!(
            "SELECT pg_catalog.pg_try_advisory_xact_lock({})",
            queries::lock(username)
        );
        let find = find(username);
        // Need not reach the disk by itself: it does so with what follows.
        let lock = format!(
            "SELECT pg_catalog.set_config('synchronous_commit', 'off', true); ALTER ROLE {role} NOLOGIN"
        );
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE usesysid = ({find}) AND pid <> pg_catalog.pg_backend_pid()"
        );
        let grants = grants(username);
        let flight = [&free, &find, &lock, &end, &grants].map(String::as_str);
        let mut answers = self.client.run(&flight, None)?;
        if answers.first().is_some_and(|free| free.says("f")) {
            self.end_creation(username)?;
            answers = self.client.run(&flight, None)?;
        }
        let Ok([_free, found, _locked, ended, grants]) = <[Answer; 5]>::try_from(answers) else {
            return Err(Error::lost("answers are missing"));
        };
        // Without the right to change the role: whether the statements that follow may drop it, they will show.
        let Some(oid) = texts(found.rows()?).pop() else {
            return Ok(None);
        };
        let ended = if ended.lacks_privilege() {
            // Whoever made a role may join it, and whoever is in a role may end its sessions.
            let join = format!("GRANT {role} TO CURRENT_USER");
            let mut answers = self.client.run(&[&join, &end], None)?;
            answers.pop().unwrap_or_default()
        } else {
            ended
        };
        let ended = match ended.refused {
            Some(error) if error.code == code::INSUFFICIENT_PRIVILEGE => Err(error),
            Some(error) => return Err(error.into()),
            None => Ok(!ended.rows.is_empty()),
        };
        Ok(Some(LockedOut {
            oid,
            grants: texts(grants.rows()?),
            ended,
        }))
    }

    /// Ends the session that is making the user, and waits until that is over.
    fn end_creation(&mut self, username: &str) -> Result<(), Error> {
        let key = queries::lock(username);
        let wait = format!(
            "SELECT pg_catalog.set_config('lock_timeout', '{}', true); SELECT pg_catalog.pg_advisory_xact_lock({key})",
            limits::CREATION_WAIT
        );
        let answers = self.client.run(&[&queries::end_holder(key), &wait], None)?;
        match answers.into_iter().last().unwrap_or_default().refused {
            Some(error) if error.code == code::LOCK_NOT_AVAILABLE => Err(Error::lost(format!(
                "user {username:?} is still being made, in a session that does not end"
            ))),
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn transaction(&mut self, statements: &[String]) -> Result<(), Error> {
        self.settle("", statements, None, None).map(drop)
    }

    /// Runs a transaction, again if it collides with another. `first` is for what is ours in it, `then` for a query after it,
    /// in the same flight.
    fn settle(
        &mut self,
        first: &str,
        statements: &[String],
        then: Option<&str>,
        done: Option<&str>,
    ) -> Result<Option<Answer>, Error> {
        let mut tries = 0;
        loop {
            let turn = if tries == 0 { "" } else { COLLISION_LOCK };
            let text = transaction(&[first, turn].concat(), statements);
            let flight: Vec<&str> = [text.as_str()].into_iter().chain(then).collect();
            let mut answers = self.client.run(&flight, done)?.into_iter();
            tries += 1;
            match answers.next().unwrap_or_default().refused {
                None => return Ok(answers.next()),
                Some(error) if error.is_collision() && tries < limits::COLLISIONS => {}
                Some(error) => return Err(error.into()),
            }
        }
    }
}

/// A user that can no longer log in.
struct LockedOut {
    oid: String,
    /// What would revoke its privileges in this database.
    grants: Vec<String>,
    /// Whether there were sessions, which have been told to end; or why that could not be.
    ended: Result<bool, ServerError>,
}

/// PostgreSQL cuts longer names, and then they are somebody else's.
fn check_name(username: &str) -> Result<(), Error> {
    match username.len() {
        0 => Err(Error::Invalid("missing username".to_owned())),
        len if len > limits::IDENTIFIER => Err(Error::Invalid(format!(
            "user names have at most {} bytes, this one has {len}",
            limits::IDENTIFIER
        ))),
        _ => Ok(()),
    }
}

/// A generated name as PostgreSQL takes it, and such that it cannot break out of the quotes around it: who logs in by a name
/// of their own choice has a say in it.
pub fn tame(name: &str) -> String {
    let mut tame = String::new();
    for c in name.chars() {
        let c = if matches!(c, '\'' | '"' | '\\' | '$' | '`') || c.is_control() || c.is_whitespace()
        {
            '-'
        } else {
            c
        };
        if tame.len() + c.len_utf8() > limits::IDENTIFIER {
            break;
        }
        tame.push(c);
    }
    tame
}

fn one(answers: Vec<Answer>) -> Answer {
    answers.into_iter().next().unwrap_or_default()
}

fn texts_of(answer: Option<Answer>) -> Result<Vec<String>, Error> {
    Ok(texts(answer.unwrap_or_default().rows()?))
}

/// The first column.
fn texts(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}
