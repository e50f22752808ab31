//! Users of a server: made, changed and removed.
//!
//! `ACL SETUSER` makes a user that is not there and silently changes one that is; it takes all its rules or none. No other
//! command makes it conditional: scripts may not call it, and transactions watch keys, not users. But one rule has a
//! condition in it: `!hash` takes a password away, and the whole command fails if the user does not have it. So:
//!
//! - **Making** a user takes a claim first. After a look that the name is free, the user is made without a right, disabled,
//!   with a random hash in the place of a password: nobody knows what would have that hash. If what is there then has
//!   anything but claims, somebody else was faster; the claim is taken back, and they keep what they have. Otherwise one
//!   command takes away every claim that was seen, sets rules and password, and enables the user. It fails if one of them is
//!   gone. So of those who claim a name at once the first whose command runs gets it, and no other; and a call that was cut
//!   off, and whose last command reaches the server late, does not bring back a user that was removed meanwhile.
//! - **Changing** a password takes one away that the user had when one looked, so that no user comes to be by being changed.
//! - **Removing** a user ends its sessions in the same moment, as `ACL DELUSER` is documented to do. The proof that it is gone
//!   is asked for in a trip of its own. A server that was stopped for a while finds the commands of several connections
//!   waiting, and runs them in any order: a claim of a call that was cut off may come after the removal, but not after what
//!   is only sent when the removal was answered.

use coffer_sdk::random;
use sha2::{Digest, Sha256};

use crate::client::Client;
use crate::error::{Error, Refusal};
use crate::limits;
use crate::rules;
use crate::wire::Reply;

/// As Vault names them, but so that the random part is never cut off.
pub const USERNAME_TEMPLATE: &str = r#"{{ printf "v_%s_%s_%s_%s" (.DisplayName | truncate 32) (.RoleName | truncate 32) (random 20) (unix_time) | uppercase | truncate 100 }}"#;

/// What every claim begins with: no password that somebody has chosen has such a hash.
const CLAIM: &str = "c0ffe4c1a1400000";

/// The users of one server.
pub struct Users {
    client: Client,
}

/// What of a user tells whose it is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    flags: Vec<String>,
    /// SHA-256, in hexadecimal.
    passwords: Vec<String>,
    commands: String,
}

impl Account {
    /// It has no right, cannot log in, and belongs to nobody but those who claim it.
    fn is_only_claimed(&self) -> bool {
        let has = |flag: &str| self.flags.iter().any(|have| have == flag);
        has("off")
            && !["nopass", "allkeys", "allcommands"].into_iter().any(has)
            && self.commands == "-@all"
            && self.passwords.iter().all(|hash| hash.starts_with(CLAIM))
    }
}

/// What came of the attempt to turn a claim into a user.
enum Enabled {
    Yes,
    /// The server does not take the rules.
    Refused(Error),
    /// A claim is gone.
    Outrun,
}

impl Users {
    /// Over this connection.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Proves that the connection works, and that its user may look at users.
    ///
    /// # Errors
    /// If it does not.
    pub fn ping(&mut self) -> Result<(), Error> {
        let own = self.client.config().username.clone();
        self.find(&own).map(drop)
    }

    /// Whether there is a user of that name.
    ///
    /// # Errors
    /// If the server cannot say.
    pub fn exists(&mut self, username: &str) -> Result<bool, Error> {
        check_name(username)?;
        Ok(self.find(username)?.is_some())
    }

    /// Makes a user.
    ///
    /// # Errors
    /// If the name is taken, or the server refused a rule: nothing is left then.
    pub fn create(
        &mut self,
        username: &str,
        password: &str,
        statements: &[String],
    ) -> Result<(), Error> {
        check_name(username)?;
        let rules = rules::parse(statements)?;
        if self.find(username)?.is_some() {
            return Err(taken(username));
        }
        let claim = [CLAIM, &hex::encode(random::bytes(24))].concat();
        let claims = self.claim(username, &claim)?;
        match self.enable(username, &claims, password, &rules)? {
            Enabled::Yes => self.persist(),
            Enabled::Outrun => Err(self.outrun(username, &claim)?),
            Enabled::Refused(error) => {
                self.take_back(username, &claim)?;
                Err(error)
            }
        }
    }

    /// Returns every claim on the user, ours among them.
    fn claim(&mut self, username: &str, claim: &str) -> Result<Vec<String>, Error> {
        let set = format!("#{claim}");
        let [set, found] = self.client.run([
            &["ACL", "SETUSER", username, &set],
            &["ACL", "GETUSER", username],
        ])?;
        done(set)?;
        let found = account(found)?.ok_or_else(|| gone(username))?;
        if found.is_only_claimed() {
            return Ok(found.passwords);
        }
        Err(self.outrun(username, claim)?)
    }

    fn enable(
        &mut self,
        username: &str,
        claims: &[String],
        password: &str,
        rules: &[String],
    ) -> Result<Enabled, Error> {
        let claims: Vec<String> = claims.iter().map(|claim| format!("!{claim}")).collect();
        let hash = format!("#{}", sha256(password));
        // What is ours comes last, so that no rule has a say in it.
        let command: Vec<&str> = ["ACL", "SETUSER", username]
            .into_iter()
            .chain(claims.iter().map(String::as_str))
            .chain(rules.iter().map(String::as_str))
            .chain([hash.as_str(), "on"])
            .collect();
        let [reply] = self.client.run([&command])?;
        Ok(match reply {
            Reply::Refused(refusal) if claims.iter().any(|claim| refusal.names(claim)) => {
                Enabled::Outrun
            }
            other => match done(other) {
                Ok(()) => Enabled::Yes,
                Err(error @ Error::Refused(_)) => Enabled::Refused(error.without(&[&hash])),
                Err(error) => return Err(error),
            },
        })
    }

    /// Takes a claim back, and says who was faster.
    fn outrun(&mut self, username: &str, claim: &str) -> Result<Error, Error> {
        Ok(if self.take_back(username, claim)? {
            taken(username)
        } else {
            gone(username)
        })
    }

    /// Takes a claim back. What nobody claims any more then is removed: of several who take theirs back, the last one sees to
    /// that. Should somebody claim it in just that moment, they lose it; they would anyhow, for what becomes of a request
    /// that failed is that its lease is revoked. Returns whether somebody has the user.
    fn take_back(&mut self, username: &str, claim: &str) -> Result<bool, Error> {
        let back = format!("!{claim}");
        let [reply, found] = self.client.run([
            &["ACL", "SETUSER", username, &back],
            &["ACL", "GETUSER", username],
        ])?;
        match reply {
            // It went with the user, or when somebody else got the name.
            Reply::Refused(refusal) if refusal.names(claim) => {}
            other => done(other)?,
        }
        match account(found)? {
            Some(found) if found.is_only_claimed() && found.passwords.is_empty() => {
                self.delete(username).map(|()| false)
            }
            found => Ok(found.is_some()),
        }
    }

    /// Gives a user another password, in the place of all that it has.
    ///
    /// # Errors
    /// If there is no such user. Nothing has changed then; and neither if the server refused.
    pub fn set_password(&mut self, username: &str, password: &str) -> Result<(), Error> {
        let account = self.require(username)?;
        let had = account.passwords.first().map(|hash| format!("!{hash}"));
        let hash = format!("#{}", sha256(password));
        let command: Vec<&str> = ["ACL", "SETUSER", username]
            .into_iter()
            .chain(had.as_deref())
            .chain(["resetpass", hash.as_str()])
            .collect();
        let [reply] = self.client.run([&command])?;
        match (reply, had) {
            (Reply::Refused(refusal), Some(had)) if refusal.names(&had) => Err(Error::Conflict(
                format!("user {username:?} was changed by somebody else meanwhile"),
            )),
            (other, _) => done(other).map_err(|error| error.without(&[&hash])),
        }?;
        self.persist()
    }

    /// That there is a user of that name.
    ///
    /// # Errors
    /// Invalid, if there is none.
    pub fn check(&mut self, username: &str) -> Result<(), Error> {
        self.require(username).map(drop)
    }

    /// Removes a user and its sessions, and looks whether it is gone. A user that is not there is removed.
    ///
    /// # Errors
    /// What the server refused, or that the user is still there.
    pub fn delete(&mut self, username: &str) -> Result<(), Error> {
        check_name(username)?;
        if username == self.client.config().username {
            return Err(Error::Invalid(format!(
                "{username:?} is the connection's own user: it is not removed"
            )));
        }
        for _ in 0..limits::REMOVALS {
            match self.client.first(&["ACL", "DELUSER", username])? {
                Reply::Integer(_) => {}
                other => done(other)?,
            }
            // On the same connection: another may lead to another server.
            let [found] = self.client.run([&["ACL", "GETUSER", username]])?;
            if account(found)?.is_none() {
                // Also if it was not there: the last attempt may have failed at this.
                return self.persist();
            }
        }
        Err(Error::Lost(format!(
            "user {username:?} was removed, and is there again"
        )))
    }

    /// What was changed has taken effect. So whatever goes wrong here leaves the call in doubt, and is not a refusal.
    fn persist(&mut self) -> Result<(), Error> {
        let Some(command) = self.client.config().persistence.command() else {
            return Ok(());
        };
        let [reply] = self.client.run([command])?;
        done(reply).map_err(|error| {
            Error::Lost(format!(
                "users were changed, but not so that it lasts over a restart (persistence_mode): {error}"
            ))
        })
    }

    fn require(&mut self, username: &str) -> Result<Account, Error> {
        check_name(username)?;
        self.find(username)?
            .ok_or_else(|| Error::Invalid(format!("there is no user {username:?}")))
    }

    fn find(&mut self, username: &str) -> Result<Option<Account>, Error> {
        account(self.client.first(&["ACL", "GETUSER", username])?)
    }
}

fn taken(username: &str) -> Error {
    Error::Conflict(format!("user {username:?} already exists"))
}

fn gone(username: &str) -> Error {
    Error::Lost(format!("user {username:?} was removed while it was made"))
}

/// These servers keep the SHA-256 of a password, and take it instead of the password.
fn sha256(password: &str) -> String {
    hex::encode(Sha256::digest(password))
}

/// For a command that is answered with `OK`.
fn done(reply: Reply) -> Result<(), Error> {
    match reply {
        Reply::Text(text) if text == "OK" => Ok(()),
        Reply::Refused(refusal) => Err(refused(refusal)),
        _ => Err(Error::nonsense("neither yes nor no")),
    }
}

/// Servers before ACLs answer so.
fn refused(refusal: Refusal) -> Error {
    if refusal.names("unknown command") {
        return Error::Invalid(format!("the server is too old, it has no users: {refusal}"));
    }
    refusal.into()
}

/// From `ACL GETUSER`: names and values in turn.
fn account(reply: Reply) -> Result<Option<Account>, Error> {
    let list = match reply {
        Reply::Null => return Ok(None),
        Reply::List(list) => list,
        Reply::Refused(refusal) => return Err(refused(refusal)),
        _ => return Err(Error::nonsense("a user that is none")),
    };
    let mut account = Account::default();
    let mut list = list.into_iter();
    while let (Some(name), Some(value)) = (list.next(), list.next()) {
        match (name, value) {
            (Reply::Text(name), Reply::List(values)) if name == "flags" => {
                account.flags = texts(values)?;
            }
            (Reply::Text(name), Reply::List(values)) if name == "passwords" => {
                account.passwords = texts(values)?;
            }
            (Reply::Text(name), Reply::Text(value)) if name == "commands" => {
                account.commands = value;
            }
            // Keys, channels and selectors, in a form that depends on the version.
            (Reply::Text(_), _) => {}
            _ => return Err(Error::nonsense("a user that is none")),
        }
    }
    if account.flags.is_empty() {
        return Err(Error::nonsense("a user that is neither on nor off"));
    }
    Ok(Some(account))
}

fn texts(replies: Vec<Reply>) -> Result<Vec<String>, Error> {
    replies
        .into_iter()
        .map(|reply| match reply {
            Reply::Text(text) => Ok(text),
            _ => Err(Error::nonsense("a user that is none")),
        })
        .collect()
}

/// A name that a server of this family takes.
fn check_name(username: &str) -> Result<(), Error> {
    let bad = |c: char| c.is_whitespace() || c.is_control();
    match username.len() {
        0 => Err(Error::Invalid("missing username".to_owned())),
        len if len > limits::NAME => Err(Error::Invalid(format!(
            "user names have at most {} bytes, this one has {len}",
            limits::NAME
        ))),
        _ if username.contains(bad) => Err(Error::Invalid(
            "user names have no blanks and no control characters".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// A generated name as these servers take it, and plain enough for the files that it will stand in: who logs in by a name of
/// their own choice has a say in it.
pub fn tame(name: &str) -> String {
    let bad = |c: char| matches!(c, '\'' | '"' | '\\') || c.is_control() || c.is_whitespace();
    let mut tame = String::new();
    for c in name.chars().take(limits::NEW_NAME) {
        let c = if bad(c) { '-' } else { c };
        if tame.len() + c.len_utf8() > limits::NAME {
            break;
        }
        tame.push(c);
    }
    tame
}
