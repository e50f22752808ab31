//! Users of a PostgreSQL server: made, changed and removed.
//!
//! Whatever the operator wrote runs in one transaction, sent as one message, so that a credential costs one round trip.

use postgres_protocol::password::scram_sha_256;

use crate::client::Client;
use crate::error::{Error, ServerError, code};
use crate::limits;
use crate::session::Answer;
use crate::sql::{Values, identifier, literal, timestamp, transaction};
use crate::transport::Dial;

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
pub struct Users<D: Dial> {
    client: Client<D>,
    authentication: PasswordAuthentication,
}

impl<D: Dial> Users<D> {
    /// Over this connection.
    pub fn new(client: Client<D>, authentication: PasswordAuthentication) -> Self {
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
        let exists = format!(
            "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {}",
            literal(user.username)
        );
        let made = self.transaction(&values.fill(user.statements), Some(&exists));
        let made = match made {
            Err(Error::Server(error)) => {
                Err(self.roll_back(*error, &values.fill(user.rollback)).into())
            }
            other => other,
        };
        made.map_err(|error| error.without(&[&password, user.password]))
    }

    fn roll_back(&mut self, mut error: ServerError, statements: &[String]) -> ServerError {
        if !statements.is_empty()
            && let Err(second) = self.transaction(statements, None)
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
        self.transaction(&statements, None)
            .map_err(|error| error.without(&secrets))
    }

    /// Removes a user and its sessions, and looks whether both are gone. A user that is not there is removed.
    ///
    /// First it can no longer log in, and its sessions end, whatever becomes of the rest: so a user that owns something, and
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
        let Some((oid, grants)) = self.lock_out(username)? else {
            return Ok(());
        };
        let statements = if by_default {
            grants
                .into_iter()
                .chain([format!("DROP ROLE IF EXISTS {}", identifier(username))])
                .collect()
        } else {
            custom
        };
        let remains = remains(username, &oid);
        let mut left = self.transaction_then(&statements, &remains)?;
        for _ in 0..limits::SESSION_CHECKS {
            if left.is_empty() {
                return Ok(());
            }
            if left.iter().any(|what| what == ROLE) {
                return Err(Error::Invalid(format!(
                    "user {username:?} is still there after its revocation statements ran: they must drop it"
                )));
            }
            let sleep = format!("SELECT pg_catalog.pg_sleep({})", limits::SESSION_WAIT);
            let mut answers = self.client.run(&[&sleep, &remains], None)?;
            left = texts(answers.pop().unwrap_or_default().rows()?);
        }
        Err(Error::lost(format!(
            "sessions of user {username:?} do not end"
        )))
    }

    /// The user can no longer log in and its sessions are told to end. Returns its oid, and what would revoke its
    /// privileges in this database; None if there is no such user.
    fn lock_out(&mut self, username: &str) -> Result<Option<(String, Vec<String>)>, Error> {
        let (name, role) = (literal(username), identifier(username));
        let find = format!("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {name}");
        // Need not reach the disk by itself: it does so with what follows.
        let lock = format!(
            "SELECT pg_catalog.set_config('synchronous_commit', 'off', true); ALTER ROLE {role} NOLOGIN"
        );
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE usesysid = ({find}) AND pid <> pg_catalog.pg_backend_pid()"
        );
        let answers = self
            .client
            .run(&[&find, &lock, &end, &grants(username)], None)?;
        let Ok([found, _locked, ended, grants]) = <[Answer; 4]>::try_from(answers) else {
            return Err(Error::lost("answers are missing"));
        };
        // Without the right to change the role: whether the statements that follow may drop it, they will show.
        let Some(oid) = texts(found.rows()?).pop() else {
            return Ok(None);
        };
        match ended.refused {
            None => {}
            // Whoever made a role may join it, and whoever is in a role may end its sessions.
            Some(error) if error.code == code::INSUFFICIENT_PRIVILEGE => {
                let join = format!("GRANT {role} TO CURRENT_USER");
                let mut answers = self.client.run(&[&join, &end], None)?;
                let ended = answers.pop().unwrap_or_default();
                ended.rows()?;
            }
            Some(error) => return Err(error.into()),
        }
        Ok(Some((oid, texts(grants.rows()?))))
    }

    fn transaction(&mut self, statements: &[String], done: Option<&str>) -> Result<(), Error> {
        self.settle(statements, None, done).map(drop)
    }

    /// And a query after it, in the same flight.
    fn transaction_then(
        &mut self,
        statements: &[String],
        query: &str,
    ) -> Result<Vec<String>, Error> {
        texts_of(self.settle(statements, Some(query), None)?)
    }

    fn settle(
        &mut self,
        statements: &[String],
        then: Option<&str>,
        done: Option<&str>,
    ) -> Result<Option<Answer>, Error> {
        let mut tries = 0;
        loop {
            let text = transaction(if tries == 0 { "" } else { COLLISION_LOCK }, statements);
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

const ROLE: &str = "role";

/// A row for the role, and one for each session of it, which is told to end once more.
fn remains(username: &str, oid: &str) -> String {
    format!(
        "SELECT '{ROLE}' FROM pg_catalog.pg_roles WHERE rolname = {} \
         UNION ALL SELECT pg_catalog.pg_terminate_backend(pid)::text FROM pg_catalog.pg_stat_activity \
         WHERE usesysid = {}::oid AND pid <> pg_catalog.pg_backend_pid()",
        literal(username),
        literal(oid)
    )
}

/// What would revoke the user's privileges in this database: `pg_shdepend` knows exactly what it was granted.
fn grants(username: &str) -> String {
    format!(
        "SELECT 'REVOKE ALL PRIVILEGES ON ' || kind || ' ' || pg_catalog.string_agg(name, ', ') || ' FROM ' || {}
         FROM (
           SELECT CASE classid
               WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'TABLE'
               WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'ROUTINE'
               WHEN 'pg_catalog.pg_namespace'::pg_catalog.regclass THEN 'SCHEMA'
               WHEN 'pg_catalog.pg_database'::pg_catalog.regclass THEN 'DATABASE'
             END AS kind,
             CASE classid
               WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN objid::pg_catalog.regclass::text
               WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN objid::pg_catalog.regprocedure::text
               WHEN 'pg_catalog.pg_namespace'::pg_catalog.regclass
                 THEN (SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE oid = objid)
               WHEN 'pg_catalog.pg_database'::pg_catalog.regclass
                 THEN (SELECT pg_catalog.quote_ident(datname) FROM pg_catalog.pg_database WHERE oid = objid)
             END AS name
           FROM pg_catalog.pg_shdepend
           WHERE refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
             AND refobjid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {})
             AND deptype = 'a'
             AND (dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
               OR classid = 'pg_catalog.pg_database'::pg_catalog.regclass
                 AND objid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
         ) AS granted
         WHERE name IS NOT NULL
         GROUP BY kind",
        literal(&identifier(username)),
        literal(username)
    )
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
