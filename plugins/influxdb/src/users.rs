//! Users of a server: made, changed and removed.
//!
//! `CREATE USER` fails if there is a user of that name with another password, and as passwords are drawn at random, of two
//! who want a name at once one gets it. It does nothing if the password is the same: so one looks first whether the name is
//! taken.

use coffer_sdk::{Error, Result};
use serde_json::Value;

use crate::server::{Server, quoted};

/// As Vault names them.
pub const USERNAME_TEMPLATE: &str = r#"{{ printf "v_%s_%s_%s_%s" (.DisplayName | truncate 15) (.RoleName | truncate 15) (random 20) (unix_time) | truncate 100 | replace "-" "_" | lowercase }}"#;

/// The longest name, in bytes.
pub const NAME: usize = 256;

const CREATE: &str = r#"CREATE USER "{{username}}" WITH PASSWORD '{{password}}'"#;
const DROP: &str = r#"DROP USER "{{username}}""#;
const CHANGE: &str = r#"SET PASSWORD FOR "{{username}}" = '{{password}}'"#;

/// The users of one server.
pub struct Users {
    server: Server,
}

impl Users {
    /// Of this server.
    pub fn new(server: Server) -> Self {
        Self { server }
    }

    /// Proves that the connection works, and that its user may look at users.
    ///
    /// # Errors
    /// If it does not.
    pub fn ping(&self) -> Result<()> {
        self.names().map(drop)
    }

    /// Whether there is one of this name.
    ///
    /// # Errors
    /// If the server does not say.
    pub fn exists(&self, username: &str) -> Result<bool> {
        check(username)?;
        Ok(self.names()?.iter().any(|name| name == username))
    }

    fn names(&self) -> Result<Vec<String>> {
        let rows = self.server.done("SHOW USERS")?;
        let name = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::String(name)) => Ok(name),
            _ => Err(Error::unavailable(
                "the server answers nonsense: a user without a name",
            )),
        };
        rows.into_iter().map(name).collect()
    }

    /// Makes a user. What was done of it is undone if its statements fail half-way.
    ///
    /// # Errors
    /// A conflict if the name is taken; invalid if the server refuses.
    pub fn create(
        &self,
        username: &str,
        password: &str,
        statements: &[String],
        rollback: &[String],
    ) -> Result<()> {
        if self.exists(username)? {
            return Err(taken(username));
        }
        let fill = |text: &str| filled(text, username, password);
        let made = questions(statements, CREATE)
            .map(fill)
            .try_for_each(|question| self.server.done(&question).map(drop));
        let Err(error) = made else {
            // What the role says may have made another user, or none.
            return match self.exists(username)? {
                true => Ok(()),
                false => Err(Error::invalid(
                    "creation_statements have not made the user {{username}}",
                )),
            };
        };
        if error.message.contains("user already exists") {
            return Err(taken(username));
        }
        for question in questions(rollback, DROP).map(fill) {
            // The first error is what is told; what is left is undone by the lease.
            let _ = self.server.ask(&question);
        }
        Err(error)
    }

    /// Gives a user another password.
    ///
    /// # Errors
    /// Invalid if there is none.
    pub fn set_password(
        &self,
        username: &str,
        password: &str,
        statements: &[String],
    ) -> Result<()> {
        self.require(username)?;
        questions(statements, CHANGE)
            .map(|text| filled(text, username, password))
            .try_for_each(|question| self.server.done(&question).map(drop))
    }

    /// That there is one.
    ///
    /// # Errors
    /// Invalid if there is none.
    pub fn require(&self, username: &str) -> Result<()> {
        match self.exists(username)? {
            true => Ok(()),
            false => Err(Error::invalid(format!("there is no user {username:?}"))),
        }
    }

    /// Removes a user, if there is one. The role's statements come first; whatever they do, the user is gone afterwards.
    ///
    /// # Errors
    /// If it is not.
    pub fn delete(&self, username: &str, statements: &[String]) -> Result<()> {
        check(username)?;
        let mut own = Ok(());
        if self.exists(username)? {
            own = questions(statements, DROP)
                .map(|text| filled(text, username, ""))
                .try_for_each(|question| self.server.done(&question).map(drop));
        }
        if !self.exists(username)? {
            return Ok(());
        }
        self.server.done(&filled(DROP, username, ""))?;
        match self.exists(username)? {
            false => Ok(()),
            true => own.and(Err(Error::unavailable(format!(
                "user {username:?} was removed, and is there again"
            )))),
        }
    }
}

fn taken(username: &str) -> Error {
    Error::conflict(format!("user {username:?} already exists"))
}

/// What a role says, or else this.
fn questions<'t>(statements: &'t [String], default: &'t str) -> impl Iterator<Item = &'t str> {
    let said = || {
        statements
            .iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    };
    let default = said().next().is_none().then_some(default);
    said().chain(default)
}

/// A statement for this user.
fn filled(statement: &str, username: &str, password: &str) -> String {
    let (username, password) = (quoted(username), quoted(password));
    let mut out = String::new();
    let mut rest = statement;
    // In one pass: what is filled in is not looked at again.
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name.trim() {
            "username" | "name" => out.push_str(&username),
            "password" => out.push_str(&password),
            other => out.extend(["{{", other, "}}"]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A name that a server of this family takes.
fn check(username: &str) -> Result<()> {
    if username.is_empty() || username.len() > NAME || username.contains(char::is_control) {
        return Err(Error::invalid(format!(
            "user names have 1 to {NAME} bytes and no control characters"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_filled_in_once() {
        assert_eq!(
            filled(CREATE, "{{password}}", "it's"),
            r#"CREATE USER "{{password}}" WITH PASSWORD 'it\'s'"#
        );
        assert_eq!(
            filled("{{ name }} {{other}} {{", "u", "p"),
            "u {{other}} {{}}"
        );
    }

    #[test]
    fn what_a_role_says_takes_the_place_of_the_default() {
        let said = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            questions(&texts, "default")
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(said(&[]), ["default"]);
        assert_eq!(said(&[" "]), ["default"]);
        assert_eq!(said(&["a", "", "b"]), ["a", "b"]);
    }
}
